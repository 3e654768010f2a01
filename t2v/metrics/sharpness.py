"""How sharp an object's outline is."""

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8


CONTRAST = 40  # between an object and the background of its row, 0 to 255
REACH = 3  # pixels from the outline within which the steepest place is looked for


def outline_gradient(frame: UInt8[np.ndarray, "h w 3"]) -> float:
    """Mean magnitude of the image gradient on the object's outline, in grey levels per pixel.

    An outline of any width has its steepest place somewhere: that is what counts, so that a soft
    outline cannot pass for several. nan if there is no object.
    """
    mask = object_mask(frame).astype(np.uint8)
    outline = cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    if not outline.any():
        return float("nan")
    padded = np.pad(frame.astype(np.float32), ((0, 1), (0, 1), (0, 0)), mode="edge")
    across, down = np.diff(padded, axis=1)[:-1], np.diff(padded, axis=0)[:, :-1]
    gradient = np.hypot(across, down).max(axis=-1)
    steepest = cv2.dilate(gradient, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8))
    return float(steepest[outline].mean())


def object_mask(frame: UInt8[np.ndarray, "h w 3"]) -> Bool[np.ndarray, "h w"]:
    """What differs from the background of its row: of its left or its right end.

    The object may cover one of the ends, which then is the one that looks less like the row's
    middle value.
    """
    return np.abs(frame - row_background(frame)[:, None]).max(axis=-1) > CONTRAST


def row_background(frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h 3"]:
    values = frame.astype(float)
    row = np.median(values, axis=1)
    left, right = np.median(values[:, :3], axis=1), np.median(values[:, -3:], axis=1)
    is_left = np.abs(left - row).sum(axis=1) <= np.abs(right - row).sum(axis=1)
    return np.where(is_left[:, None], left, right)
