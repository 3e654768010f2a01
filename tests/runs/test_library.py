"""The library: finding runs, favourites, deletion, and the disk quota."""

import json
import threading

import pytest

from t2v.errors import RunError
from t2v.runs.folder import RunFolder, iter_folders
from t2v.runs.library import folder_bytes
from t2v.runs.record_cache import RecordCache
from tests.support.fakes import PaintingStream, settings


@pytest.fixture
def worker(start_worker):
    return start_worker(PaintingStream())


def made(worker, prompt="a red star", visitor="", **changes):
    """Adds a run that has ended, without making it."""
    folder = RunFolder.create(worker.runs_dir, settings(prompt=prompt), visitor)
    folder.update(**{"state": "finished"} | changes)
    (folder.path / "video.mp4").write_bytes(bytes(10_000))
    return folder.id


def found(worker, *arguments, **options):
    return [record.id for record in worker.library.find(*arguments, **options)]


def test_runs_are_listed_newest_first_in_pages(worker):
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
    assert list(iter_folders(worker.runs_dir)) == []
    for ask in (worker.library.delete, worker.record, worker.commands.stop):
        with pytest.raises(RunError, match="no run with this id"):
            ask(run_id)


def test_a_run_that_is_being_made_or_waits_cannot_be_deleted(start_worker):
    gate = threading.Event()
    worker = start_worker(PaintingStream(gate=gate))
    for run_id in [worker.submit(settings()) for _ in range(2)]:
        with pytest.raises(RunError, match="stop it first"):
            worker.library.delete(run_id)
    gate.set()


def test_clean_up_deletes_the_oldest_until_the_rest_fits(worker):
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
    with pytest.raises(RunError, match="disk quota"):
        worker.library.clean_up(100)
    assert found(worker) == [kept]
    with pytest.raises(RunError, match="no run with this id"):
        worker.record(gone)


def test_a_run_cleans_up_before_it_is_made(start_worker):
    worker = start_worker(PaintingStream(), quota_bytes=100_000)
    old = [made(worker) for _ in range(30)]
    run_id = worker.submit(settings())
    assert list(worker.watch(run_id))[-1].state == "finished"
    left = found(worker)
    assert left[0] == run_id and old[-1] in left and old[0] not in left


def test_an_unreadable_run_does_not_hide_others(worker):
    broken, run_id = made(worker), made(worker)
    (worker.runs_dir / broken / "run.json").write_text("{")
    assert set(found(worker)) == {run_id, broken}
    assert worker.record(broken).state == "failed"
    assert worker.record(broken).message == "This video is damaged: run.json is not JSON."
    assert worker.library.clean_up(10**9) == []


def test_the_number_of_runs_of_one_visitor_is_limited(start_worker):
    gate = threading.Event()
    worker = start_worker(PaintingStream(gate=gate), max_per_visitor=2)
    first, _ = (worker.submit(settings(), "us") for _ in range(2))
    with pytest.raises(RunError, match="you have 2 videos in the queue"):
        worker.submit(settings(), "us")
    worker.submit(settings(), "them")
    gate.set()
    list(worker.watch(first))
    worker.submit(settings(), "us")


def test_the_number_of_runs_of_one_address_is_limited_also_for_new_visitors(start_worker):
    gate = threading.Event()
    worker = start_worker(PaintingStream(gate=gate), max_per_visitor=2)
    first, second, _ = (worker.submit(settings(), f"visitor {n}", "here") for n in range(3))
    with pytest.raises(RunError, match="visitors of your address have 3 videos"):
        worker.submit(settings(), "visitor 3", "here")
    worker.submit(settings(), "visitor 3", "there")
    # A run that is resumed counts for its address again.
    worker.commands.pause(second)
    worker.submit(settings(), "visitor 4", "here")
    with pytest.raises(RunError, match="visitors of your address have 3 videos"):
        worker.commands.resume(second)
    gate.set()
    list(worker.watch(first))


def test_records_older_than_the_library_can_be_read(worker):
    folder = RunFolder(worker.runs_dir / made(worker))
    record = json.loads((folder.path / "run.json").read_text())
    for name in ("visitor", "is_favourite", "weights", "rewind_to", "begun_at", "num_tries"):
        del record[name]
    (folder.path / "run.json").write_text(json.dumps(record))
    assert found(worker) == [folder.id]


def test_a_list_reads_only_the_records_that_have_changed(worker, monkeypatch):
    star, ring = made(worker, prompt="a star"), made(worker, prompt="a ring")
    assert len(worker.library.find()) == 2
    read, num_reads = RunFolder.read, []
    monkeypatch.setattr(RunFolder, "read", lambda self: num_reads.append(self.id) or read(self))
    assert [record.id for record in worker.library.find()] == [ring, star] and not num_reads
    worker.library.set_favourite(star, True)
    num_reads.clear()
    assert [record.is_favourite for record in worker.library.find()] == [False, True]
    assert num_reads == [star]
    worker.library.delete(star)
    assert [record.id for record in worker.library.find()] == [ring]


def test_the_records_that_are_kept_are_bounded_and_damaged_ones_are_not_kept(worker):
    cache = RecordCache(max_kept=2)
    folders = [RunFolder(worker.runs_dir / made(worker)) for _ in range(3)]
    for folder in (*folders, folders[0]):
        assert cache.describe(folder) == folder.read()
    assert len(cache._kept) == 2
    (folders[0].path / "run.json").write_text("{")
    assert cache.describe(folders[0]).state == "failed"
    (folders[0].path / "run.json").unlink()
    assert "damaged" in cache.describe(folders[0]).message
