"""Windows: the overlapping ranges of a video that the refiner's network sees, one per chunk."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from t2v.errors import ConfigError
from t2v.events import Frames, RefinerState
from t2v.pipeline.denoising import Latents
from t2v.settings.chunking import Chunking


Left = Float[Tensor, "b c l h w"]
Joined = Float[Tensor, "b c n h w"]


@dataclass(frozen=True, slots=True)
class Window:
    """The frames that one chunk's network sees.

    The last window of a video is moved back until it is as long as the others, so that no frame
    has to be invented. Frames before its overlap are context, which it cannot change. A video
    shorter than a chunk is one short window.
    """

    index: int
    start: int  # the first frame
    overlap_start: int  # the first frame that both it and the window before it may draw
    overlap_stop: int  # the first new frame
    stop: int  # after the last frame
    is_last: bool  # known to be the last; a full window at the video's end is not

    @property
    def num_frames(self) -> int:
        """Length of the window."""
        return self.stop - self.start

    @property
    def num_context(self) -> int:
        """Frames before the overlap."""
        return self.overlap_start - self.start

    @property
    def num_shared(self) -> int:
        """Frames that the window before it shows as well: context, then the overlap."""
        return self.overlap_stop - self.start

    def append(self, left: Left | None, right: Latents, cut: int) -> Joined:
        """Joins all frames up to the window's end: `left`, then `right` from the cut on.

        Args:
            left: all frames before the window's new ones; None for the first window.
            right: the window's frames.
            cut: how many frames of the overlap are taken from `left`.
        """
        if left is None:
            return right
        return blend(left, right, self.num_shared, self.num_context + cut)

    def overlay(self, left: Left | None, right: Latents, cut: int) -> Joined:
        """Does the same for the window's frames alone; `left` may be the window before it."""
        if left is None:
            return right
        shared = left[:, :, left.shape[2] - self.num_shared :]
        return blend(shared, right, self.num_shared, self.num_context + cut)


def blend(left: Left, right: Latents, overlap: int, cut: int) -> Joined:
    """Joins two pieces that share `overlap` frames, of which `cut` are taken from the left one."""
    return torch.cat([left[:, :, : left.shape[2] - overlap + cut], right[:, :, cut:]], dim=2)


class FrameSource:
    """Reads a video from pieces of any length, in other lengths.

    Args:
        size: height, width; by default those of the first piece.
    """

    def __init__(self, pieces: Iterable[Frames], size: tuple[int, int] | None = None):
        self._pieces = (piece for piece in pieces if len(piece))
        self._rest: Frames | None = None  # of a piece that was longer than asked for
        self._size = size

    def frame_size(self) -> tuple[int, int]:
        """Height and width; reads the first piece if it must.

        Raises:
            ConfigError: there are no frames.
        """
        if self._size is None:
            self._rest = self._next_piece()
        if self._size is None:
            raise ConfigError("there are no frames to refine")
        return self._size

    def take(self, num_frames: int) -> list[Frames]:
        """Pieces with that many frames together; fewer only at the end of the video."""
        taken = []
        while num_frames and (piece := self._next_piece()) is not None:
            taken.append(piece[:num_frames])
            if len(piece) > num_frames:
                self._rest = piece[num_frames:]
            num_frames -= len(taken[-1])
        return taken

    def _next_piece(self) -> Frames | None:
        piece, self._rest = self._rest, None
        if piece is None:
            piece = next(self._pieces, None)
        if piece is None:
            return None
        _, height, width, _ = piece.shape
        size = height, width
        if self._size is None:
            self._size = size
        if size != self._size:
            sizes = (f"{width}x{height}" for height, width in (self._size, size))
            raise ConfigError(f"all frames must have one size: {', then '.join(sizes)}")
        return piece


def encode_windows(
    encode: Callable[[Frames], Latents],
    chunking: Chunking,
    source: FrameSource,
    state: RefinerState | None = None,
) -> Iterator[tuple[Window, Latents]]:
    """Yields every window with its latents, as soon as its frames exist. Encodes a frame once.

    Args:
        state: after the windows that are done; the source continues where they stopped.
    """
    encoded: Tensor | None = None
    index = stop = 0
    num_wanted = chunking.chunk_frames
    if state is not None:
        encoded = torch.from_numpy(state.encoded)
        index, stop = state.num_chunks, state.num_frames
        num_wanted = chunking.new_frames
    while pieces := source.take(num_wanted):
        new = torch.cat([encode(piece) for piece in pieces], dim=2)
        num_new = new.shape[2]
        encoded = new if encoded is None else torch.cat([encoded.to(new), new], dim=2)
        encoded = encoded[:, :, -chunking.chunk_frames :].clone()
        window = Window(
            index=index,
            start=stop + num_new - encoded.shape[2],
            overlap_start=max(0, stop - chunking.overlap),
            overlap_stop=stop,
            stop=stop + num_new,
            is_last=num_new < num_wanted,
        )
        yield window, encoded
        index, stop = index + 1, window.stop
        num_wanted = chunking.new_frames
