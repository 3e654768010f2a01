"""What a pipeline yields: small frozen values that know no prompt box, no file and no browser."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from t2v.state import RefinerState


Stage = Literal["initialization", "streaming_t2v", "refinement"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know about this video, in one sentence."""

    text: str


@dataclass(frozen=True, slots=True)
class StepDone:
    """One denoising step of one chunk has finished."""

    stage: Stage
    chunk_index: int
    step: int  # 1 .. num_steps
    num_steps: int
    # About how the chunk's first new frame will look, where that costs nothing.
    picture: UInt8[np.ndarray, "h w 3"] | None = field(default=None, compare=False)
    memory: int = field(default=0, compare=False)  # bytes in use; 0: not looked at
    is_gpu: bool = field(default=False, compare=False)  # whose memory it is


@dataclass(frozen=True, slots=True)
class Chunk:
    """Frames that are final and were in no chunk before."""

    stage: Stage
    index: int
    start_frame: int
    frames: UInt8[np.ndarray, "f h w 3"]
    refiner: RefinerState | None = None  # after a refined chunk that another one can follow


Event = Notice | StepDone | Chunk
