"""Workers that make painted videos and are closed after their test."""

import pytest

from t2v.runs.worker import Worker
from tests.support.fakes import StepGate, opener


@pytest.fixture
def start_worker(tmp_path):
    workers = []

    def start(stream, refiner=None, **options) -> Worker:
        workers.append(Worker(opener(stream, refiner), tmp_path / "runs", **options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture
def steps():
    """A gate for a stream; open at the end of the test, so that its worker can close."""
    gate = StepGate()
    yield gate
    gate.open()
