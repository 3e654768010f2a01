"""Runs of a worker, watched to their ends."""


def finished(worker, run_id):
    list(worker.watch(run_id))
    record = worker.record(run_id)
    assert record.state == "finished", record.message
    return record


def hashes(worker, run_id):
    return [event.sha256 for event in worker.watch(run_id) if hasattr(event, "sha256")]
