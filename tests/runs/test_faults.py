"""Faults around a run: the disk, many visitors, apps that die. The next run is not affected."""

import gc
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from t2v.errors import RunError
from t2v.events import Notice
from t2v.media.reader import read_frames
from t2v.runs.events import Failed, Rewound, SegmentReady
from t2v.runs.folder import RunFolder, iter_folders
from t2v.runs.log import EventLog
from t2v.runs.worker import Worker
from tests.support.fakes import (
    PaintingStream,
    StepGate,
    live_ids,
    opener,
    read_number,
    read_numbers,
    settings,
)


PATIENCE = 60  # seconds


def end_of(worker, run_id):
    return list(worker.watch(run_id))[-1]


def check_next_run(worker):
    """The run after a fault is the same as without the fault."""
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
        except RunError as error:
            return str(error), None

    with ThreadPoolExecutor(50) as visitors:
        answers = list(visitors.map(visit, range(50)))
    accepted = [answer for answer in answers if answer[1] is not None]
    assert len(accepted) == 8
    assert {message for message, seed in answers if seed is None} == {
        "the queue is full: 8 videos are waiting; try again later"
    }
    gate.set()
    for run_id, seed in accepted:
        frames = read_frames(end_of(worker, run_id).path)
        assert [read_number(frame) for frame in frames] == [(n, seed) for n in range(32)]
    assert end_of(worker, first).state == "finished"
    assert stream.max_running == 1


