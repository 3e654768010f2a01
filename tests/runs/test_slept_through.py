"""A process that sleeps through its lease in the middle of a command changes nothing after it.

As with SIGSTOP: its signs of life end, another process takes over, and then it goes on.
"""

import threading
from pkgutil import resolve_name

import pytest

from t2v.media.reader import read_frames
from t2v.runs.events import is_end
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_events
from t2v.runs.record import ENDED
from t2v.runs.worker import Worker
from tests.support.fakes import PaintingStream, StepGate, made, opener, read_numbers, settings


PATIENCE = 60  # seconds
LEASE = 0.4  # seconds


class Sleep:
    """Wraps a function: its first caller sleeps before it, with no sign of life."""

    def __init__(self, worker, function):
        self.has_begun, self.is_over = threading.Event(), threading.Event()
        self._leases, self._courier = worker._work.leases, worker._courier
        self._function = function

    def __call__(self, *arguments, **options):
        if not self.has_begun.is_set():
            self._courier.close()
            self._leases.close()
            self._leases._renewing.join()
            self.has_begun.set()
            assert self.is_over.wait(PATIENCE)
        return self._function(*arguments, **options)


@pytest.fixture
def start(tmp_path):
    """Starts workers whose leases run out soon."""
    workers = []

    def start(stream=None):
        opened = opener(stream or PaintingStream())
        workers.append(Worker(opened, tmp_path, lease_seconds=LEASE))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture
def asleep(monkeypatch):
    """Gives a command in another thread that sleeps where it calls a function."""

    def asleep(worker, name, command):
        sleep = Sleep(worker, resolve_name(f"t2v.runs.{name}"))
        monkeypatch.setattr(f"t2v.runs.{name}", sleep)
        thread = threading.Thread(target=command)
        thread.start()
        assert sleep.has_begun.wait(PATIENCE)
        return sleep, thread

    return asleep


def wake(sleep, thread):
    sleep.is_over.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def files_of(folder):
    return {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name, values, changed",
    [
        ("commands_here.check_disk", ("extend", 3), {"num_chunks": 3 + 2 + 3}),
        ("commands_here.set_seed_and_prompt", ("redo", 1), {"num_chunks": 5, "reseed": "1: 9"}),
    ],
)
def test_a_change_of_an_ended_run_does_not_undo_that_of_another_process(
    start, asleep, name, values, changed
):
    sleeper, other = start(), start()
    run_id = made(sleeper)
    command, *arguments = values
    options = {"seed": 9} if command == "redo" else {}
    sleep, thread = asleep(
        sleeper, name, lambda: getattr(sleeper.commands, command)(run_id, *arguments, **options)
    )
    other.commands.extend(run_id, 2)
    *_, end = other.watch(run_id)
    assert end.num_frames == 48
    wake(sleep, thread)
    *_, end = other.watch(run_id)
    config = other.record(run_id).settings.config
    assert {key: getattr(config, key) for key in changed} == changed
    num_frames = 8 + 8 * changed["num_chunks"]
    assert (end.state, read_numbers(read_frames(end.path))) == ("finished", list(range(num_frames)))


def test_a_stop_of_a_waiting_run_does_not_end_what_another_process_has_made(start, asleep):
    gate = StepGate()
    sleeper = start(PaintingStream(gate=gate))
    first, waiting = sleeper.submit(settings()), sleeper.submit(settings(num_chunks=4))
    sleep, thread = asleep(sleeper, "commands_here.end_run", lambda: sleeper.commands.stop(waiting))
    other = start()
    *_, end = other.watch(waiting)
    assert (end.state, end.num_frames) == ("finished", 40)
    before = files_of(RunFolder(other.runs_dir / waiting))
    wake(sleep, thread)
    assert files_of(RunFolder(other.runs_dir / waiting)) == before
    assert sum(map(is_end, iter_events(RunFolder(other.runs_dir / waiting)))) == 1
    gate.open()
    assert list(other.watch(first))[-1].state in ENDED
    assert not list((other.runs_dir / ".work" / "queue").iterdir())
