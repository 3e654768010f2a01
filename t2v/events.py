"""The events of a pipeline: small frozen values without files, pages or browsers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float32, UInt8


Frames = UInt8[np.ndarray, "_ _ _ 3"]


@dataclass(frozen=True, slots=True)
class Memory:
    """What a chunk knows of the video so far. Its size does not depend on the length."""

    cond_frames: UInt8[np.ndarray, "k h w 3"]  # short-term: the last 8 frames
    anchor_frame: UInt8[np.ndarray, "h w 3"]  # long-term: the first frame of the first chunk


@dataclass(frozen=True, slots=True)
class LatentMemory:
    """The same for a model that remembers latents, not frames: Helios, FramePack."""

    history: Float32[np.ndarray, "b c k h w"]  # short-term: of the last frames, oldest first
    anchor: Float32[np.ndarray, "b c 1 h w"]  # long-term: of the first frame, kept
    image: UInt8[np.ndarray, "H W 3"] | None = None  # that frame, where it is read as pixels


def remember(memory: Memory | None, frames: Frames, num_cond_frames: int) -> Memory:
    """The memory after new frames: the last ones, and the anchor, which stays.

    Args:
        memory: before these frames; None if they are the first.
        num_cond_frames: that the short-term memory holds.
    """
    anchor_frame = frames[0] if memory is None else memory.anchor_frame
    num_missing = num_cond_frames - len(frames)
    if memory is not None and num_missing > 0:
        frames = np.concatenate([memory.cond_frames[-num_missing:], frames])
    return Memory(cond_frames=frames[len(frames) - num_cond_frames :], anchor_frame=anchor_frame)


@dataclass(frozen=True, slots=True)
class Start:
    """What a video begins with besides text, at the size of its frames."""

    anchor: UInt8[np.ndarray, "h w 3"]  # the first frame: of the clip, or the image
    frames: UInt8[np.ndarray, "f h w 3"]  # the last ones of a clip; of an image that one

    @property
    def is_image(self) -> bool:
        return len(self.frames) == 1


@dataclass(frozen=True, slots=True)
class RefinerState:
    """What a refined chunk knows of the chunks before it."""

    num_chunks: int  # refined so far
    num_frames: int  # of the preview that these chunks have read
    frame_size: tuple[int, int]  # height, width of the preview's frames
    encoded: Float32[np.ndarray, "b c f h w"]  # the last of those frames
    latents: Float32[np.ndarray, "b c f h w"]  # of the last chunk
    x0s: Float32[np.ndarray, "s b c f h w"] | None  # its predictions at every step, if blended


@dataclass(frozen=True, slots=True)
class ResumeState:
    """Where an interrupted video resumes.

    Args:
        num_chunks: that are done, at least one.
        refiner: None if the refined video starts at its first frame.
        read_frames: gives the frames of these chunks from a number on, chunk by chunk.
    """

    num_chunks: int
    memory: Memory | LatentMemory
    refiner: RefinerState | None
    read_frames: Callable[[int], Iterator[Frames]]


Stage = Literal["initialization", "streaming_t2v", "refinement"]
Track = Literal["preview", "refined"]  # the two videos of a run
TRACKS: tuple[Track, ...] = ("preview", "refined")


def track_of(stage: Stage) -> Track:
    """The video that a stage makes."""
    return "refined" if stage == "refinement" else "preview"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the user should know about this video, in one sentence."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """One denoising step of one chunk has finished."""

    stage: Stage
    chunk_index: int
    step: int  # 1 .. num_steps
    num_steps: int
    # A rough preview of the chunk's first new frame, where it costs nothing.
    picture: UInt8[np.ndarray, "h w 3"] | None = field(default=None, compare=False)
    memory: int = field(default=0, compare=False)  # bytes in use; 0: not measured
    is_gpu: bool = field(default=False, compare=False)  # whether it is the GPU's memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The new frames of a chunk. They are final."""

    stage: Stage
    index: int
    start_frame: int
    frames: UInt8[np.ndarray, "f h w 3"]
    refiner: RefinerState | None = None  # the state after a refined chunk, unless it is the last
    memory: LatentMemory | None = None  # after it, where its frames alone do not hold it


Event = Notice | StepDone | Chunk


def memory_after(
    memory: Memory | LatentMemory | None, chunk: Chunk, num_cond_frames: int
) -> Memory | LatentMemory:
    """What a chunk leaves for the next one: its own memory, or its last frames.

    Args:
        memory: before the chunk.
    """
    if chunk.memory is not None:
        return chunk.memory
    assert not isinstance(memory, LatentMemory)
    return remember(memory, chunk.frames, num_cond_frames)
