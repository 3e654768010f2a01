"""One number of one video, or the reason why there is none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from t2v.errors import ConfigError


NO_FRAMES, ONE_FRAME, STAGNANT = "no frames", "one frame", "stagnant"
NO_BOUNDARIES, ONLY_BOUNDARIES = "no chunk boundaries", "nothing but chunk boundaries"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A finite value, or None with a reason. Never nan or infinite, so that it is valid JSON."""

    value: float | None
    reason: str = ""

    def __post_init__(self) -> None:
        if (self.value is None) != bool(self.reason):
            raise ValueError("a measurement has either a value or a reason why it has none")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"a measurement must be finite, got {self.value}")


def absent(reason: str) -> Measurement:
    return Measurement(None, reason)


def mean_of(values: np.ndarray, reason: str) -> Measurement:
    """The mean, or `reason` if there are no values."""
    return Measurement(float(values.mean())) if len(values) else absent(reason)


def ratio(above: float, below: float, reason: str = STAGNANT) -> Measurement:
    """The quotient, or `reason` if nothing is below the line."""
    return Measurement(float(above / below)) if below > 0 else absent(reason)


def too_short(num_frames: int) -> str:
    """Why so few frames have no pairs; empty if they have some."""
    return {0: NO_FRAMES, 1: ONE_FRAME}.get(num_frames, "")


def boundary_mask(boundaries: Sequence[int], num_frames: int) -> np.ndarray:
    """Which pairs of neighbouring frames lie across a chunk boundary, (f-1,) bool.

    Args:
        boundaries: index of the first frame of every chunk but the first.

    Raises:
        ConfigError: a boundary is not between two frames.
    """
    wrong = [at for at in boundaries if not 0 < at < num_frames]
    if wrong:
        raise ConfigError(
            f"chunk boundaries must lie in 1..{num_frames - 1} in a video of {num_frames} frames, "
            f"got {wrong[0]}"
        )
    mask = np.zeros(max(num_frames - 1, 0), dtype=bool)
    mask[[at - 1 for at in boundaries]] = True
    return mask


def at_boundaries_over_elsewhere(values: np.ndarray, is_boundary: np.ndarray) -> Measurement:
    """Mean of a series over pairs at chunk boundaries, divided by its mean elsewhere.

    From 0; 1 where boundaries are like any other pair.
    """
    if not len(values):
        return absent(ONE_FRAME)
    if not is_boundary.any():
        return absent(NO_BOUNDARIES)
    if is_boundary.all():
        return absent(ONLY_BOUNDARIES)
    return ratio(float(values[is_boundary].mean()), float(values[~is_boundary].mean()))
