"""Shared noise and randomized blending (Sec. 4.3, Fig. 4): chunks that agree where they meet.

Neighbouring chunks share `overlap` frames. There they get the same noise, and at every denoising
step one of them is cut off at a random frame and the other goes on: no frame is a seam for long.
"""

from dataclasses import dataclass

import torch

from t2v.pipeline.denoising import Latents, noise_generator
from t2v.pipeline.windows import Window


def draw_cut(rule: str, overlap: int, generator: torch.Generator) -> int:
    """How many frames of the overlap the left chunk keeps.

    Frame f (from 1) comes from the left with probability 1 - f / (overlap + 1) by the paper's rule
    (uniform in 0 .. overlap), 1 - f / overlap by that of the authors' code (0 .. overlap - 1).
    """
    num_cuts = overlap + 1 if rule == "paper" else overlap
    return int(torch.randint(num_cuts, (), generator=generator))


@dataclass(frozen=True, slots=True)
class RandomCuts:
    """A cut of its own for every window and step."""

    seed: int
    rule: str  # "paper" or "authors"
    overlap: int

    def __call__(self, window: Window, step: int) -> int:
        generator = noise_generator(self.seed, "refinement", window.index, "cut", step)
        return draw_cut(self.rule, self.overlap, generator)


@dataclass(frozen=True, slots=True)
class OwnNoise:
    """Every chunk draws noise for all its frames: overlapping frames get two different noises.

    Args:
        frame_shape: channels, height, width of one frame's latents.
    """

    seed: int
    chunk_frames: int
    overlap: int
    frame_shape: tuple[int, int, int]

    def __call__(self, window: Window, step: int | None = None) -> Latents:
        """Noise that begins the window (step None), or that a denoising step adds."""
        return self._draw(window.index, self.chunk_frames, step)[:, :, : window.num_frames]

    def _draw(self, chunk: int, num_frames: int, step: int | None) -> Latents:
        details = ("start",) if step is None else ("step", step)
        generator = noise_generator(self.seed, "refinement", chunk, *details)
        channels, height, width = self.frame_shape
        return torch.randn(1, channels, num_frames, height, width, generator=generator)


class SharedNoise(OwnNoise):
    """Every frame has one noise, drawn by the first chunk that shows it."""

    __slots__ = ()

    def __call__(self, window: Window, step: int | None = None) -> Latents:
        first, last = self._owner(window.start), self._owner(window.stop - 1)
        # What an earlier chunk drew is drawn again: nothing has to be kept.
        pieces = [self._draw(chunk, self._num_new(chunk), step) for chunk in range(first, last + 1)]
        begin = window.start - self._first_new(first)
        return torch.cat(pieces, dim=2)[:, :, begin : begin + window.num_frames]

    def _owner(self, frame: int) -> int:
        return max(0, 1 + (frame - self.chunk_frames) // self._num_new(1))

    def _num_new(self, chunk: int) -> int:
        return self.chunk_frames - self.overlap if chunk else self.chunk_frames

    def _first_new(self, chunk: int) -> int:
        return self.overlap + chunk * self._num_new(1) if chunk else 0
