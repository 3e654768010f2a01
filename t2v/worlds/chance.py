"""Random choices. Functions of a module, as type-checking nested ones costs time at every call."""

from collections.abc import Iterable, Sequence

import numpy as np


def choose(
    rng: np.random.Generator, options: Iterable[str], weights: Sequence[float] | None = None
) -> str:
    return str(rng.choice(list(options), p=weights))


def between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))
