"""What goes wrong around a run: the disk, many visitors, apps that die. The next one is made."""

import gc
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from t2v.errors import JobError
from t2v.jobs.run_folder import EventLog, RunFolder
from t2v.jobs.updates import Failed, Rewound, SegmentReady
from t2v.jobs.worker import Worker
from t2v.media.video import read_frames
from tests.fakes import PaintingStream, opener, read_number, read_numbers, settings


PATIENCE = 60  # seconds


def end_of(worker, run_id):
    return list(worker.watch(run_id))[-1]


def check_next_run(worker):
    """A run after the fault is what it would have been without it."""
    end = end_of(worker, worker.submit(settings(seed=3)))
    assert [read_number(frame) for frame in read_frames(end.path)] == [(n, 3) for n in range(32)]


def test_50_submissions_at_once_fill_the_queue_and_no_more(start_worker):
    gate = threading.Event()
    stream = PaintingStream(gate=gate)
    worker = start_worker(stream, max_waiting=8)
    first = worker.submit(settings())
    assert stream.has_begun.wait(PATIENCE)

    def visit(seed):
        try:
            return worker.submit(settings(seed=seed % 16)), seed % 16
        except JobError as error:
            return str(error), None

    with ThreadPoolExecutor(50) as visitors:
        answers = list(visitors.map(visit, range(50)))
    accepted = [answer for answer in answers if answer[1] is not None]
    assert len(accepted) == 8
    assert {words for words, seed in answers if seed is None} == {
        "the queue is full: 8 videos are waiting; try again later"
    }
    gate.set()
    for run_id, seed in accepted:
        frames = read_frames(end_of(worker, run_id).path)
        assert [read_number(frame) for frame in frames] == [(n, seed) for n in range(32)]
    assert end_of(worker, first).state == "finished"
    assert stream.max_running == 1


def refuse(monkeypatch, name):
    """A disk that is full whenever a file of such a name is written."""
    replace = os.replace

    def fail(source, target):
        if name in str(target):
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)


@pytest.mark.parametrize("name", ["memory/00000016", "segments/00000016", "memory/refiner"])
def test_a_full_disk_ends_a_run_which_goes_on_when_there_is_room(start_worker, monkeypatch, name):
    worker = start_worker(PaintingStream())
    with monkeypatch.context() as patch:
        refuse(patch, name)
        run_id = worker.submit(settings(num_chunks=5, refine=True))
        end = end_of(worker, run_id)
    assert isinstance(end, Failed) and "No space left on device" in end.message
    assert str(worker.runs_dir) not in end.message
    assert read_numbers(read_frames(end.path)) == list(range(end.num_frames))
    check_next_run(worker)
    worker.resume(run_id)
    end = end_of(worker, run_id)
    assert read_numbers(read_frames(end.path)) == list(range(48))
    assert read_numbers(read_frames(end.refined_path)) == list(range(48))
    assert not list(worker.runs_dir.rglob("*.part*"))


def test_a_full_disk_refuses_commands_in_words_and_changes_nothing(start_worker, monkeypatch):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    end_of(worker, run_id)
    record = worker.record(run_id)
    with monkeypatch.context() as patch:
        refuse(patch, "run.json")
        for ask in (
            lambda: worker.extend(run_id, 2),
            lambda: worker.redo(run_id, 1, seed=1),
            lambda: worker.submit(settings()),
            lambda: worker.library.set_favourite(run_id, True),
        ):
            with pytest.raises(JobError, match="cannot be kept on disk: No space left"):
                ask()
    assert worker.record(run_id) == record
    assert len(list(worker.runs_dir.iterdir())) == 1
    check_next_run(worker)


def fill_disk(patch):
    """Leaves as much room as the smallest of files."""
    usage = shutil.disk_usage("/")._replace(free=2_000_000)
    patch.setattr("shutil.disk_usage", lambda path: usage)


def test_a_run_that_would_not_fit_is_refused_before_the_work(start_worker, monkeypatch):
    worker = start_worker(stream := PaintingStream())
    run_id = worker.submit(settings())
    end_of(worker, run_id)
    before, num_steps = worker.record(run_id), stream.num_steps_done
    with monkeypatch.context() as patch:
        fill_disk(patch)
        for ask in (lambda: worker.submit(settings()), lambda: worker.extend(run_id, 1)):
            with pytest.raises(JobError, match="almost full: 2 MB are free"):
                ask()
    assert (worker.record(run_id), stream.num_steps_done) == (before, num_steps)
    assert len(list(worker.runs_dir.iterdir())) == 1
    check_next_run(worker)


