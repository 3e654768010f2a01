"""Masks of the object, from pixels alone: the backgrounds of this world vary by rows only."""

import numpy as np
from jaxtyping import Bool, Float, UInt8


CONTRAST = 40  # between an object and the background of its row, 0 to 255


def object_mask(frame: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """Masks pixels that differ from the background of their row."""
    return np.abs(frame - row_background(frame)[:, None]).max(axis=-1) > CONTRAST


def row_background(frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h 3"]:
    """Colour of the left or right end of each row.

    The object may cover one of the ends: the end closer to the median of the row counts.
    """
    values = frame.astype(float)
    row = np.median(values, axis=1)
    left, right = np.median(values[:, :3], axis=1), np.median(values[:, -3:], axis=1)
    is_left = np.abs(left - row).sum(axis=1) <= np.abs(right - row).sum(axis=1)
    return np.where(is_left[:, None], left, right)
