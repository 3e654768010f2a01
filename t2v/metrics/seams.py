"""How well chunks join: the change from frame to frame where chunks meet, and elsewhere."""

import numpy as np
from jaxtyping import Float, UInt8


def seam_and_within_change(
    frames: UInt8[np.ndarray, "f h w 3"], boundaries: list[int]
) -> tuple[float, float]:
    """Mean absolute change per pixel, 0 to 255, at the boundaries and everywhere else.

    Args:
        boundaries: index of the first frame of every chunk but the first.
    """
    change = frame_changes(frames)
    is_boundary = np.zeros(len(change), dtype=bool)
    is_boundary[np.array(boundaries) - 1] = True
    return float(change[is_boundary].mean()), float(change[~is_boundary].mean())


def frame_changes(frames: UInt8[np.ndarray, "f h w 3"]) -> Float[np.ndarray, " f-1"]:
    """Mean absolute difference between neighbouring frames, 0 to 255."""
    return np.abs(np.diff(frames.astype(float), axis=0)).mean(axis=(1, 2, 3))