def test_a_disk_that_fills_up_while_a_run_waits_is_told_when_its_turn_comes(
    start_worker, monkeypatch
):
    gate = threading.Event()
    worker = start_worker(stream := PaintingStream(gate=gate))
    first, second = worker.submit(settings()), worker.submit(settings())
    assert stream.has_begun.wait(PATIENCE)
    with monkeypatch.context() as patch:
        fill_disk(patch)
        gate.set()
        assert end_of(worker, first).state == "finished"
        end = end_of(worker, second)
    assert isinstance(end, Failed) and "almost full" in end.message
    worker.resume(second)
    assert end_of(worker, second).state == "finished"


def test_an_end_that_cannot_be_written_ends_the_run_all_the_same(start_worker, monkeypatch):
    worker = start_worker(PaintingStream())
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append", full_disk)
        assert isinstance(end_of(worker, worker.submit(settings())), Failed)
    check_next_run(worker)


def full_disk(*arguments):
    raise OSError(28, "No space left on device")


def test_half_a_line_does_not_stay_in_the_log(tmp_path):
    folder = RunFolder.create(tmp_path, settings())
    folder.append(Failed("one"))
    with folder.log_path.open("a") as log:
        log.write('{"type": "Fai')  # cut off by a kill
    worker = Worker(opener(PaintingStream()), tmp_path)
    end = end_of(worker, folder.id)
    worker.close()
    assert end.state == "finished"
    assert isinstance(EventLog(folder).read()[0], Rewound)


def test_a_chunk_without_its_memory_is_made_again(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(num_chunks=5))
    end_of(worker, run_id)
    (worker.runs_dir / run_id / "memory" / "00000024.npz").unlink()
    worker.extend(run_id, 1)
    updates = list(worker.watch(run_id))
    rewound = next(update for update in updates if isinstance(update, Rewound))
    assert rewound.num_frames == 24
    assert read_numbers(read_frames(updates[-1].path)) == list(range(56))


def test_a_memory_that_is_damaged_is_told(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    end = end_of(worker, run_id)
    record = worker.record(run_id)
    (worker.runs_dir / run_id / "memory" / "00000024.npz").write_bytes(b"PK no")
    with pytest.raises(JobError, match="memory of this run cannot be read"):
        worker.extend(run_id, 1)
    assert (worker.record(run_id), end_of(worker, run_id)) == (record, end)
    check_next_run(worker)


def test_a_chunk_that_kills_the_app_again_and_again_is_left_alone(tmp_path):
    folder = RunFolder.create(tmp_path, settings())
    folder.update(state="running", begun_at=0, num_tries=3)
    worker = Worker(opener(PaintingStream()), tmp_path)
    end = end_of(worker, folder.id)
    assert isinstance(end, Failed) and "closed 3 times while chunk 0" in end.message
    worker.resume(folder.id)
    assert end_of(worker, folder.id).state == "finished"
    worker.close()


def test_a_second_app_leaves_the_runs_of_the_first_alone(tmp_path):
    gate = threading.Event()
    stream = PaintingStream(gate=gate)
    (tmp_path / "runs").mkdir()
    first = Worker(opener(stream), tmp_path / "runs")
    run_id = first.submit(settings())
    assert stream.has_begun.wait(PATIENCE)
    second = Worker(opener(PaintingStream()), tmp_path / "runs")
    assert second.line.live_ids() == set()
    check_next_run(second)
    gate.set()
    assert end_of(first, run_id).state == "finished"
    first.close()
    second.close()


def usage():
    gc.collect()
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    return (
        pages * os.sysconf("SC_PAGE_SIZE"),
        threading.active_count(),
        len(os.listdir("/proc/self/fd")),
    )


@pytest.mark.slow
def test_100_runs_in_a_row_leave_nothing_behind(start_worker):
    worker = start_worker(PaintingStream())

    def make(num_runs):
        for number in range(num_runs):
            run_id = worker.submit(settings(refine=number % 2 == 0))
            segments = [u for u in worker.watch(run_id) if isinstance(u, SegmentReady)]
            assert len(segments) >= 3

    make(20)  # what is made once
    memory, threads, files = usage()
    make(100)
    memory_after, threads_after, files_after = usage()
    assert (threads_after, files_after) == (threads, files)
    assert memory_after < 1.05 * memory
