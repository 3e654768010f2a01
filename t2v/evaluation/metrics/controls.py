"""Controls: videos that are worse than real ones by construction.

Every table has them. A metric that ranks a control above the real video must not be headlined.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import UInt8

from t2v.errors import ConfigError
from t2v.evaluation.metrics.catalogue import Metric
from t2v.evaluation.metrics.measurement import boundary_mask


def frozen_last_frame(
    frames: UInt8[np.ndarray, "f h w 3"], keep: int
) -> UInt8[np.ndarray, "f h w 3"]:
    """The first `keep` frames, and the last of them again and again.

    Raises:
        ConfigError: there are no frames to keep, or fewer than `keep`.
    """
    if not 0 < keep <= len(frames):
        raise ConfigError(f"a frozen video keeps 1..{len(frames)} frames, got {keep}")
    return np.concatenate(
        [frames[:keep], np.repeat(frames[keep - 1 : keep], len(frames) - keep, axis=0)]
    )


def shuffled_chunks(
    frames: UInt8[np.ndarray, "f h w 3"], boundaries: Sequence[int], rng: np.random.Generator
) -> UInt8[np.ndarray, "f h w 3"]:
    """The chunks in another order, with the same boundaries.

    Only chunks as long as the second move, so the first chunk and a shorter last one stay, and no
    chunk that moves stays behind the one it followed, if there are three or more of them.

    Raises:
        ConfigError: a boundary is not between two frames, or fewer than two chunks can move.
    """
    boundary_mask(boundaries, len(frames))
    chunks = np.split(frames, sorted(boundaries))
    movable = [i for i in range(1, len(chunks)) if len(chunks[i]) == len(chunks[1])]
    if len(movable) < 2:
        raise ConfigError(f"chunks are shuffled from three on, got {len(chunks)}")
    order = _without_neighbours(movable, rng)
    moved = dict(zip(movable, order, strict=True))
    return np.concatenate([chunks[moved.get(i, i)] for i in range(len(chunks))])


def _without_neighbours(items: list[int], rng: np.random.Generator) -> list[int]:
    """A random order in which no item follows its predecessor; for two items, they swap."""
    if len(items) == 2:
        return items[::-1]
    while True:
        order = rng.permutation(items).tolist()
        before = [items[0] - 1, *order[:-1]]
        if all(b - a != 1 for a, b in zip(before, order, strict=True)):
            return order


def ranked_above_real(
    metric: Metric, real: float | None, controls: Mapping[str, float | None]
) -> list[str]:
    """Names of the controls that a metric says are better than the real video.

    Metrics without a better direction rank nothing. A control that has no value is not above; if
    the real video has none, every control that has one is.
    """
    if metric.better is None:
        return []
    sign = 1 if metric.better == "higher" else -1
    return [
        name
        for name, value in controls.items()
        if value is not None and (real is None or sign * value > sign * real)
    ]
