"""Means, paired differences and criteria over prompts; numbers that were worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from t2v.evaluation.benchmark.criteria import excess_beyond_half, found, judge
from t2v.evaluation.benchmark.plan import Plan, Prompts
from t2v.evaluation.benchmark.results import Results
from t2v.evaluation.benchmark.statistics import Column, column_of, compare, summarize
from t2v.evaluation.benchmark.suites import SUITES
from t2v.evaluation.benchmark.table import number, with_ends, with_missing
from t2v.evaluation.metrics.intervals import ratio_of_means


def column(*values, seeds=1):
    keys = [(i // seeds, i % seeds) for i in range(len(values))]
    return Column({k: v for k, v in zip(keys, values, strict=True) if v is not None}, {})


def test_seeds_of_a_prompt_are_averaged_before_prompts_are():
    found = summarize(column(1.0, 3.0, 10.0, None, seeds=2))
    assert found["value"] == 6.0  # of 2 and 10
    assert (found["prompts"], found["videos"]) == (2, 3)


def test_differences_are_taken_prompt_by_prompt():
    """Prompts differ much, arms by 1 on each of them: the interval of the difference is narrow."""
    theirs = column(0.0, 100.0, 200.0, 300.0, 400.0)
    ours = column(1.0, 101.0, 201.0, 301.0, 401.0)
    difference = compare(ours, theirs)
    assert (difference["value"], difference["low"], difference["high"]) == (1.0, 1.0, 1.0)
    assert summarize(ours)["high"] - summarize(ours)["low"] > 100


def test_prompts_without_a_value_in_one_arm_are_not_compared():
    difference = compare(column(1.0, None, 3.0), column(None, 5.0, 4.0))
    assert (difference["value"], difference["prompts"]) == (-1.0, 1)


def test_a_seed_without_a_value_in_one_arm_is_not_compared():
    difference = compare(column(0.9, 0.1, seeds=2), column(None, 0.1, seeds=2))
    assert difference["value"] == 0.0


def test_few_prompts_have_no_interval_and_none_have_no_value():
    three = summarize(column(1.0, 2.0, 3.0))
    assert (three["value"], three["low"], three["high"]) == (2.0, None, None)
    none = summarize(column())
    assert none["value"] is none["low"] is None


def test_reasons_for_missing_values_are_counted():
    measures = {
        (0, 0): {"mawe_code": {"value": 0.5}},
        (1, 0): {"mawe_code": {"value": None, "reason": "stagnant"}},
        (2, 0): {"mawe_code": {"value": None, "reason": "stagnant"}},
        (3, 0): {},
    }
    read = column_of(measures, "mawe_code")
    assert read.values == {(0, 0): 0.5}
    assert read.missing == {"stagnant": 2, "not measured": 1}


def test_a_criterion_is_met_unmet_or_unknown():
    pairs = np.array([[1.2, 2.0]] * 5)
    assert excess_beyond_half(pairs) == pytest.approx(0.2 - 0.5)
    ask = ("seams", pairs, excess_beyond_half)
    assert found(*ask, lambda _, __, high: high <= 0)["met"] is True
    assert found(*ask, lambda _, __, high: high <= -0.4)["met"] is False
    assert found("seams", pairs[:3], excess_beyond_half, lambda *_: True)["met"] is None
    nothing = found("ratio", np.zeros((5, 2)), ratio_of_means, lambda *_: True)
    assert (nothing["met"], nothing["value"]) == (None, None)  # 0 / 0


def test_stability_compares_the_last_length_with_the_first():
    def measured(adherence):
        return {"mawe_code": {"value": 0.3}, "adherence": {"value": adherence}}

    lengths = {"120": measured(1.0), "160": measured(0.0), "220": measured(0.5)}
    suite = replace(SUITES["stability"], arms=("cam",))
    plan = Plan(
        suite=suite, arms=suite.arms, num_chunks=30, prompts=Prompts("p.txt", ("a",) * 4, "0"),
        num_prompts=4, num_seeds=1, lengths=(120, 160, 220),
    )  # fmt: skip
    results = Results(plan, {"cam": {(prompt, 0): {"lengths": lengths} for prompt in range(4)}})
    rows = {row["asked"]: (row["value"], row["met"]) for row in judge(results)}
    asked = "of cam after 220 frames within 15 % of that after 120"
    assert rows == {f"MAWE {asked}": (1.0, True), f"adherence {asked}": (0.5, False)}


def test_a_rival_without_any_seam_is_not_beaten_by_one_with_a_seam():
    """Of these, the ratio of what is above 1 would be negative, below any limit."""
    assert excess_beyond_half(np.array([[1.5, 0.98]] * 5)) > 0


def test_the_overview_says_how_many_videos_have_no_value():
    one = {"value": 0.3, "missing": {"stagnant": 4}}
    assert with_missing(one) == "0.3 (4 without)"
    assert with_missing({"value": 0.3, "missing": {}}) == "0.3"
    assert with_missing({"value": None, "missing": {"stagnant": 4, "one frame": 1}}) == "stagnant"


def test_numbers_are_short():
    assert [number(x) for x in (0, 0.00312, 0.01234, 1.2345, 56.78, 518.56, -0.5)] == [
        "0", "0.003", "0.0123", "1.23", "56.8", "519", "-0.5",
    ]  # fmt: skip
    assert with_ends({"value": 1.5, "low": 1.0, "high": 2.0}) == "1.5 [1, 2]"
    assert with_ends({"value": 1.5, "low": None, "high": None}) == "1.5"
