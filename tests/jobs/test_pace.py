"""Estimates, on a clock that the test moves."""

import pytest

from t2v.events import StepDone
from t2v.jobs.pace import Pace


def run(pace: Pace, chunk_index: int, start: float, seconds_per_step: float, num_steps: int = 10):
    """Makes the steps of a chunk; returns what the last one said."""
    for step in range(1, num_steps + 1):
        done = StepDone("streaming_t2v", chunk_index, step, num_steps)
        estimate = pace.step_done(done, start + step * seconds_per_step)
    return estimate


def test_the_first_step_already_gives_an_estimate():
    pace = Pace(num_chunks=4, now=100.0)
    next_chunk_in, eta = pace.step_done(StepDone("initialization", 0, 1, 10), 102.0)
    assert next_chunk_in == 18
    assert eta == pytest.approx(18 + 3 * 20)


def test_a_slow_first_chunk_does_not_spoil_the_rest():
    pace = Pace(num_chunks=4, now=0.0)
    run(pace, 0, 0.0, 10.0)
    pace.chunk_done(100.0)
    run(pace, 1, 100.0, 1.0)
    pace.chunk_done(110.0)
    _, eta = run(pace, 2, 110.0, 1.0)
    assert eta == pytest.approx(10)


def test_decoding_counts_as_waiting_for_the_chunk():
    pace = Pace(num_chunks=2, now=0.0)
    run(pace, 0, 0.0, 1.0)
    pace.chunk_done(15.0)
    next_chunk_in, _ = run(pace, 1, 15.0, 1.0)
    assert next_chunk_in == pytest.approx(5)
