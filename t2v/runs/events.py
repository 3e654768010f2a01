"""The events of a run: small frozen values, in the order in which things happened.

Logged events stay in the log of the run. Live events describe a moment; only the newest one counts.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from t2v.errors import RunError
from t2v.events import Notice, Stage, Track, track_of
from t2v.runs.field_types import check_fields, is_file_name
from t2v.runs.record import DECODE_ERRORS


MOST_STAGNANT = 0.5  # share of a chunk's pairs of frames from which on it is called stagnant


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Other runs come first, or no worker can make it."""

    position: int  # 1 is next, 0 about to begin
    wait: int | None = None  # estimated seconds; None without experience of such runs
    obstacle: str = ""  # why no worker can make it, for the user


@dataclass(frozen=True, slots=True, kw_only=True)
class Loading:
    """The worker has taken the run and loads the models of its preset."""

    preset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The first denoising step has begun."""

    num_chunks: int
    num_frames: int
    fps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far one track of a run is. Times are in seconds; estimates come from this run."""

    stage: Stage
    chunk_index: int
    num_chunks: int
    step: int  # that is done; 0 while the other track is being made
    num_steps: int
    elapsed: float  # work on the run, over all its executions
    next_chunk_in: float
    eta: float  # of this track
    step_seconds: float = 0.0
    memory: int = 0  # bytes in use, of the GPU if `is_gpu`
    is_gpu: bool = False
    # For people only, see `StepDone`: neither compared nor sent to programs.
    picture: UInt8[np.ndarray, "h w 3"] | None = field(default=None, compare=False)

    @property
    def track(self) -> Track:
        return track_of(self.stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentReady:
    """The frames of a chunk can be played."""

    stage: Stage
    index: int
    path: Path
    start_frame: int
    num_frames: int
    sha256: str = ""  # of the frames from the model, before they became a file

    @property
    def track(self) -> Track:
        return track_of(self.stage)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkMeasured:
    """Numbers about the frames of a chunk of the preview. None: too few frames, or none that moves.

    They depend on these frames, the last ones before them and the anchor, and on nothing else.
    """

    index: int
    start_frame: int
    num_frames: int
    motion: float | None  # mean length of the optical flow, pixels a frame
    stagnant_share: float | None  # of the pairs of frames, those that move less than 0.05 pixels
    seam_ratio: float | None  # change at the chunk's beginning over change around it; 1: no seam
    drift: float | None  # of the mean colour from the anchor, 0 to 255
    sharpness: float | None  # in multiples of that of the anchor
    is_cut: bool | None  # whether brightness shows a cut at the chunk's beginning

    @property
    def is_stagnant(self) -> bool:
        """Whether most pairs of frames do not move."""
        return self.stagnant_share is not None and self.stagnant_share > MOST_STAGNANT


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The run is over: complete, or ended early by its user."""

    state: str  # finished, stopped, paused
    path: Path | None  # of the video; None when not even one chunk was done
    num_frames: int
    seconds: float
    refined_path: Path | None = None
    num_refined_frames: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The run ended early by itself; `message` is for the user."""

    message: str
    path: Path | None = None  # of the video of the chunks that were done
    num_frames: int = 0
    refined_path: Path | None = None
    num_refined_frames: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewound:
    """The run resumes from an earlier point.

    Of the events before, only the segments of this many frames still hold, and the log repeats
    them.
    """

    revision: int  # how often the run has been rewound
    num_frames: int
    num_refined_frames: int


LiveEvent = Queued | Loading | Progress
LoggedEvent = Started | Notice | SegmentReady | ChunkMeasured | Rewound | Finished | Failed
RunEvent = LiveEvent | LoggedEvent

LOGGED_EVENTS: dict[str, type[LoggedEvent]] = {
    kind.__name__: kind
    for kind in (Started, Notice, SegmentReady, ChunkMeasured, Rewound, Finished, Failed)
}
# Fields whose names in logs are those of the first version.
EVENT_NAMES_ON_DISK = {("Rewound", "revision"): "take"}
EVENT_NAMES_HERE = {(kind, old): name for (kind, name), old in EVENT_NAMES_ON_DISK.items()}


def is_end(event: RunEvent) -> bool:
    return isinstance(event, Finished | Failed)


def record_changes(end: Finished | Failed) -> dict[str, Any]:
    """What the record of a run says after its end."""
    state, message = ("failed", end.message) if isinstance(end, Failed) else (end.state, "")
    return {
        "state": state,
        "message": message,
        "num_frames": end.num_frames,
        "num_refined_frames": end.num_refined_frames,
    }


def to_json(event: RunEvent) -> dict[str, Any]:
    """An event as plain values, for the log and for programs. Paths become file names."""
    kind = type(event).__name__
    values: dict[str, Any] = {"type": kind}
    for part in dataclasses.fields(event):
        if part.name == "picture":
            continue
        value = getattr(event, part.name)
        name = EVENT_NAMES_ON_DISK.get((kind, part.name), part.name)
        values[name] = value.name if isinstance(value, Path) else value
    return values


def to_line(event: LoggedEvent) -> str:
    return json.dumps(to_json(event)) + "\n"


def from_json(values: Any, locate: Callable[[str, str], Path]) -> LoggedEvent:
    """The event that `to_json` wrote.

    Args:
        locate: gives the path of a (kind of event, file name).

    Raises:
        RunError: it is damaged, or another version wrote it, with events that this version does
            not know.
    """
    kind = values.get("type") if isinstance(values, dict) else None
    if not isinstance(kind, str) or kind not in LOGGED_EVENTS:
        raise RunError(f"it holds {str(kind)[:40]!r}, which this version does not know")
    fields = {EVENT_NAMES_HERE.get((kind, name), name): value for name, value in values.items()}
    del fields["type"]
    try:
        for path in ("path", "refined_path"):
            if fields.get(path) is not None:
                if not is_file_name(fields[path]):
                    raise ValueError(f"{path} is no file name")
                fields[path] = locate(kind, fields[path])
        event = LOGGED_EVENTS[kind](**fields)
        check_fields(event)
    except DECODE_ERRORS as error:
        raise RunError(f"it holds a {kind} that cannot be understood") from error
    return event
