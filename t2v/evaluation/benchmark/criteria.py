"""Pass criteria of the experiments E1 to E7, decided before they were run.

Each compares arms on the same prompts. A criterion that fails is reported as it is, and one that no
prompt can decide as unknown; criteria of arms that are not in the plan are left out.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from t2v.evaluation.benchmark.plan import FEWEST_PROMPTS
from t2v.evaluation.benchmark.results import Results
from t2v.evaluation.benchmark.statistics import Column, paired_prompts
from t2v.evaluation.benchmark.suites import TRAINED_RIVALS
from t2v.evaluation.metrics.intervals import ratio_of_means, with_interval


Row = dict[str, Any]


def judge(results: Results) -> list[Row]:
    """The criteria of a suite: what is asked, what was found, whether it is met (null: unknown)."""
    criteria = CRITERIA.get(results.plan.suite.name)
    rows = criteria(results) if criteria else []
    return [row for row in rows if row is not None]


def paired(results: Results, metric: str, *arms: str) -> np.ndarray | None:
    """A metric of several arms, (prompts, arms), of the prompts that have a value for each.

    None if the plan lacks one of the arms.
    """
    if not set(arms) <= set(results.plan.arms):
        return None
    rows = paired_prompts(*(results.column(arm, metric) for arm in arms))
    return np.array(list(rows.values())).reshape(-1, len(arms))


def found(
    asked: str,
    values: np.ndarray | None,
    statistic: Callable[[np.ndarray], float],
    meets: Callable[[float, float, float], bool],
) -> Row | None:
    """One criterion; None without its arms.

    Args:
        values: from `paired`.
        meets: decides by the value and the ends of its interval.
    """
    if values is None:
        return None
    row: Row = {"asked": asked, "value": None, "low": None, "high": None, "met": None}
    row["prompts"] = len(values)
    if len(values) < FEWEST_PROMPTS:
        return row
    with np.errstate(divide="ignore", invalid="ignore"):
        if not np.isfinite(statistic(values)):
            return row
        interval = with_interval(statistic, values)
    ends = [float(interval[name]) for name in ("value", "low", "high")]
    if not np.isfinite(ends).all():
        return row
    value, low, high = ends
    return row | {"value": value, "low": low, "high": high, "met": bool(meets(value, low, high))}


def excess_beyond_half(pairs: np.ndarray) -> float:
    """Of two columns of seam ratios: how far the first is above 1, less half of the second's.

    A difference, because the ratio of two excesses means nothing where a seam is below 1.
    """
    ours, theirs = pairs.mean(axis=0) - 1
    return float(ours - theirs / 2)


def mean_difference(pairs: np.ndarray) -> float:
    return float((pairs[:, 0] - pairs[:, 1]).mean())


def conditioning(results: Results) -> list[Row | None]:
    rows: list[Row | None] = []
    untrained = ("no-cam", "restart", "replacement", "last-frame", "last-anchor")
    pairs = [("cam", other) for other in untrained]
    for cam, other in pairs + [(TRAINED_RIVALS[0], other) for other in TRAINED_RIVALS[1:]]:
        rows.append(
            found(
                f"seam excess (seam - 1) of {cam} less half of that of {other} at most 0",
                paired(results, "seam_ratio", cam, other),
                excess_beyond_half,
                lambda _, __, high: high <= 0,
            )
        )
        rows.append(
            found(
                f"share of seams with a cut: {cam} no more than {other}",
                paired(results, "cut_share", cam, other),
                mean_difference,
                lambda value, _, __: value <= 0,
            )
        )
    return rows


def apm(results: Results) -> list[Row | None]:
    return [
        found(
            f"{label} of cam at most 0.9 of that of no-apm",
            paired(results, metric, "cam", "no-apm"),
            ratio_of_means,
            lambda value, _, __: value <= 0.9,
        )
        for metric, label in (
            ("object_drift", "drift of the object's colours"),
            ("drift_colour", "drift of the picture's colour"),
        )
    ] + [
        found(
            "motion of cam at least 0.9 of that of no-apm: nothing is frozen",
            paired(results, "motion", "cam", "no-apm"),
            ratio_of_means,
            lambda value, _, __: value >= 0.9,
        )
    ]


def blending(results: Results) -> list[Row | None]:
    def less(metric: str, ours: str, theirs: str, most: float) -> Row | None:
        return found(
            f"{metric} of {ours} at most {most:g} of that of {theirs}",
            paired(results, metric, ours, theirs),
            ratio_of_means,
            lambda value, _, __: value <= most,
        )

    return [
        less(metric, *case)
        for metric in ("std_t", "join_ratio")
        for case in (
            ("joint", "independent", 0.6),
            ("joint", "shared_noise", 1),
            ("shared_noise", "independent", 1),
            ("causal", "joint", 1.1),
        )
    ]


def stability(results: Results) -> list[Row | None]:
    """The slope over lengths: what is measured after the last one over that after the first."""
    lengths = results.plan.lengths
    if len(lengths) < 2 or "cam" not in results.plan.arms:
        return []

    def flat(label: str, metric: str) -> Row | None:
        ends = (results.column("cam", metric, n) for n in (lengths[-1], lengths[0]))
        return found(
            f"{label} of cam after {lengths[-1]} frames within 15 % of that after {lengths[0]}",
            np.array(list(paired_prompts(*ends).values())).reshape(-1, 2),
            ratio_of_means,
            lambda _, low, high: low >= 0.85 and high <= 1.15,
        )

    return [flat("MAWE", "mawe_code"), flat("adherence", "adherence")]


def stagnation(results: Results) -> list[Row | None]:
    rows = [
        found(
            "motion of cam at the end at least 0.7 of that at the beginning",
            paired(results, "motion_kept", "cam"),
            lambda values: float(values.mean()),
            lambda value, _, __: value >= 0.7,
        )
    ]
    return rows + [
        found(
            f"{other} keeps less motion than cam",
            paired(results, "motion_kept", other, "cam"),
            ratio_of_means,
            lambda value, _, __: value < 1,
        )
        for other in ("last-frame", "last-anchor", "replacement", "repeated-frame")
    ]


def context(results: Results) -> list[Row | None]:
    order = ("cam", "cam-4", "cam-2", "cam-1")
    return [
        found(
            f"motion at seams: {more} no higher than {fewer}",
            paired(results, "flow_seam_ratio", more, fewer),
            ratio_of_means,
            lambda value, _, __: value <= 1,
        )
        for more, fewer in pairwise(order)
    ]


def long(results: Results) -> list[Row | None]:
    """Drift in the last third of a video over drift in the third before it, and the memory."""
    if "cam" not in results.plan.arms:
        return []
    drawn = results.drawn("cam")
    drifts = {key: np.array(values["per_chunk"]["drift_colour"]) for key, values in drawn.items()}
    thirds = {key: len(drift) // 3 for key, drift in drifts.items() if len(drift) >= 3}
    last = {key: float(drifts[key][-third:].mean()) for key, third in thirds.items()}
    middle = {key: float(drifts[key][third : 2 * third].mean()) for key, third in thirds.items()}
    pairs = paired_prompts(Column(last, {}), Column(middle, {}))
    return [
        found(
            "drift of colour of cam: the last third no higher than 1.1 of the third before",
            np.array(list(pairs.values())).reshape(-1, 2),
            ratio_of_means,
            lambda value, _, __: value <= 1.1,
        ),
        found(
            "peak memory of cam after 10 chunks within 5 % of before",
            paired(results, "memory_growth", "cam"),
            lambda values: float(values.mean()),
            lambda value, _, __: value <= 1.05,
        ),
    ]


CRITERIA: dict[str, Callable[[Results], list[Row | None]]] = {
    "conditioning": conditioning,
    "apm": apm,
    "blending": blending,
    "stability": stability,
    "stagnation": stagnation,
    "context": context,
    "long": long,
}
