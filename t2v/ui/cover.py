"""Covers: the picture that lies over a live player until the player shows something newer.

A player that has nothing to play is black, and one that waits at the end of what it has may be. So
the server draws what belongs there: the rough preview of the first chunk, or the last frame of a
run that is continued. page.js takes the cover away when the player shows a frame from `data-until`
on, in seconds.
"""

from base64 import b64encode
from io import BytesIO

from PIL import Image

from t2v.errors import MediaError
from t2v.events import Track
from t2v.media.images import Picture
from t2v.media.reader import read_frames
from t2v.runs.events import Rewound, SegmentReady, is_end
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_events
from t2v.runs.progress import RunProgress
from t2v.ui.labels import escaped
from t2v.ui.texts.catalogue import tr
from t2v.ui.timeline import latent_image, thumbnail_image


class Cover:
    """The cover of one screen while one run is shown.

    Args:
        has_ended: the run is not live any more; its finished file is about to be loaded.
    """

    def __init__(self, folder: RunFolder, track: Track, fps: int, *, has_ended: bool):
        self._folder = folder
        self._track = track
        self._fps = fps
        self._has_ended = has_ended
        self._shown = ""  # the last HTML
        self._continued: tuple[int, str] = (0, "")  # frames that were kept, and the HTML for them

    def first(self) -> str:
        """HTML before anything of the run was followed. Reads files."""
        kept = kept_frames(self._folder)[self._track]
        if self._has_ended:
            self._shown = self._thumbnail()
        elif kept:
            self._shown = self._after(kept)
        return self._shown

    def update(self, progress: RunProgress) -> str | None:
        """HTML for the state of the run; None if it is the same as before. May read files."""
        html = self._of(progress)
        if html is None or html == self._shown:
            return None
        self._shown = html
        return html

    def _of(self, progress: RunProgress) -> str | None:
        if self._has_ended:
            return None
        if kept := progress.starts[self._track]:
            return self._after(kept)
        # A picture that the player has replaced stays as it is, or it would cover the player again.
        if progress.playable["preview"] or self._track == "refined":
            return None
        if progress.picture is None or (progress.latest and is_end(progress.latest)):
            return ""
        alt = tr("The first chunk so far, in rough colours")
        return cover(latent_image(progress.picture, alt), 0)

    def _after(self, num_frames: int) -> str:
        """The last of the frames that a continued run has kept."""
        if self._continued[0] != num_frames:
            image = frame_image(last_frame(self._folder, self._track, num_frames))
            self._continued = num_frames, cover(image, num_frames / self._fps)
        return self._continued[1]

    def _thumbnail(self) -> str:
        """For a run that has ended, until its file is loaded."""
        image = thumbnail_image(self._folder.thumbnail_path)
        return cover(image, 0) if "<img" in image else ""


def cover(image: str, until: float) -> str:
    """HTML of a cover.

    Args:
        image: HTML.
        until: seconds; the first frame of the player that is newer.
    """
    return f'<div class="over-player" data-until="{until:g}">{image}</div>' if image else ""


def kept_frames(folder: RunFolder) -> dict[Track, int]:
    """How many frames of each track the last rewind has kept; its event is the log's first."""
    event = next(iter_events(folder), None)
    if isinstance(event, Rewound):
        return {"preview": event.num_frames, "refined": event.num_refined_frames}
    return {"preview": 0, "refined": 0}


def last_frame(folder: RunFolder, track: Track, num_frames: int) -> Picture | None:
    """The last of the first `num_frames` frames, as the player has it; None if it is gone."""
    for event in iter_events(folder):
        if not isinstance(event, SegmentReady) or event.track != track:
            continue
        if event.start_frame + event.num_frames == num_frames:
            try:
                return read_frames(event.path)[-1]
            except (MediaError, IndexError):
                return None
    return None


def frame_image(frame: Picture | None) -> str:
    """An <img> with a frame inside; "" without one."""
    if frame is None:
        return ""
    jpeg = BytesIO()
    Image.fromarray(frame).save(jpeg, format="JPEG", quality=92)
    data = b64encode(jpeg.getvalue()).decode()
    alt = escaped(tr("The last frame so far"))
    return f'<img alt="{alt}" src="data:image/jpeg;base64,{data}">'
