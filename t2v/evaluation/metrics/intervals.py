"""Means and ratios with confidence intervals: bootstrap over videos."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float


NUM_RESAMPLES = 2000


def with_interval(
    statistic: Callable[[np.ndarray], float], values: Float[np.ndarray, "n *m"]
) -> dict[str, float | int]:
    """The statistic of `values` with its 95 % interval over bootstrap resamples.

    Args:
        statistic: takes rows of `values`, which must have no nan.
    """
    rng = np.random.default_rng(0)
    draws = [
        statistic(values[rng.integers(0, len(values), len(values))]) for _ in range(NUM_RESAMPLES)
    ]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return {
        "value": float(statistic(values)),
        "low": float(low),
        "high": float(high),
        "count": len(values),
    }


def mean(values: Float[np.ndarray, " n"]) -> float:
    return float(values.mean())


def ratio_of_means(pairs: Float[np.ndarray, "n 2"]) -> float:
    """Sum of the first column over sum of the second: steadier than a mean of ratios."""
    return float(pairs[:, 0].sum() / pairs[:, 1].sum())