def refuse(monkeypatch, name):
    """Makes the disk refuse files with such a name."""
    replace = os.replace

    def fail(source, target):
        if name in str(target):
            raise OSError(28, "No space left on device", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", fail)


@pytest.mark.parametrize("name", ["memory/00000016", "segments/00000016", "memory/refiner"])
def test_a_run_that_a_full_disk_ended_can_be_resumed(start_worker, monkeypatch, name):
    worker = start_worker(PaintingStream())
    with monkeypatch.context() as patch:
        refuse(patch, name)
        run_id = worker.submit(settings(num_chunks=5, refine=True))
        end = end_of(worker, run_id)
    assert isinstance(end, Failed) and "No space left on device" in end.message
    assert str(worker.runs_dir) not in end.message
    assert read_numbers(read_frames(end.path)) == list(range(end.num_frames))
    check_next_run(worker)
    worker.commands.resume(run_id)
    end = end_of(worker, run_id)
    assert read_numbers(read_frames(end.path)) == list(range(48))
    assert read_numbers(read_frames(end.refined_path)) == list(range(48))
    assert not list(worker.runs_dir.rglob("*.part*"))


def test_a_command_that_a_full_disk_refuses_changes_nothing(start_worker, monkeypatch):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    end_of(worker, run_id)
    record = worker.record(run_id)
    with monkeypatch.context() as patch:
        refuse(patch, "run.json")
        for command in (
            lambda: worker.commands.extend(run_id, 2),
            lambda: worker.commands.redo(run_id, 1, seed=1),
            lambda: worker.submit(settings()),
            lambda: worker.library.set_favourite(run_id, True),
        ):
            with pytest.raises(RunError, match="cannot be kept on disk: No space left"):
                command()
    assert worker.record(run_id) == record
    assert len(list(iter_folders(worker.runs_dir))) == 1
    check_next_run(worker)


def fill_disk(patch):
    """Leaves 2 MB of the disk."""
    usage = shutil.disk_usage("/")._replace(free=2_000_000)
    patch.setattr("shutil.disk_usage", lambda path: usage)


def test_a_run_that_would_not_fit_is_refused_before_it_starts(start_worker, monkeypatch):
    worker = start_worker(stream := PaintingStream())
    run_id = worker.submit(settings())
    end_of(worker, run_id)
    before, num_steps = worker.record(run_id), stream.num_steps_done
    with monkeypatch.context() as patch:
        fill_disk(patch)
        for command in (
            lambda: worker.submit(settings()),
            lambda: worker.commands.extend(run_id, 1),
        ):
            with pytest.raises(RunError, match="almost full: 2 MB are free"):
                command()
    assert (worker.record(run_id), stream.num_steps_done) == (before, num_steps)
    assert len(list(iter_folders(worker.runs_dir))) == 1
    check_next_run(worker)


def test_a_run_fails_with_a_message_if_the_disk_filled_up_while_it_waited(
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
    worker.commands.resume(second)
    assert end_of(worker, second).state == "finished"


def test_a_run_whose_end_cannot_be_written_ends_all_the_same(start_worker, monkeypatch):
    worker = start_worker(PaintingStream())
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append", full_disk)
        assert isinstance(end_of(worker, worker.submit(settings())), Failed)
    check_next_run(worker)


def full_disk(*arguments):
    raise OSError(28, "No space left on device")


def test_half_a_line_is_removed_from_the_log(tmp_path):
    folder = RunFolder.create(tmp_path, settings())
    folder.append(Failed(message="one"))
    with folder.log_path.open("a") as log:
        log.write('{"type": "Fai')  # cut off by a kill
    worker = Worker(opener(PaintingStream()), tmp_path)
    end = end_of(worker, folder.id)
    worker.close()
    assert end.state == "finished"
    assert isinstance(EventLog(folder).read()[0], Rewound)


def test_a_chunk_without_stored_frames_is_made_again(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(num_chunks=5))
    end_of(worker, run_id)
    (worker.runs_dir / run_id / "memory" / "00000024.npz").unlink()
    worker.commands.extend(run_id, 1)
    events = list(worker.watch(run_id))
    rewound = next(event for event in events if isinstance(event, Rewound))
    assert rewound.num_frames == 24
    assert read_numbers(read_frames(events[-1].path)) == list(range(56))


def damage_memory(folder):
    (folder / "memory" / "00000032.npz").write_bytes(b"PK no")


def damage_refiner(folder):
    path = sorted((folder / "memory").glob("refiner-*"))[-1]
    path.write_bytes(path.read_bytes()[:-2000])


def damage_segment(folder):
    (folder / "segments" / "00000024.mp4").write_bytes(b"")


def damage_refined_segment(folder):
    (folder / "segments" / "refined-00000016.mp4").unlink()


@pytest.mark.parametrize(
    "damage", [damage_memory, damage_refiner, damage_segment, damage_refined_segment]
)
def test_a_run_resumes_before_its_first_damaged_file_with_the_same_frames(start_worker, damage):
    worker = start_worker(PaintingStream())
    config = settings(num_chunks=6, refine=True)
    run_id = worker.submit(config)
    segments = [event for event in worker.watch(run_id) if isinstance(event, SegmentReady)]
    damage(worker.runs_dir / run_id)
    worker.commands.extend(run_id, 1)
    events = list(worker.watch(run_id))
    assert any(isinstance(event, Rewound) for event in events)
    for path in (events[-1].path, events[-1].refined_path):
        assert read_numbers(read_frames(path)) == list(range(64))
    after = {
        (event.track, event.start_frame): event.sha256
        for event in events
        if isinstance(event, SegmentReady) and event.num_frames == 8 * (1 + (not event.index))
    }
    before = {(event.track, event.start_frame): event.sha256 for event in segments}
    assert all(before.get(key, digest) == digest for key, digest in after.items())
    check_next_run(worker)


def test_a_video_ends_before_a_damaged_segment_and_says_so(start_worker):
    gate = StepGate()
    worker = start_worker(PaintingStream(gate=gate))
    run_id = worker.submit(settings(num_chunks=5))
    gate.release(7)
    for event in worker.watch(run_id):
        if isinstance(event, SegmentReady) and event.index == 2:
            break
    damage_segment(worker.runs_dir / run_id)
    worker.commands.stop(run_id)
    gate.open()
    *events, end = worker.watch(run_id)
    *_, notice = (event for event in events if isinstance(event, Notice))
    assert notice.text.startswith("The file 00000024.mp4 of a chunk is missing or damaged")
    assert read_numbers(read_frames(end.path)) == list(range(24))
    worker.commands.resume(run_id)
    end = end_of(worker, run_id)
    assert (end.state, read_numbers(read_frames(end.path))) == ("finished", list(range(48)))


def test_a_chunk_that_killed_the_app_three_times_is_given_up(tmp_path):
    folder = RunFolder.create(tmp_path, settings())
    folder.update(state="running", attempt_chunk=0, num_attempts=3)
    worker = Worker(opener(PaintingStream()), tmp_path)
    end = end_of(worker, folder.id)
    assert isinstance(end, Failed) and "closed 3 times while chunk 0" in end.message
    worker.commands.resume(folder.id)
    assert end_of(worker, folder.id).state == "finished"
    worker.close()


def test_attempts_count_only_while_no_progress_is_made(tmp_path):
    folder = RunFolder.create(tmp_path, settings(num_chunks=6))
    folder.update(state="running", attempt_chunk=0, num_attempts=2)  # killed twice in chunk 0
    gate = StepGate()
    killed = Worker(opener(PaintingStream(gate=gate)), tmp_path)
    gate.release(2 * 4)
    for event in killed.watch(folder.id):
        if isinstance(event, SegmentReady) and event.index == 3:
            break
    while folder.read().attempt_chunk != 4:
        time.sleep(0.01)
    left = folder.read()
    assert (left.state, left.num_attempts) == ("running", 1)
    killed.close(timeout=0)
    gate.open()
    killed.close()
    folder.write(left)  # as a kill leaves it
    worker = Worker(opener(PaintingStream()), tmp_path)
    assert end_of(worker, folder.id).state == "finished"
    worker.close()


def test_a_second_app_leaves_a_run_to_the_first_and_makes_the_others(tmp_path):
    gate = threading.Event()
    stream = PaintingStream(gate=gate)
    (tmp_path / "runs").mkdir()
    first = Worker(opener(stream), tmp_path / "runs")
    run_id = first.submit(settings())
    assert stream.has_begun.wait(PATIENCE)
    waiting = first.submit(settings(seed=9))
    second = Worker(opener(PaintingStream()), tmp_path / "runs")
    assert end_of(first, waiting).state == "finished"
    check_next_run(second)
    assert live_ids(second) == {run_id}
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


@pytest.mark.soak
def test_100_runs_in_a_row_leave_nothing_behind(start_worker):
    worker = start_worker(PaintingStream())

    def make(num_runs):
        for number in range(num_runs):
            run_id = worker.submit(settings(refine=number % 2 == 0))
            segments = [u for u in worker.watch(run_id) if isinstance(u, SegmentReady)]
            assert len(segments) >= 3

    make(20)  # caches fill
    memory, threads, files = usage()
    make(100)
    memory_after, threads_after, files_after = usage()
    assert (threads_after, files_after) == (threads, files)
    assert memory_after < 1.05 * memory
