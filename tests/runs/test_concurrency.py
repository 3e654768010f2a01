"""Commands, viewers and the worker at the same time: nobody waits for a disk, nothing is lost."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from t2v.errors import RunError
from t2v.events import StepDone
from t2v.media.reader import read_frames
from t2v.runs import finish, resume
from t2v.runs.events import Finished, SegmentReady
from t2v.runs.folder import RunFolder
from tests.support.fakes import PaintingStream, live_ids, made, read_numbers, settings


PATIENCE = 30  # seconds until a call that should return at once counts as blocked


class Blocked:
    """A function that waits for the test in the middle of its work.

    Args:
        applies: to these calls only.
    """

    def __init__(self, function, applies=lambda *arguments, **options: True):
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self._function = function
        self._applies = applies

    def __call__(self, *arguments, **options):
        if self._applies(*arguments, **options):
            self.has_begun.set()
            assert self.may_end.wait(PATIENCE)
        return self._function(*arguments, **options)


@pytest.fixture
def block(monkeypatch):
    """Blocks a function of a module or class until the test ends at the latest."""
    blocked = []

    def block(owner, name, **options):
        blocked.append(Blocked(getattr(owner, name), **options))
        function = blocked[-1]
        # A function, not the object itself: as a method it is called with its `self`.
        monkeypatch.setattr(owner, name, lambda *args, **kwargs: function(*args, **kwargs))
        return function

    yield block
    for function in blocked:
        function.may_end.set()


@pytest.fixture
def pool(block):
    """Threads; blocked functions end before they are joined."""
    pool = ThreadPoolExecutor(8)
    yield pool
    pool.shutdown(wait=False)


@pytest.fixture
def gate():
    gate = threading.Event()
    yield gate
    gate.set()


@pytest.fixture
def stream(gate):
    return PaintingStream(gate=gate)


@pytest.fixture
def worker(start_worker, stream):
    return start_worker(stream, max_waiting=8)


@pytest.fixture
def finished(worker, gate):
    """A run of 3 chunks that is complete, while another one is held in its first step."""
    gate.set()
    run_id = made(worker)
    gate.clear()
    return run_id


@pytest.fixture
def busy(worker, finished, stream):
    """A run that is being made, and will be until the gate opens."""
    stream.has_begun.clear()
    run_id = worker.submit(settings())
    assert stream.has_begun.wait(PATIENCE)
    return run_id


def end_of(worker, run_id):
    return list(worker.watch(run_id))[-1]


def check_everybody_gets_answers(worker, pool, run_id, other_id):
    """What pages and visitors ask for while files of a run are worked on."""
    calls = [
        lambda: worker.queue.live_events(run_id)[0],
        lambda: len(worker.queue.live_events(other_id)) == 2,
        lambda: worker.open_reader(run_id).poll() is not None,
        lambda: worker.open_reader(other_id).poll() is not None,
        lambda: worker.record(run_id).id == run_id,
        lambda: len(worker.library.find()) >= 2,
        lambda: worker.queue.get(run_id).settings.preset == "painted",
        lambda: bool(worker.submit(settings())),
    ]
    assert all(pool.submit(call).result(PATIENCE) for call in calls)
    another = pool.submit(worker.submit, settings()).result(PATIENCE)
    pool.submit(worker.commands.pause, another).result(PATIENCE)


def test_everybody_gets_answers_while_a_paused_video_is_joined(
    worker, pool, block, finished, busy, gate
):
    worker.commands.extend(finished, 1)
    is_of_run = {"applies": lambda segments, path, **options: path.parent.name == finished}
    joining = block(finish, "join_segments", **is_of_run)
    pausing = pool.submit(worker.commands.pause, finished)
    assert joining.has_begun.wait(PATIENCE)
    check_everybody_gets_answers(worker, pool, finished, busy)
    joining.may_end.set()
    pausing.result(PATIENCE)
    end = end_of(worker, finished)
    assert (end.state, read_numbers(read_frames(end.path))) == ("paused", list(range(32)))


def test_everybody_gets_answers_while_the_log_of_a_resumed_run_is_rewritten(
    worker, pool, block, finished, busy, gate
):
    rewriting = block(resume, "rewrite_log", applies=lambda folder, _: folder.id == finished)
    extending = pool.submit(worker.commands.extend, finished, 1)
    assert rewriting.has_begun.wait(PATIENCE)
    check_everybody_gets_answers(worker, pool, finished, busy)
    rewriting.may_end.set()
    extending.result(PATIENCE)
    gate.set()
    assert end_of(worker, finished).num_frames == 40


def test_everybody_gets_answers_while_the_worker_rewinds_a_run(
    worker, pool, block, finished, busy, gate
):
    worker.commands.extend(finished, 1)
    worker.commands.redo(finished, 2, seed=9)  # the worker rewrites the log when it takes the run
    rewriting = block(resume, "rewrite_log", applies=lambda folder, _: folder.id == finished)
    gate.set()
    assert rewriting.has_begun.wait(PATIENCE)
    check_everybody_gets_answers(worker, pool, finished, busy)
    rewriting.may_end.set()
    assert end_of(worker, finished).num_frames == 40


def test_a_run_whose_video_is_being_joined_refuses_commands(worker, pool, block, finished, busy):
    worker.commands.extend(finished, 1)
    joining = block(finish, "join_segments")
    pausing = pool.submit(worker.commands.pause, finished)
    assert joining.has_begun.wait(PATIENCE)
    for command in (
        lambda: worker.commands.extend(finished, 1),
        lambda: worker.commands.change_prompt(finished, "a blue ring"),
        lambda: worker.commands.redo(finished, 1, seed=9),
        lambda: worker.commands.resume(finished),
        lambda: worker.library.delete(finished),
    ):
        with pytest.raises(RunError, match="just about to end; try again in a moment"):
            pool.submit(command).result(PATIENCE)
    pool.submit(worker.commands.stop, finished).result(PATIENCE)  # it ends anyway
    joining.may_end.set()
    pausing.result(PATIENCE)
    assert worker.record(finished).settings.config.num_chunks == 4
    assert end_of(worker, finished).state == "paused"
    worker.commands.resume(finished)
    assert worker.queue.live_events(finished)[0]


def test_two_extensions_at_once_both_count(worker, pool, block, finished, busy, gate):
    rewriting = block(resume, "rewrite_log")
    commands = [pool.submit(worker.commands.extend, finished, number) for number in (1, 2)]
    assert rewriting.has_begun.wait(PATIENCE)
    rewriting.may_end.set()
    for command in commands:
        command.result(PATIENCE)
    gate.set()
    end = end_of(worker, finished)
    assert read_numbers(read_frames(end.path)) == list(range(56))


def test_of_two_resumptions_at_once_the_second_is_refused(worker, pool, block, finished, busy):
    worker.commands.extend(finished, 1)
    worker.commands.pause(finished)
    rewriting = block(resume, "rewrite_log")
    commands = [pool.submit(worker.commands.resume, finished) for _ in range(2)]
    assert rewriting.has_begun.wait(PATIENCE)
    rewriting.may_end.set()
    errors = [command.exception(PATIENCE) for command in commands]
    assert sorted(map(str, errors)) == ["None", "this run is being made or waits already"]
    assert live_ids(worker) == {finished, busy}


def test_a_run_that_is_being_reopened_cannot_be_deleted(worker, pool, block, finished, busy, gate):
    rewriting = block(resume, "rewrite_log")
    extending = pool.submit(worker.commands.extend, finished, 1)
    assert rewriting.has_begun.wait(PATIENCE)
    deleting = pool.submit(worker.library.delete, finished)
    rewriting.may_end.set()
    extending.result(PATIENCE)
    with pytest.raises(RunError, match="stop it first"):
        deleting.result(PATIENCE)
    gate.set()
    assert end_of(worker, finished).num_frames == 40


def is_change_of(run_id):
    """Calls that write other settings into the record of a run."""
    return lambda folder, **changes: folder.id == run_id and "settings" in changes


def test_a_run_that_the_worker_takes_while_it_is_changed_is_made_as_changed(
    worker, pool, block, finished, busy, gate, stream
):
    worker.commands.extend(finished, 1)
    writing = block(RunFolder, "update", applies=is_change_of(finished))
    extending = pool.submit(worker.commands.extend, finished, 3)
    assert writing.has_begun.wait(PATIENCE)
    gate.set()  # the busy run ends, and the worker takes this one
    assert end_of(worker, busy).state == "finished"
    writing.may_end.set()
    extending.result(PATIENCE)
    end = end_of(worker, finished)
    assert read_numbers(read_frames(end.path)) == list(range(64))
    assert worker.record(finished).settings.config.num_chunks == 7


def test_a_prompt_that_is_being_written_holds_the_next_chunk(start_worker, pool, block):
    prompts, gate = [], threading.Semaphore(0)

    class ListeningStream(PaintingStream):
        def __call__(self, config, start=None):
            for event in super().__call__(config, start):
                if isinstance(event, StepDone):
                    prompts.append((event.chunk_index, *config.prompt_shares(event.chunk_index)))
                    gate.acquire(timeout=PATIENCE)
                yield event

    worker = start_worker(ListeningStream())
    run_id = worker.submit(settings(num_chunks=3, num_inference_steps=1))
    gate.release()
    for event in worker.watch(run_id):
        if isinstance(event, SegmentReady):
            break
    while len(prompts) < 2:  # the chunk is in the log a moment before the next one begins
        time.sleep(0.01)
    writing = block(RunFolder, "update", applies=is_change_of(run_id))
    changing = pool.submit(worker.commands.change_prompt, run_id, "a blue ring")
    assert writing.has_begun.wait(PATIENCE)
    gate.release(2)  # chunk 1 is made meanwhile
    for event in worker.watch(run_id):
        if isinstance(event, SegmentReady) and event.index == 1:
            break
    writing.may_end.set()
    chunk = changing.result(PATIENCE)
    gate.release(10)
    assert isinstance(end_of(worker, run_id), Finished)
    assert chunk == 2
    assert prompts == [(0, "a red star"), (1, "a red star"), (2, "a blue ring")]


def test_a_run_that_completes_while_it_is_extended_is_made_longer(start_worker, pool, block):
    gate = threading.Event()
    worker = start_worker(stream := PaintingStream(gate=gate))
    run_id = worker.submit(settings())
    assert stream.has_begun.wait(PATIENCE)
    writing = block(RunFolder, "update", applies=is_change_of(run_id))
    extending = pool.submit(worker.commands.extend, run_id, 2)
    assert writing.has_begun.wait(PATIENCE)
    gate.set()
    writing.may_end.set()
    extending.result(PATIENCE)
    end = end_of(worker, run_id)
    assert read_numbers(read_frames(end.path)) == list(range(48))


def test_an_end_that_the_disk_refuses_is_written_by_the_worker(worker, block, finished, busy, gate):
    worker.commands.extend(finished, 1)
    with pytest.MonkeyPatch.context() as patch:

        def full_disk(folder, event):
            raise OSError(28, "No space left on device")

        patch.setattr(RunFolder, "append", full_disk)
        with pytest.raises(RunError, match="No space left on device"):
            worker.commands.pause(finished)
    assert worker.queue.live_events(finished)[0]
    gate.set()
    end = end_of(worker, finished)
    assert (end.state, end.num_frames) == ("paused", 32)


def test_closing_waits_for_commands(start_worker, pool, block, gate):
    gate.set()
    worker = start_worker(PaintingStream())
    run_id = made(worker)
    rewriting = block(resume, "rewrite_log")
    extending = pool.submit(worker.commands.extend, run_id, 1)
    assert rewriting.has_begun.wait(PATIENCE)
    closing = pool.submit(worker.close)
    rewriting.may_end.set()
    closing.result(PATIENCE)
    extending.result(PATIENCE)
    record = worker.record(run_id)
    assert record.settings.config.num_chunks == 4
    assert record.state in ("queued", "interrupted", "finished")
