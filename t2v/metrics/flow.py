"""How much moves: dense optical flow by DIS (Kroeger et al., 2016), which blur does not fool."""

from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float, UInt8


def flow_magnitudes(frames: UInt8[np.ndarray, "f h w 3"]) -> Float[np.ndarray, " f-1"]:
    """Mean length of the flow, in pixels, between each two neighbouring frames."""
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    flows = [estimator.calc(a, b, None) for a, b in pairwise(grey)]
    return np.array([np.linalg.norm(flow, axis=-1).mean() for flow in flows], dtype=float)
