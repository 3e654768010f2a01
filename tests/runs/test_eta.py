"""Estimates of one track, on a clock that the test moves."""

import pytest

from t2v.events import StepDone
from t2v.runs.eta import EtaEstimator


def run(
    estimator: EtaEstimator,
    chunk_index: int,
    start: float,
    seconds_per_step: float,
    num_steps: int = 10,
):
    """Makes the steps of a chunk; returns the estimate after the last one."""
    for step in range(1, num_steps + 1):
        done = StepDone(
            stage="streaming_t2v", chunk_index=chunk_index, step=step, num_steps=num_steps
        )
        estimate = estimator.step_done(done, start + step * seconds_per_step)
    return estimate


def test_the_first_step_already_gives_an_estimate():
    estimator = EtaEstimator(num_chunks=4, now=100.0)
    next_chunk_in, eta = estimator.step_done(
        StepDone(stage="initialization", chunk_index=0, step=1, num_steps=10), 102.0
    )
    assert next_chunk_in == 18
    assert eta == pytest.approx(18 + 3 * 20)


def test_a_slow_first_chunk_does_not_spoil_the_rest():
    estimator = EtaEstimator(num_chunks=4, now=0.0)
    run(estimator, 0, 0.0, 10.0)
    estimator.chunk_done(100.0)
    run(estimator, 1, 100.0, 1.0)
    estimator.chunk_done(110.0)
    _, eta = run(estimator, 2, 110.0, 1.0)
    assert eta == pytest.approx(10)


def test_the_estimate_for_a_chunk_includes_decoding():
    estimator = EtaEstimator(num_chunks=2, now=0.0)
    run(estimator, 0, 0.0, 1.0)
    estimator.chunk_done(15.0)
    next_chunk_in, _ = run(estimator, 1, 15.0, 1.0)
    assert next_chunk_in == pytest.approx(5)
