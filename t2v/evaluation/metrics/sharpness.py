"""Sharpness of outlines."""

import numpy as np
from jaxtyping import UInt8


STEEPEST = 0.01  # share of a frame's pixels; small, so that flat areas do not lower the mean


def outline_gradient(frame: UInt8[np.ndarray, "h w 3"]) -> float:
    """Mean magnitude of the image gradient where it is steepest, in grey levels per pixel.

    nan if nothing has an outline.
    """
    padded = np.pad(frame.astype(np.float32), ((0, 1), (0, 1), (0, 0)), mode="edge")
    across, down = np.diff(padded, axis=1)[:-1], np.diff(padded, axis=0)[:, :-1]
    gradient = np.hypot(across, down).max(axis=-1).ravel()
    count = max(1, round(STEEPEST * gradient.size))
    steepest = np.partition(gradient, -count)[-count:]
    return float(steepest.mean()) if steepest.any() else float("nan")
