"""The order of the queue: one's own runs change places, and those of others keep theirs."""

import os
import threading

import pytest

from t2v.errors import RunError
from t2v.runs.eta import ThroughputHistory
from t2v.runs.events import Queued
from t2v.runs.queue import RunQueue
from t2v.runs.sharing.waiting import Entry, WaitingList
from t2v.runs.worker import Worker
from tests.support.fakes import PaintingStream, settings


@pytest.fixture
def worker(start_worker, steps):
    """A worker that is making a run of nobody in particular, step by step."""
    stream = PaintingStream(gate=steps)
    worker = start_worker(stream)
    worker.submit(settings(num_chunks=1))
    assert stream.has_begun.wait(30)
    return worker


def waiting_of(worker) -> list[str]:
    """Ids of the runs that wait, in the order in which they will be made."""
    positions = {
        place.run_id: event.position
        for place in worker.queue.places()
        for event in place.events
        if isinstance(event, Queued) and event.position
    }
    assert sorted(positions.values()) == list(range(1, len(positions) + 1))
    return sorted(positions, key=positions.__getitem__)


def is_of(visitor):
    return lambda run: run.visitor == visitor


def submit(worker, visitors: str) -> list[str]:
    return [worker.submit(settings(num_chunks=1), visitor) for visitor in visitors]


def test_own_runs_change_places_and_those_of_others_keep_theirs(worker):
    a, x, b, y, c = submit(worker, "axaya")
    assert waiting_of(worker) == [a, x, y, b, c]  # everybody's first run, then the others
    assert worker.move(c, -1, is_of("a")) == [a, c, b]
    assert waiting_of(worker) == [a, x, y, c, b]
    assert worker.move(a, 2, is_of("a")) == [c, b, a]
    assert waiting_of(worker) == [c, x, y, b, a]
    assert worker.move(c, -9, is_of("a")) == [c, b, a]  # it is the first already
    assert worker.move(y, -1) == [c, y, x, b, a]  # the owner moves all
    assert waiting_of(worker) == [c, y, x, b, a]
    other = Worker(None, worker.runs_dir)  # another process sees the new order
    assert waiting_of(other) == [c, y, x, b, a]
    other.close()


def test_the_runs_are_made_in_the_new_order(worker, steps):
    first, second, third = submit(worker, "aba")
    worker.move(third, -1, is_of("a"))
    assert [place.run_id for place in worker.queue.places()][1:] == [third, second, first]
    steps.open()
    for run_id in (first, second, third):
        list(worker.watch(run_id))
    ended = {id: (worker.runs_dir / id / "video.mp4").stat().st_mtime_ns for id in (first, third)}
    assert ended[third] < ended[first]


def test_a_look_at_the_folder_during_a_move_does_not_undo_it(worker, monkeypatch):
    first, second = submit(worker, "aa")
    put, looks = WaitingList.put, []

    def put_while_others_look(waiting_list, run_id, entry):
        if not looks:
            looks.append(threading.Thread(target=worker._sync.sync))
            looks[0].start()
            looks[0].join(0.2)
        put(waiting_list, run_id, entry)

    monkeypatch.setattr(WaitingList, "put", put_while_others_look)
    worker.move(second, -1, is_of("a"))
    looks[0].join()
    assert waiting_of(worker) == [second, first]


def test_an_entry_that_was_replaced_within_the_same_tick_of_the_clock_is_read_again(tmp_path):
    waiting_list = WaitingList(tmp_path)
    for since in (5.0, 3.0):
        waiting_list.put("a" * 24, Entry(since=since))
        os.utime(tmp_path / ("a" * 24 + ".json"), ns=(7, 7))
        assert waiting_list.read()["a" * 24].since == since


def test_what_does_not_wait_cannot_be_moved(worker):
    (own,) = submit(worker, "a")
    making = worker.queue.places()[0].run_id
    for run_id, visitor in ((making, ""), (own, "b"), ("0" * 24, "a")):
        with pytest.raises(RunError, match="does not wait"):
            worker.move(run_id, -1, is_of(visitor))
    assert waiting_of(worker) == [own]


def test_an_empty_queue_has_no_places():
    assert RunQueue(max_waiting=1).places() == []


def test_behind_a_run_that_is_only_refined_the_wait_is_unknown():
    history = ThroughputHistory()
    history.learn(settings(refine=True), num_chunks=2, seconds=10.0)
    assert history.estimate(settings(refine=True), 3) == 15.0
    assert history.estimate(settings(refine=True), 0) is None
