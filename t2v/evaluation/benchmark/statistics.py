"""Numbers of an arm over prompts: means, paired differences, and their bootstrap intervals.

All arms have the same prompts and seeds. Seeds of one prompt are averaged first, and prompts are
resampled: videos of one prompt are not independent.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from t2v.evaluation.benchmark.plan import FEWEST_PROMPTS
from t2v.evaluation.metrics.intervals import mean, with_interval


Key = tuple[int, int]  # prompt, seed


@dataclass(frozen=True, slots=True)
class Column:
    """One metric of one arm: a number for each video that has one.

    Args:
        missing: why videos have none, and how many of them.
    """

    values: Mapping[Key, float]
    missing: Mapping[str, int]

    def per_prompt(self) -> dict[int, float]:
        """The mean over the seeds of each prompt."""
        return {prompt: row[0] for prompt, row in paired_prompts(self).items()}


def paired_prompts(*columns: Column) -> dict[int, list[float]]:
    """Of every prompt a mean for each column, over the seeds that all of them have values for."""
    shared = sorted(set.intersection(*(set(column.values) for column in columns)))
    found: dict[int, list[list[float]]] = {}
    for key in shared:
        found.setdefault(key[0], []).append([column.values[key] for column in columns])
    return {prompt: np.mean(rows, axis=0).tolist() for prompt, rows in found.items()}


def column_of(
    measures: Mapping[Key, Mapping[str, Any]],
    metric: str,
    not_drawn: Mapping[Key, str] = MappingProxyType({}),
) -> Column:
    """Reads a metric from the measures of an arm's videos.

    Args:
        not_drawn: why other videos could not be drawn.
    """
    values: dict[Key, float] = {}
    missing: Counter[str] = Counter(not_drawn.values())
    for key, measured in measures.items():
        one = measured.get(metric, {"value": None, "reason": "not measured"})
        if one["value"] is None:
            missing[one["reason"]] += 1
        else:
            values[key] = one["value"]
    return Column(values, dict(missing))


def summarize(column: Column) -> dict[str, Any]:
    """Mean over prompts with its 95 % interval, number of videos, and reasons of the others."""
    numbers = np.array(list(column.per_prompt().values()))
    return estimate(numbers) | {"videos": len(column.values), "missing": dict(column.missing)}


def compare(column: Column, reference: Column) -> dict[str, Any]:
    """The same for the differences from another arm, over prompts that both have values for."""
    both = paired_prompts(column, reference).values()
    return estimate(np.array([ours - theirs for ours, theirs in both]))


def estimate(numbers: np.ndarray) -> dict[str, Any]:
    """Mean and interval. Fewer than 4 prompts have no interval, none at all has no mean."""
    count = len(numbers)
    if count < FEWEST_PROMPTS:
        value = float(numbers.mean()) if count else None
        return {"value": value, "low": None, "high": None, "prompts": count}
    row = with_interval(mean, numbers.astype(float))
    return {"value": row["value"], "low": row["low"], "high": row["high"], "prompts": count}
