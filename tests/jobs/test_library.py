"""The library: finding runs, keeping them, and throwing the oldest away."""

import json
import threading

import pytest

from t2v.errors import JobError
from t2v.jobs.library import folder_bytes
from t2v.jobs.run_folder import RunFolder
from tests.fakes import PaintingStream, settings


@pytest.fixture
def worker(start_worker):
    return start_worker(PaintingStream())


def made(worker, prompt="a red star", visitor="", **changes):
    """A run that has ended, without making it."""
    folder = RunFolder.create(worker.runs_dir, settings(prompt=prompt), visitor)
    folder.update(**{"state": "finished"} | changes)
    (folder.path / "video.mp4").write_bytes(bytes(10_000))
    return folder.id


def found(worker, *arguments, **options):
    return [record.id for record in worker.library.find(*arguments, **options)]


def test_the_newest_run_comes_first_and_pages_follow_each_other(worker):
    ids = [made(worker) for _ in range(5)]
    assert found(worker) == ids[::-1]
    assert found(worker, first=0, limit=2) + found(worker, first=2, limit=9) == ids[::-1]


def test_runs_are_found_by_words_of_their_prompt(worker):
    star, ring = made(worker, "A red STAR over the sea"), made(worker, "a blue ring")
    assert found(worker, "sea star") == [star]
    assert found(worker, "A") == [ring, star]
    assert found(worker, "elephant") == []


def test_visitors_find_their_own_runs(worker):
    ours, theirs = made(worker, visitor="us"), made(worker, visitor="them")
    assert found(worker, visitor="us") == [ours]
    assert found(worker) == [theirs, ours]


def test_favourites_can_be_marked_and_found(worker):
    run_id, _ = made(worker), made(worker)
    assert worker.library.set_favourite(run_id, True).is_favourite
    assert found(worker, only_favourites=True) == [run_id]
    worker.library.set_favourite(run_id, False)
    assert found(worker, only_favourites=True) == []


def test_a_deleted_run_is_gone_with_its_files(worker):
    run_id = made(worker)
    worker.library.delete(run_id)
    assert list(worker.runs_dir.iterdir()) == []
    for ask in (worker.library.delete, worker.record, worker.stop):
        with pytest.raises(JobError, match="no run with this id"):
            ask(run_id)


def test_a_run_that_is_being_made_or_waits_cannot_be_deleted(start_worker):
    gate = threading.Event()
    worker = start_worker(PaintingStream(gate=gate))
    for run_id in [worker.submit(settings()) for _ in range(2)]:
        with pytest.raises(JobError, match="stop it first"):
            worker.library.delete(run_id)
    gate.set()


def test_clean_up_takes_the_oldest_until_the_rest_fits(worker):
    ids = [made(worker) for _ in range(5)]
    size = folder_bytes(worker.runs_dir / ids[0])
    assert worker.library.clean_up(10 * size) == []
    assert worker.library.clean_up(int(2.5 * size)) == ids[:3]
    assert found(worker) == [ids[4], ids[3]]


@pytest.mark.parametrize(
    "untouchable", [{"is_favourite": True}, {"state": "running"}, {"state": "interrupted"}]
)
def test_clean_up_leaves_favourites_and_unfinished_runs(worker, untouchable):
    kept, gone = made(worker, **untouchable), made(worker)
    with pytest.raises(JobError, match="disk quota"):
        worker.library.clean_up(100)
    assert found(worker) == [kept]
    with pytest.raises(JobError, match="no run with this id"):
        worker.record(gone)


def test_a_run_makes_room_for_itself_when_its_turn_comes(start_worker):
    worker = start_worker(PaintingStream(), quota_bytes=100_000)
    old = [made(worker) for _ in range(30)]
    run_id = worker.submit(settings())
    assert list(worker.watch(run_id))[-1].state == "finished"
    left = found(worker)
    assert left[0] == run_id and old[-1] in left and old[0] not in left


def test_a_run_that_cannot_be_read_hides_no_other(worker):
    broken, run_id = made(worker), made(worker)
    (worker.runs_dir / broken / "run.json").write_text("{")
    assert found(worker) == [run_id]


def test_a_visitor_may_have_so_many_runs_at_once(start_worker):
    gate = threading.Event()
    worker = start_worker(PaintingStream(gate=gate), max_per_visitor=2)
    first, _ = (worker.submit(settings(), "us") for _ in range(2))
    with pytest.raises(JobError, match="you have 2 videos in the queue"):
        worker.submit(settings(), "us")
    worker.submit(settings(), "them")
    gate.set()
    list(worker.watch(first))
    worker.submit(settings(), "us")


def test_records_from_before_there_was_a_library_can_be_read(worker):
    folder = RunFolder(worker.runs_dir / made(worker))
    record = json.loads((folder.path / "run.json").read_text())
    for name in ("visitor", "is_favourite", "weights", "rewind_to", "begun_at", "num_tries"):
        del record[name]
    (folder.path / "run.json").write_text(json.dumps(record))
    assert found(worker) == [folder.id]
