"""Amount of motion: dense optical flow by DIS (Kroeger et al., 2016), robust to blur."""

from itertools import pairwise
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float, UInt8


Frame = UInt8[np.ndarray, "h w 3"]
Flow = Float[np.ndarray, "h w 2"]


@runtime_checkable
class FlowBackend(Protocol):
    """An estimator of optical flow. Numbers of two estimators never belong in one table."""

    @property
    def name(self) -> str:
        """For reports."""

    def flow(self, left: Frame, right: Frame) -> Flow:
        """Where every pixel of `left` has gone in `right`: (x, y) in pixels."""


class DISFlow:
    """OpenCV's DIS with the medium preset: no weights, about 10 ms for 256x256 pixels."""

    name = "dis-medium"

    def __init__(self) -> None:
        self._estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

    def flow(self, left: Frame, right: Frame) -> Flow:
        start = np.empty(0, np.float32)  # no initial estimate
        before, after = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (left, right))
        return self._estimator.calc(before, after, start)


def flow_magnitudes(frames: UInt8[np.ndarray, "f h w 3"]) -> Float[np.ndarray, " pairs"]:
    """Mean length of the flow, in pixels, between each two neighbouring frames."""
    backend = DISFlow()
    flows = [backend.flow(left, right) for left, right in pairwise(frames)]
    return np.array([np.linalg.norm(flow, axis=-1).mean() for flow in flows], dtype=float)
