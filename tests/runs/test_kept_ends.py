"""Ends and videos that are written late, while other processes have the lease of the run."""

import errno

import pytest

from t2v.media.reader import read_frames
from t2v.runs.events import Finished
from t2v.runs.folder import RunFolder
from t2v.runs.kept_ends import Ending, KeptEnds
from t2v.runs.live_run import LiveRun
from t2v.runs.log import has_end
from t2v.runs.queue import RunQueue
from t2v.runs.sharing.folder import WorkFolder
from t2v.runs.sharing.leases import Leases
from t2v.runs.sharing.waiting import Entry
from t2v.runs.worker import Worker
from tests.support.fakes import PaintingStream, made, opener, read_numbers


@pytest.fixture
def folder(tmp_path):
    """A run of 3 chunks that has ended."""
    worker = Worker(opener(PaintingStream()), tmp_path)
    run_id = made(worker)
    worker.close()
    return RunFolder(tmp_path / run_id)


@pytest.fixture
def other(tmp_path):
    """The leases of another process on the same folder."""
    leases = Leases(tmp_path / ".work" / "leases")
    yield leases
    leases.close()


@pytest.fixture
def kept(tmp_path, folder, monkeypatch):
    """Ends of a process in which the disk refused that of the run; and its queue."""
    queue, work = RunQueue(5), WorkFolder(tmp_path)
    ends = KeptEnds(queue, work)
    lines = folder.log_path.read_text().splitlines(keepends=True)
    folder.log_path.write_text("".join(line for line in lines if '"Finished"' not in line))
    ending = Ending(LiveRun(folder, folder.read().settings), "stopped", None, 7.0)
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "append", refuse)
        ends.write(ending)
    assert ends.retry_seconds and isinstance(queue.kept_end(folder.id), Finished)
    yield ends, queue, work
    work.leases.close()


def start_and_end(runs_dir):
    """An app that is started, and closed at once."""
    Worker(opener(PaintingStream()), runs_dir).close()


def refuse(*_):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_kept_end_waits_while_another_process_has_the_run(kept, folder, other):
    ends, queue, _ = kept
    with other.hold(folder.id):
        ends.write_kept()
        assert ends.retry_seconds and queue.kept_end(folder.id)
        assert not has_end(folder)
    ends.write_kept()
    assert (ends.retry_seconds, queue.kept_end(folder.id)) == (None, None)
    assert has_end(folder) and folder.read().seconds == 7


def test_a_kept_end_gives_way_to_a_later_one(kept, folder):
    ends, queue, _ = kept
    folder.append(Finished(state="finished", path=None, num_frames=0, seconds=9.0))
    log = folder.log_path.read_bytes()
    ends.write_kept()
    assert (ends.retry_seconds, queue.kept_end(folder.id)) == (None, None)
    assert folder.log_path.read_bytes() == log


def test_a_kept_end_gives_way_to_a_run_that_is_continued_elsewhere(kept, folder):
    ends, queue, work = kept
    work.waiting.put(folder.id, Entry(since=1.0))
    ends.write_kept()
    assert (ends.retry_seconds, queue.kept_end(folder.id)) == (None, None)
    assert not has_end(folder)


def test_a_damaged_video_is_joined_again_unless_another_process_has_the_run(folder, other):
    video = folder.video_path()
    video.write_bytes(b"damaged")
    with other.hold(folder.id):
        start_and_end(folder.path.parent)
        assert video.read_bytes() == b"damaged"
    start_and_end(folder.path.parent)
    assert read_numbers(read_frames(video)) == list(range(32))


def test_a_lost_lease_keeps_a_process_from_joining_a_video(folder, monkeypatch):
    video = folder.video_path()
    video.write_bytes(b"damaged")
    monkeypatch.setattr("t2v.runs.sharing.lease.Lease.is_held", lambda *_, **__: False)
    start_and_end(folder.path.parent)
    assert video.read_bytes() == b"damaged"
