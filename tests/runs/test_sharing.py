"""Two workers on one folder of runs: one queue, commands that reach whoever makes a run."""

import threading

import pytest

from t2v.errors import ConfigError, RunError
from t2v.media.reader import read_frames
from t2v.runs.events import Progress, Queued, SegmentReady
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_events
from t2v.runs.worker import Worker
from tests.support.fakes import PaintingStream, StepGate, opener, read_numbers, settings
from tests.support.processes import wait_until


PATIENCE = 60  # seconds


def end_of(worker, run_id):
    return list(worker.watch(run_id))[-1]


def wait_for_segment(worker, run_id, index):
    for event in worker.watch(run_id):
        if isinstance(event, SegmentReady) and event.index == index:
            return


def starts_of(worker, run_id):
    """First frames of the segments in the log, each as often as it is there."""
    events = iter_events(RunFolder(worker.runs_dir / run_id))
    return [event.start_frame for event in events if isinstance(event, SegmentReady)]


@pytest.fixture
def page(start_worker, tmp_path):
    """A worker that makes no runs, like that of a page with other executors."""
    worker = Worker(None, tmp_path / "runs")
    yield worker
    worker.close()


@pytest.fixture
def maker(start_worker, steps):
    """Another one on the same folder, which makes them step by step."""
    return start_worker(PaintingStream(gate=steps), name="CPU 0")


@pytest.fixture
def being_made(page, maker, steps):
    """A run of 6 chunks that the page asked for and the other worker makes: chunk 2 has begun."""
    run_id = page.submit(settings(num_chunks=6))
    steps.release(5)
    wait_for_segment(page, run_id, 1)
    wait_until(lambda: page.queue.get(run_id).phase == "elsewhere")
    return run_id


def test_a_page_sees_what_another_process_makes(page, maker, steps):
    run_id = page.submit(settings(num_chunks=4))
    assert isinstance(next(page.watch(run_id)), Queued)
    steps.release(3)
    wait_until(lambda: any(isinstance(one, Progress) for one in page.queue.live_events(run_id)[1]))
    [progress] = page.queue.live_events(run_id)[1]
    assert (progress.num_steps, progress.num_chunks) == (2, 4)
    assert progress.picture.shape == (32, 32, 3)
    steps.open()
    *events, end = page.watch(run_id)
    assert (end.state, read_numbers(read_frames(end.path))) == ("finished", list(range(40)))
    assert [e.start_frame for e in events if isinstance(e, SegmentReady)] == [0, 16, 24, 32]
    wait_until(lambda: not page.queue.live_runs() and not maker.queue.live_runs())
    assert page.queue.throughput.estimate(settings(), 1) is not None


def test_two_workers_make_two_runs_at_once_and_no_run_twice(start_worker):
    gates = [StepGate(), StepGate()]
    first, second = (start_worker(PaintingStream(gate=gate)) for gate in gates)
    runs = [first.submit(settings(seed=seed)) for seed in range(5)]
    wait_until(lambda: len(first.queue.runs_being_made() + second.queue.runs_being_made()) == 2)
    made = {one.queue.runs_being_made()[0].folder.id for one in (first, second)}
    assert made == set(runs[:2])
    wait_until(lambda: first.queue.num_workers == second.queue.num_workers == 2)
    assert next(second.watch(runs[2])).position == 1
    for gate in gates:
        gate.open()
    for seed, run_id in enumerate(runs):
        end = end_of(second, run_id)
        assert (end.state, read_numbers(read_frames(end.path))) == ("finished", list(range(32)))
        assert starts_of(first, run_id) == [0, 16, 24]
        assert first.record(run_id).settings.config.seed == seed
    wait_until(lambda: not first.queue.live_runs() + second.queue.live_runs())
    assert not list((first.runs_dir / ".work" / "queue").iterdir())


def test_a_run_that_another_process_makes_is_stopped(page, being_made, steps):
    stopping = threading.Thread(target=page.commands.stop, args=[being_made])
    stopping.start()
    stopping.join(PATIENCE)
    steps.open()
    end = end_of(page, being_made)
    assert (end.state, end.num_frames) == ("stopped", 24)


def test_a_run_that_another_process_makes_is_paused_and_resumed(page, being_made, steps):
    page.commands.pause(being_made)
    steps.open()
    assert end_of(page, being_made).state == "paused"
    page.commands.resume(being_made)
    assert end_of(page, being_made).num_frames == 56
    assert starts_of(page, being_made) == [0, 16, 24, 32, 40, 48]


def test_a_run_that_another_process_makes_is_extended_and_changed(page, being_made, steps):
    page.commands.extend(being_made, 2)
    assert page.commands.change_prompt(being_made, "a blue ring") == 3
    page.library.set_favourite(being_made, True)
    steps.open()
    end = end_of(page, being_made)
    assert read_numbers(read_frames(end.path)) == list(range(72))
    record = page.record(being_made)
    assert record.is_favourite
    assert record.settings.config.prompt == "0: a red star / 3: a blue ring"


