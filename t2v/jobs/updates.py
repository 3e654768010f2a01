"""What somebody who watches a run is told: small frozen values, in the order things happened.

Some of them are facts and stay in the log of the run (`Started`, `Notice`, `SegmentReady` and the
two ends); the others describe a moment, and only the newest one counts.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from t2v.errors import JobError
from t2v.events import Notice, Stage


@dataclass(frozen=True, slots=True)
class Queued:
    """Other runs come first."""

    position: int  # 1 is next, 0 about to begin
    wait: int | None = None  # seconds, about; None if nothing is known of the runs before


@dataclass(frozen=True, slots=True)
class Loading:
    """The run has its turn; the models of its preset, which are not there yet, are loaded."""

    preset: str


@dataclass(frozen=True, slots=True)
class Started:
    """The first denoising step has begun."""

    num_chunks: int
    num_frames: int
    fps: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Where one of the videos of a run is. Times in seconds; estimates come from its own pace."""

    stage: Stage
    chunk_index: int
    num_chunks: int
    step: int  # that is done; 0 while the other video has its turn
    num_steps: int
    elapsed: float  # of the run, over all its turns on the device
    next_chunk_in: float
    eta: float  # of this video, the preview or the refined one
    step_seconds: float = 0.0
    memory: int = 0  # bytes in use, of the GPU if `is_gpu`
    is_gpu: bool = False
    # For eyes only, see `StepDone`: neither compared nor told to programs.
    picture: UInt8[np.ndarray, "h w 3"] | None = field(default=None, compare=False)

    @property
    def is_refined(self) -> bool:
        return self.stage == "refinement"


@dataclass(frozen=True, slots=True)
class SegmentReady:
    """The frames of a chunk can be played."""

    stage: Stage
    index: int
    path: Path
    start_frame: int
    num_frames: int
    sha256: str = ""  # of the frames as they were drawn, before they became a file

    @property
    def is_refined(self) -> bool:
        return self.stage == "refinement"


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over: complete, or stopped with what there was."""

    state: str  # finished, stopped, paused
    path: Path | None  # of the video; None when not even one chunk was done
    num_frames: int
    seconds: float
    refined_path: Path | None = None
    num_refined_frames: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """The run ended early by itself; `message` is for the user."""

    message: str
    path: Path | None = None  # of the video of the chunks that were done
    num_frames: int = 0
    refined_path: Path | None = None
    num_refined_frames: int = 0


@dataclass(frozen=True, slots=True)
class Rewound:
    """The run goes on from an earlier point: of what was told before, only this much holds, and
    its segments are told again."""

    take: int  # counts
    num_frames: int
    num_refined_frames: int


Moment = Queued | Loading | Progress
Fact = Started | Notice | SegmentReady | Rewound | Finished | Failed
Update = Moment | Fact

FACTS = {kind.__name__: kind for kind in (Started, Notice, SegmentReady, Rewound, Finished, Failed)}


def is_end(update: Update) -> bool:
    return isinstance(update, Finished | Failed)


def to_json(fact: Update) -> dict[str, Any]:
    """Plain values, for the log and for programs; paths become names inside the run's folder."""
    values = {"type": type(fact).__name__}
    for part in dataclasses.fields(fact):
        if part.name == "picture":
            continue
        value = getattr(fact, part.name)
        values[part.name] = value.name if isinstance(value, Path) else value
    return values


def from_json(values: dict[str, Any], locate) -> Fact:
    """The fact again; `locate` gives the path of a (kind of fact, file name).

    Raises:
        JobError: the log was written by a version that knows other facts.
    """
    values = dict(values)
    name = values.pop("type", None)
    if name not in FACTS:
        raise JobError(f"the log of this run holds {name!r}, which this version does not know")
    for path in ("path", "refined_path"):
        if values.get(path) is not None:
            values[path] = locate(name, values[path])
    return FACTS[name](**values)
