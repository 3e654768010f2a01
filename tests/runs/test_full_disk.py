"""A disk that is really full: a small tmpfs. Needs the right to mount one."""

import shutil
import subprocess

import pytest

from t2v.errors import RunError
from t2v.media.reader import read_frames
from t2v.runs.events import Failed, SegmentReady
from t2v.runs.folder import RunFolder
from t2v.runs.sharing.refused import RefusedEnds
from t2v.runs.worker import Worker
from tests.support.fakes import PaintingStream, StepGate, opener, read_numbers, settings
from tests.support.processes import wait_until


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    if not mount or not unmount:
        pytest.skip("there is no program to mount a disk")
    command = [mount, "-t", "tmpfs", "-o", "size=3m", "none", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a disk")
    yield disk
    # Lazily: what the log of the test keeps of a failure may hold a file open.
    subprocess.run([unmount, "-l", str(disk)], check=True)


def fill(disk):
    """Takes all room that is left; returns the file that does."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    return filler


def test_a_full_disk_is_told_in_words_and_nothing_is_lost(small_disk, monkeypatch):
    monkeypatch.setattr("t2v.runs.disk.MIN_FREE", 100_000)
    monkeypatch.setattr("t2v.runs.kept_ends.RETRY_SECONDS", 0.05)
    gate = StepGate()
    worker = Worker(opener(PaintingStream(gate=gate)), small_disk / "runs")
    run_id = worker.submit(settings(num_chunks=5))
    gate.release(4)  # two chunks
    for event in worker.watch(run_id):
        if isinstance(event, SegmentReady) and event.index == 1:
            break
    filler = fill(small_disk)
    gate.open()
    *_, end = worker.watch(run_id)
    assert isinstance(end, Failed) and "No space left on device" in end.message
    record = worker.record(run_id)
    assert (record.state, record.message) == ("failed", end.message)
    assert worker.library.find()[0].state == "failed"
    folder = RunFolder(worker.runs_dir / run_id)
    assert folder.read().state == "running"  # there is no room to say so
    with pytest.raises(RunError, match="almost full"):
        worker.submit(settings())

    filler.unlink()
    wait_until(lambda: folder.read().state == "failed")
    assert folder.read().message == end.message
    wait_until(lambda: worker.queue.kept_end(run_id) is None)
    *_, end = worker.watch(run_id)
    assert read_numbers(read_frames(end.path)) == list(range(24))
    worker.commands.resume(run_id)
    *_, end = worker.watch(run_id)
    worker.close()
    assert (end.state, read_numbers(read_frames(end.path))) == ("finished", list(range(48)))


def test_a_page_says_why_when_the_disk_of_another_process_is_full(small_disk, monkeypatch):
    monkeypatch.setattr("t2v.runs.disk.MIN_FREE", 100_000)
    monkeypatch.setattr("t2v.runs.kept_ends.RETRY_SECONDS", 0.05)
    gate = StepGate()
    maker = Worker(opener(PaintingStream(gate=gate)), small_disk / "runs", name="CPU 0")
    page = Worker(None, small_disk / "runs")
    run_id = page.submit(settings(num_chunks=5))
    gate.release(4)  # two chunks
    for event in page.watch(run_id):
        if isinstance(event, SegmentReady) and event.index == 1:
            break
    filler = fill(small_disk)
    gate.open()
    *_, end = page.watch(run_id)
    assert isinstance(end, Failed) and "No space left on device" in end.message
    record = page.record(run_id)
    assert (record.state, record.message) == ("failed", end.message)
    assert page.library.find()[0].message == end.message
    filler.unlink()
    wait_until(lambda: RunFolder(page.runs_dir / run_id).read().state == "failed")
    wait_until(lambda: not page._work.refused.message(run_id))
    *_, end = page.watch(run_id)
    assert read_numbers(read_frames(end.path)) == list(range(24))
    page.commands.resume(run_id)
    *_, end = page.watch(run_id)
    assert (end.state, read_numbers(read_frames(end.path))) == ("finished", list(range(48)))
    page.close()
    maker.close()


def test_what_a_disk_refused_is_forgotten_when_another_worker_goes_on(tmp_path):
    folder = RunFolder.create(tmp_path, settings())
    folder.update(state="running")
    RefusedEnds(tmp_path / ".work" / "refused").tell(folder.id, OSError(122, "quota"))
    page = Worker(None, tmp_path)
    assert "Disk quota exceeded" in page.record(folder.id).message
    maker = Worker(opener(PaintingStream()), tmp_path)
    assert list(page.watch(folder.id))[-1].state == "finished"
    assert page._work.refused.message(folder.id) == ""
    page.close()
    maker.close()
