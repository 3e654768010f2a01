"""X-T slices: one row of every frame, stacked over time (StreamingT2V, figures of the ablations).

Things that move draw lines; a seam between chunks breaks all lines at one height.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import UInt8

from t2v.errors import ConfigError
from t2v.evaluation.metrics.measurement import boundary_mask


TICK = 6  # pixels at both sides in which boundaries are marked
PAPER, INK = 255, (200, 30, 30)


def xt_slice(
    frames: UInt8[np.ndarray, "f h w 3"], row: int | None = None
) -> UInt8[np.ndarray, "f w 3"]:
    """One row of pixels over time, first frame at the top; by default the middle row.

    Raises:
        ConfigError: the frames have no such row.
    """
    height = frames.shape[1]
    row = height // 2 if row is None else row
    if not 0 <= row < height:
        raise ConfigError(f"frames have rows 0..{height - 1}, got {row}")
    return frames[:, row]


def xt_picture(
    frames: UInt8[np.ndarray, "f h w 3"],
    boundaries: Sequence[int],
    *,
    row: int | None = None,
    scale: int = 4,
) -> UInt8[np.ndarray, "H W 3"]:
    """The slice enlarged `scale` times in both directions, with ticks at chunk boundaries.

    A tick lies on the first line of a chunk, left and right of the slice.

    Raises:
        ConfigError: there are no frames or no such row, or a boundary is not between two frames.
    """
    if not len(frames):
        raise ConfigError("a slice needs at least one frame")
    boundary_mask(boundaries, len(frames))
    lines = xt_slice(frames, row)
    picture = lines.repeat(scale, axis=0).repeat(scale, axis=1)
    picture = cv2.copyMakeBorder(
        picture, 0, 0, TICK, TICK, cv2.BORDER_CONSTANT, value=(PAPER, PAPER, PAPER)
    )
    for boundary in boundaries:
        picture[boundary * scale, :TICK] = INK
        picture[boundary * scale, -TICK:] = INK
    return picture
