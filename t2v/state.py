"""What a video that was interrupted needs to go on with the very frames it would have had."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8


Frames = UInt8[np.ndarray, "_ _ _ 3"]


@dataclass(frozen=True, slots=True)
class Memory:
    """All that a chunk knows of the video so far. It does not grow with the video."""

    cond_frames: UInt8[np.ndarray, "k h w 3"]  # short-term: the last 8 frames
    anchor_frame: UInt8[np.ndarray, "h w 3"]  # long-term: the first frame of the first chunk


@dataclass(frozen=True, slots=True)
class RefinerState:
    """All that a refined chunk knows of those before it."""

    num_chunks: int  # that are done
    num_frames: int  # of the preview that they have read
    frame_size: tuple[int, int]  # height, width of those
    encoded: Float32[np.ndarray, "b c f h w"]  # the last of those
    latents: Float32[np.ndarray, "b c f h w"]  # of the last chunk
    x0s: Float32[np.ndarray, "s b c f h w"] | None  # its predictions at every step, if blended


@dataclass(frozen=True, slots=True)
class Start:
    """Where an interrupted video goes on.

    Args:
        num_chunks: that are drawn, at least one.
        refiner: None if the refined video begins at its first frame.
        read_frames: gives the frames of the drawn chunks from a number on, chunk by chunk.
    """

    num_chunks: int
    memory: Memory
    refiner: RefinerState | None
    read_frames: Callable[[int], Iterator[Frames]]
