"""Warp error: what is left of the change between two frames when the motion is taken out.

As in the authors' script for MAWE (`mawe.py`): every pixel of the left frame is put where the flow
sends it, rounded to whole pixels, and is compared with the right frame. Pixels on which nothing
landed are not compared. There is no test for occlusion: where two pixels land on one, the last in
reading order stays.
"""

import numpy as np
from jaxtyping import Bool, Num

from t2v.evaluation.metrics.flow import Flow


def splat(
    left: Num[np.ndarray, "h w 3"], flow: Flow
) -> tuple[Num[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"]]:
    """Moves the pixels of a frame: the moved frame, and where pixels landed; 0 elsewhere."""
    source = _source_of_pixels(flow)
    known = source >= 0
    warped = np.zeros_like(left)
    warped[known] = left.reshape(-1, 3)[source[known]]
    return warped, known


def warp_error(
    left: Num[np.ndarray, "h w 3"], right: Num[np.ndarray, "h w 3"], flow: Flow
) -> float:
    """Mean squared difference per colour between the moved left frame and the right one.

    From 0 to 255 squared, for frames from 0 to 255. If the flow sends all pixels out of the
    picture, the authors' script compares all of them with black, and so does this.
    """
    warped, known = splat(left, flow)
    if not known.any():
        known[:] = True
    # Whole numbers where frames are: their sums are exact in any order.
    difference = np.subtract(right[known], warped[known], dtype=np.float32)
    return float(np.square(difference, out=difference).mean(dtype=np.float64))


def _source_of_pixels(flow: Flow) -> np.ndarray:
    """Which pixel, counted in reading order, lands on each pixel; -1 where none does."""
    height, width = flow.shape[:2]
    x = np.rint(np.arange(width, dtype=np.float32) + flow[..., 0])
    y = np.rint(np.arange(height, dtype=np.float32)[:, None] + flow[..., 1])
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    source = np.full(height * width, -1, dtype=np.int32)
    target = y[inside].astype(np.int32) * width + x[inside].astype(np.int32)
    source[target] = np.flatnonzero(inside)  # of equal targets, NumPy keeps the last
    return source.reshape(height, width)
