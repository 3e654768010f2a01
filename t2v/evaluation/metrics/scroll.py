"""Scroll direction of a background pattern."""

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from t2v.worlds.shapes.masks import object_mask


LAG = 2  # frames between the two that are compared
FARTHEST = 9  # pixels in LAG frames: less than half a stripe, so that stripes do not alias
CLEARLY = 0.95  # a shift must leave less than this share of the difference without one
LEAST = 0.5  # grey levels: a background that changes less than this stands still
WAYS = {"left": (2, -1), "right": (2, 1), "up": (1, -1), "down": (1, 1)}  # axis (f, y, x) and sign


def scroll_direction(frames: UInt8[np.ndarray, "f h w 3"]) -> str:
    """The direction whose shift best predicts the frames LAG later; "none" if none does."""
    background = frames.astype(float).mean(axis=-1)
    is_background = np.stack([background_mask(frame) for frame in frames])
    errors = {"none": _error(background, is_background, 1, 0)}
    for name, (axis, sign) in WAYS.items():
        errors[name] = min(
            _error(background, is_background, axis, sign * shift)
            for shift in range(1, FARTHEST + 1)
        )
    best = min(errors, key=lambda name: errors[name])
    is_moving = errors["none"] > LEAST and errors[best] < CLEARLY * errors["none"]
    return best if is_moving else "none"


def background_mask(frame: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """Masks the background, away from the object."""
    return cv2.dilate(object_mask(frame).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0


def _error(background: np.ndarray, is_background: np.ndarray, axis: int, shift: int) -> float:
    """Mean difference between shifted and later frames, where both show the background."""
    length = background.shape[axis] - abs(shift)

    def part(values: np.ndarray, start: int) -> np.ndarray:
        return values.take(range(start, start + length), axis)

    from_, to = max(-shift, 0), max(shift, 0)
    difference = np.abs(part(background[LAG:], to) - part(background[:-LAG], from_))
    both = part(is_background[LAG:], to) & part(is_background[:-LAG], from_)
    return float(difference[both].mean()) if both.any() else float("inf")
