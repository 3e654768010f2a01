"""The state of a run as its viewers see it: a fold of its events, without any HTML."""

from t2v.events import TRACKS, Notice, Track
from t2v.media.images import Picture
from t2v.runs.events import (
    ChunkMeasured,
    Progress,
    Queued,
    Rewound,
    RunEvent,
    SegmentReady,
    Started,
)
from t2v.runs.record import RunSettings


MAX_NOTICES = 5  # the newest


class RunProgress:
    """Folds the events of one run. Its size does not depend on the length of the video.

    Attributes:
        latest: the newest event that says what the run is doing, or how it ended; None before the
            first and after a rewind.
        notices: texts of the newest notices.
        playable: frames of each track that can be played.
        progress: the newest Progress of each track since the last rewind.
        starts: frames of each track that were kept by the last rewind.
        revision: how often the run has been rewound.
        picture: a rough preview of the chunk that is being denoised, if there is one.
        num_frames: of the whole video.
    """

    def __init__(self, settings: RunSettings):
        self.fps = settings.fps
        self.refines = settings.config.refine
        self.num_frames = settings.num_frames
        self.latest: RunEvent | None = None
        self.notices: list[str] = []
        self.playable: dict[Track, int] = dict.fromkeys(TRACKS, 0)
        self.progress: dict[Track, Progress] = {}
        self.starts: dict[Track, int] = dict.fromkeys(TRACKS, 0)
        self.revision = 0
        self.picture: Picture | None = None

    def add(self, event: RunEvent) -> None:
        match event:
            case Notice():
                self.notices = [*self.notices, event.text][-MAX_NOTICES:]
            case SegmentReady():
                self.playable[event.track] = event.start_frame + event.num_frames
            case Started():
                self.num_frames = event.num_frames  # the run may have been extended
            case Rewound():
                self._rewind(event)
            case Progress():
                self.latest = event
                self.progress[event.track] = event
                if event.track == "preview":
                    self.picture = event.picture
            case ChunkMeasured():
                pass  # says nothing of what the run is doing
            case _:
                self.latest = event

    def _rewind(self, rewound: Rewound) -> None:
        self.revision = rewound.revision
        self.playable = {
            "preview": rewound.num_frames,
            "refined": rewound.num_refined_frames,
        }
        self.starts = self.playable.copy()
        self.progress = {}
        self.picture = None
        self.latest = None

    @property
    def num_playable(self) -> int:
        """Frames of the preview that can be played."""
        return self.playable["preview"]

    @property
    def is_waiting(self) -> bool:
        """Whether other runs come first."""
        return isinstance(self.latest, Queued) and self.latest.position > 0
