"""Drift: how far frames have gone from the anchor frame in colour and sharpness.

End-point differences after FramePack (arXiv 2504.12626, eq. 7): the last 15 % of a video against
where it began, which here is the anchor, the first frame of the first chunk. Without weights; a
camera that moves on changes colours as well, so arms are compared on the same scenes.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from t2v.evaluation.metrics.measurement import NO_FRAMES, ONE_FRAME, Measurement, absent


LAST_SHARE = 0.15  # of the frames of a video
FAINTEST = 1e-3  # added to sharpness, so that an even picture has a logarithm


def look(frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "6"]:
    """Mean red, green, blue; saturation; contrast (all 0 to 255); logarithm of the sharpness.

    Contrast is the standard deviation of brightness, sharpness the mean squared Laplacian of it.
    """
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    saturation = frame.max(axis=-1) - frame.min(axis=-1)  # as a chroma: dark noise has little
    laplacian = cv2.Laplacian(grey, cv2.CV_32F)
    sharpness = np.log(np.square(laplacian).mean() + FAINTEST)
    return np.array([*cv2.mean(frame)[:3], saturation.mean(), grey.std(), sharpness])


def drift_of_looks(looks: Float[np.ndarray, "f 6"], anchor: Float[np.ndarray, "6"]) -> dict:
    """Drift of the mean look of frames from that of the anchor.

    `drift_colour`: mean absolute difference of mean red, green and blue, 0 to 255.
    `drift_saturation`, `drift_contrast`: signed, -255 to 255.
    `drift_sharpness`: natural logarithm of the ratio of sharpness; negative is blurrier.
    """
    difference = looks.mean(axis=0) - anchor
    return {
        "drift_colour": float(np.abs(difference[:3]).mean()),
        "drift_saturation": float(difference[3]),
        "drift_contrast": float(difference[4]),
        "drift_sharpness": float(difference[5]),
    }


DRIFTS = ("drift_colour", "drift_saturation", "drift_contrast", "drift_sharpness")


def drift(frames: UInt8[np.ndarray, "f h w 3"]) -> dict[str, Measurement]:
    """Drift of the last 15 % of a video from its first frame; None with fewer than two frames."""
    if len(frames) < 2:
        return dict.fromkeys(DRIFTS, absent(ONE_FRAME if len(frames) else NO_FRAMES))
    count = max(1, round(LAST_SHARE * len(frames)))
    looks = np.stack([look(frame) for frame in frames[-count:]])
    values = drift_of_looks(looks, look(frames[0]))
    return {name: Measurement(value) for name, value in values.items()}
