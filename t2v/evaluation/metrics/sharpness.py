"""Sharpness of an object's outline."""

import cv2
import numpy as np
from jaxtyping import UInt8

from t2v.worlds.shapes.masks import object_mask


REACH = 3  # pixels around the outline in which the maximum is searched


def outline_gradient(frame: UInt8[np.ndarray, "h w 3"]) -> float:
    """Mean magnitude of the image gradient on the object's outline, in grey levels per pixel.

    The maximum across the outline counts, so that a wide soft outline is not counted several times.
    nan if there is no object.
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
