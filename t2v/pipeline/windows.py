"""Windows: the overlapping stretches of a video that the refiner's network sees, one a chunk."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from t2v.config import RefinerSettings
from t2v.errors import ConfigError
from t2v.pipeline.denoising import Latents
from t2v.state import RefinerState


Frames = UInt8[np.ndarray, "f h w 3"]
Piece = UInt8[np.ndarray, "_ _ _ 3"]  # of many, each with its own number of frames
Left = Float[Tensor, "b c l h w"]
Joined = Float[Tensor, "b c n h w"]


@dataclass(frozen=True, slots=True)
class Window:
    """The frames that one chunk's network sees.

    A video's last window is moved back until it is as long as the others, so that the network
    never sees a made-up frame. What it sees before the overlap is context, which it cannot change.
    A video that is shorter than a chunk is one short window.
    """

    index: int
    start: int  # the first frame
    overlap_start: int  # the first frame that both it and the window before it may draw
    overlap_stop: int  # after the last one of those: the first frame that is new
    stop: int  # after the last frame
    is_last: bool  # known to be; a window that fills up with the video's last frame is not

    @property
    def num_frames(self) -> int:
        return self.stop - self.start

    @property
    def num_context(self) -> int:
        return self.overlap_start - self.start

    @property
    def num_shared(self) -> int:
        """Frames that the window before it shows too: context, then the overlap."""
        return self.overlap_stop - self.start

    def append(self, left: Left | None, right: Latents, cut: int) -> Joined:
        """All frames up to the window's end: `left`, then `right` from the cut on.

        Args:
            left: all frames before the window's new ones; None for the first window.
            right: the window's frames.
            cut: how many frames of the overlap are taken from `left`.
        """
        if left is None:
            return right
        return blend(left, right, self.num_shared, self.num_context + cut)

    def take_over(self, left: Left | None, right: Latents, cut: int) -> Joined:
        """The same for the window's frames alone; `left` may be the window before it."""
        if left is None:
            return right
        shared = left[:, :, left.shape[2] - self.num_shared :]
        return blend(shared, right, self.num_shared, self.num_context + cut)


def blend(left: Left, right: Latents, overlap: int, cut: int) -> Joined:
    """Joins two pieces that share `overlap` frames, of which `cut` are taken from the left one."""
    return torch.cat([left[:, :, : left.shape[2] - overlap + cut], right[:, :, cut:]], dim=2)


class FrameSource:
    """Pieces of a video, asked for one by one, given out in other lengths."""

    def __init__(self, pieces: Iterable[Piece], size: tuple[int, int] | None = None):
        self._pieces = (piece for piece in pieces if len(piece))
        self._waiting: Frames | None = None
        self._size = size  # height, width; that of the first piece if it is not known

    def frame_size(self) -> tuple[int, int]:
        """Height and width, for which the first piece is asked if need be.

        Raises:
            ConfigError: there are no frames.
        """
        if self._size is not None:
            return self._size
        self._waiting = self._next_piece()
        if self._waiting is None:
            raise ConfigError("there are no frames to refine")
        return self._size

    def take(self, num_frames: int) -> list[Piece]:
        """Pieces that have so many frames together; fewer only at the end of the video."""
        taken = []
        while num_frames and (piece := self._next_piece()) is not None:
            taken.append(piece[:num_frames])
            if len(piece) > num_frames:
                self._waiting = piece[num_frames:]
            num_frames -= len(taken[-1])
        return taken

    def _next_piece(self) -> Frames | None:
        piece, self._waiting = self._waiting, None
        if piece is None:
            piece = next(self._pieces, None)
        if piece is None:
            return None
        self._size = self._size or piece.shape[1:3]
        if piece.shape[1:3] != self._size:
            sizes = (f"{width}x{height}" for height, width in (self._size, piece.shape[1:3]))
            raise ConfigError(f"all frames must have one size: {', then '.join(sizes)}")
        return piece


def encode_windows(
    encode: Callable[[Piece], Latents],
    settings: RefinerSettings,
    source: FrameSource,
    state: RefinerState | None = None,
) -> Iterator[tuple[Window, Latents]]:
    """Every window as soon as its frames exist, with their latents. A frame is encoded once.

    Args:
        state: after the windows that are done; the source goes on where they stopped.
    """
    encoded, index, stop = None, 0, 0
    num_wanted = settings.chunk_frames
    if state is not None:
        encoded = torch.from_numpy(state.encoded)
        index, stop = state.num_chunks, state.num_frames
        num_wanted -= settings.overlap
    while pieces := source.take(num_wanted):
        new = torch.cat([encode(piece) for piece in pieces], dim=2)
        num_new = new.shape[2]
        encoded = new if encoded is None else torch.cat([encoded.to(new), new], dim=2)
        encoded = encoded[:, :, -settings.chunk_frames :].clone()
        window = Window(
            index=index,
            start=stop + num_new - encoded.shape[2],
            overlap_start=max(0, stop - settings.overlap),
            overlap_stop=stop,
            stop=stop + num_new,
            is_last=num_new < num_wanted,
        )
        yield window, encoded
        index, stop = index + 1, window.stop
        num_wanted = settings.chunk_frames - settings.overlap
