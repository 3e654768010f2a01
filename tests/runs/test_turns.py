"""Whose turn it is, and how long it takes until then."""

from pathlib import Path

import pytest

from t2v.runs.folder import RunFolder
from t2v.runs.live_run import LiveRun
from t2v.runs.turns import MAX_OVERTAKEN, choose, in_turn, seconds_until
from tests.support.fakes import settings


def run_of(visitor, preset="painted", since=100.0):
    values = {"preset": preset}
    run = LiveRun(RunFolder(Path("nowhere")), settings(), visitor)
    run.settings = type(run.settings)(
        **{name: getattr(run.settings, name) for name in run.settings.__slots__} | values
    )
    run.since = since
    return run


def test_one_visitor_with_many_runs_does_not_keep_others_waiting():
    waiting = [run_of(name) for name in ("ann", "ann", "ann", "bob", "cid", "bob")]
    order = [waiting.index(run) for run in in_turn(waiting, [])]
    assert order == [0, 3, 4, 1, 5, 2]


def test_a_run_that_is_being_made_is_a_turn_of_its_visitor():
    waiting = [run_of("ann"), run_of("ann"), run_of("bob")]
    order = [waiting.index(run) for run in in_turn(waiting, [run_of("ann")])]
    assert order == [2, 0, 1]


def test_runs_of_one_visitor_come_in_the_order_of_asking():
    waiting = [run_of("") for _ in range(5)]
    assert in_turn(waiting, [run_of("")]) == waiting


def test_a_loaded_preset_goes_first_until_another_run_has_waited_long():
    runs = [run_of("ann", "large"), run_of("bob", "small"), run_of("cid", "large")]
    assert choose(runs, None, now=100.0) is runs[0]
    assert choose(runs, "small", now=100.0 + MAX_OVERTAKEN) is runs[1]
    assert choose(runs, "small", now=101.0 + MAX_OVERTAKEN) is runs[0]
    assert choose(runs, "unknown", now=100.0) is runs[0]
    assert choose([], "small", now=100.0) is None


@pytest.mark.parametrize(
    ("busy", "before", "num_workers", "seconds"),
    [
        ([], [], 1, 0),
        ([7], [], 1, 7),
        ([7], [5, 3], 1, 15),
        ([7], [], 2, 0),
        ([7, 11], [], 2, 7),
        ([7, 11], [5], 2, 11),
        ([7, 11], [5, 3, 13], 2, 14),
        ([7, 11, 2], [5], 2, 11),
    ],
)
def test_the_wait_counts_all_workers(busy, before, num_workers, seconds):
    assert seconds_until(busy, before, num_workers) == seconds
