"""Shared noise and randomized blending (Sec. 4.3, Fig. 4), which make chunks agree where they meet.

Neighbouring chunks share `overlap` frames. There they get the same noise, and at every denoising
step a random cut decides how many of these frames come from the left chunk, the others from the
right one: no frame stays a seam for long.
"""

from dataclasses import dataclass

import torch

from t2v.pipeline.denoising import Latents, noise_generator
from t2v.pipeline.windows import Window
from t2v.settings.chunking import Chunking


def draw_cut(rule: str, overlap: int, generator: torch.Generator) -> int:
    """Draws how many frames of the overlap the left chunk keeps.

    Frame f (from 1) comes from the left with probability 1 - f / (overlap + 1) by the paper's rule
    (uniform in 0 .. overlap), 1 - f / overlap by that of the authors' code (0 .. overlap - 1).
    """
    num_cuts = overlap + 1 if rule == "paper" else overlap
    return int(torch.randint(num_cuts, (), generator=generator))


@dataclass(frozen=True, slots=True)
class RandomCuts:
    """Draws a separate cut for every window and step."""

    seed: int
    rule: str  # "paper" or "authors"
    overlap: int

    def __call__(self, window: Window, step: int) -> int:
        generator = noise_generator(self.seed, "refinement", window.index, "cut", step)
        return draw_cut(self.rule, self.overlap, generator)


@dataclass(frozen=True, slots=True)
class OwnNoise:
    """Draws noise for every chunk separately: overlapping frames get two different noises.

    Args:
        frame_shape: channels, height, width of one frame's latents.
    """

    seed: int
    chunking: Chunking
    frame_shape: tuple[int, int, int]

    def __call__(self, window: Window, step: int | None = None) -> Latents:
        """Noise to start a window from (step None), or to add at a denoising step."""
        noise = self._draw(window.index, self.chunking.chunk_frames, step)
        return noise[:, :, : window.num_frames]

    def _draw(self, chunk: int, num_frames: int, step: int | None) -> Latents:
        details = ("start",) if step is None else ("step", step)
        generator = noise_generator(self.seed, "refinement", chunk, *details)
        channels, height, width = self.frame_shape
        return torch.randn(1, channels, num_frames, height, width, generator=generator)


class SharedNoise(OwnNoise):
    """Draws one noise for each frame, with the first chunk that shows it."""

    __slots__ = ()

    def __call__(self, window: Window, step: int | None = None) -> Latents:
        """Noise to start a window from (step None), or to add at a denoising step."""
        first, last = (self.chunking.chunk_at(frame) for frame in (window.start, window.stop - 1))
        # Noise of earlier chunks is drawn again, so none has to be kept.
        pieces = [self._draw(chunk, self._num_new(chunk), step) for chunk in range(first, last + 1)]
        begin = window.start - self.chunking.num_frames(first)
        return torch.cat(pieces, dim=2)[:, :, begin : begin + window.num_frames]

    def _num_new(self, chunk: int) -> int:
        return self.chunking.new_frames if chunk else self.chunking.chunk_frames
