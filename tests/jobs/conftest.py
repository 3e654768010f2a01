"""Workers that make painted videos, and never outlive their test."""

import pytest

from t2v.jobs.worker import Worker
from tests.fakes import opener


@pytest.fixture
def start_worker(tmp_path):
    workers = []

    def start(stream, refiner=None, **options) -> Worker:
        workers.append(Worker(opener(stream, refiner), tmp_path / "runs", **options))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()