def test_a_chunk_is_redone_by_the_process_that_makes_the_run(page, being_made, steps):
    page.commands.redo(being_made, 1, seed=9)
    steps.open()
    end = end_of(page, being_made)
    assert read_numbers(read_frames(end.path)) == list(range(56))
    assert starts_of(page, being_made) == [0, 16, 24, 32, 40, 48]


def test_refusals_come_back_from_the_process_that_makes_the_run(page, being_made):
    with pytest.raises(ConfigError, match="num_chunks must be a whole number"):
        page.commands.extend(being_made, 2.5)
    with pytest.raises(RunError, match="being made or waits already"):
        page.commands.resume(being_made)
    with pytest.raises(RunError, match="stop it first"):
        page.library.delete(being_made)
    assert (page.runs_dir / being_made / "run.json").exists()


def test_a_run_that_waits_is_changed_and_ended_by_any_process(page, maker, being_made, steps):
    waiting, other = page.submit(settings(num_chunks=2)), page.submit(settings())
    wait_until(lambda: maker.queue.get(waiting) and maker.queue.get(other))
    page.commands.extend(waiting, 1)
    maker.commands.stop(other)
    assert end_of(page, other).state == "stopped"
    maker.library.delete(other)
    assert not (page.runs_dir / other).exists()
    steps.open()
    assert end_of(page, waiting).num_frames == 32
    assert end_of(page, being_made).num_frames == 56


def test_a_worker_that_closes_leaves_its_run_to_the_others(start_worker, steps):
    first = start_worker(PaintingStream(gate=steps))
    run_id = first.submit(settings(num_chunks=5))
    steps.release(5)
    wait_for_segment(first, run_id, 1)
    second = start_worker(PaintingStream())
    closing = threading.Thread(target=first.close)
    closing.start()
    steps.open()
    end = end_of(second, run_id)
    assert (end.state, read_numbers(read_frames(end.path))) == ("finished", list(range(48)))
    assert "interrupted after" in str(list(iter_events(RunFolder(second.runs_dir / run_id))))
    closing.join()


def test_a_process_that_was_given_up_writes_nothing_more(tmp_path):
    """Its signs of life end, as with SIGSTOP; another takes over; then it wakes up."""
    gate = StepGate()
    sleeper = Worker(opener(PaintingStream(gate=gate)), tmp_path, lease_seconds=0.5)
    run_id = sleeper.submit(settings(num_chunks=5))
    gate.release(5)
    wait_for_segment(sleeper, run_id, 1)
    leases = sleeper._work.leases
    leases.close()
    leases._renewing.join()
    other = Worker(opener(PaintingStream()), tmp_path, lease_seconds=0.5)
    end = end_of(other, run_id)
    assert (end.state, end.num_frames) == ("finished", 48)
    before = {path: path.read_bytes() for path in (tmp_path / run_id).rglob("*") if path.is_file()}
    gate.open()
    wait_until(lambda: not sleeper.queue.runs_being_made())
    after = {path: path.read_bytes() for path in (tmp_path / run_id).rglob("*") if path.is_file()}
    assert after == before
    sleeper.close()
    other.close()


def test_a_worker_that_makes_only_its_own_runs_leaves_the_others(tmp_path, page):
    waiting = page.submit(settings())
    own = Worker(opener(PaintingStream()), tmp_path / "runs", resumes=False)
    assert end_of(own, own.submit(settings())).state == "finished"
    wait_until(lambda: len(page.queue.live_runs()) == 1)
    assert page.record(waiting).state == "queued"
    own.commands.resume(waiting)
    assert end_of(own, waiting).state == "finished"
    own.close()


def test_damaged_files_of_the_shared_queue_stop_nobody(tmp_path, start_worker):
    work = tmp_path / "runs" / ".work"
    for folder in ("queue", "leases", "live", "workers", "commands"):
        (work / folder).mkdir(parents=True)
    for name in ("queue/x.json", f"queue/{'c' * 24}.json", "live/x.json", "workers/ab.json"):
        (work / name).write_text('{"since": null')
    (work / "queue" / f"{'d' * 24}.json").write_text('{"since": 1.0}')  # its folder is gone
    (work / "leases" / "x.y").write_text("no lease")
    worker = start_worker(PaintingStream())
    assert end_of(worker, worker.submit(settings())).state == "finished"


def test_a_command_of_a_newer_version_is_refused_in_words(page, maker, being_made):
    sent = page.commands._desk._work.mailbox.send(being_made, "sing", {})
    assert sent.await_answer(lambda: False, PATIENCE)
    with pytest.raises(RunError, match="of another version"):
        sent.result()


def test_nobody_waits_for_ever_for_a_process_that_does_not_answer(page, being_made, monkeypatch):
    monkeypatch.setattr("t2v.runs.sharing.desk.PATIENCE", 0.3)
    monkeypatch.setattr("t2v.runs.sharing.mailbox.Mailbox.take", lambda *_: [])
    with pytest.raises(RunError, match="does not answer"):
        page.commands.pause(being_made)
    assert not list((page.runs_dir / ".work" / "commands" / being_made).iterdir())
