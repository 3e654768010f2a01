"""X-T slices follow a run in constant memory."""

import numpy as np
import pytest

from t2v.errors import ConfigError
from t2v.runs import slices
from t2v.runs.folder import RunFolder
from t2v.runs.slices import Slice, SliceCache, boundaries
from t2v.settings.chunking import PAPER_CHUNKING, Chunking
from tests.runs.test_measuring import stored_run
from tests.support.fakes import PaintingStream, made, paint


def rows(numbers, row: int) -> np.ndarray:
    """The rows of these painted frames, as columns."""
    return np.stack([paint(number)[row] for number in numbers], axis=1)


def test_a_slice_has_one_row_of_every_frame(tmp_path):
    found = Slice(stored_run(tmp_path, 3), PAPER_CHUNKING, 0.4, 32)
    assert not found.follow()
    assert (found.row, found.height, found.num_frames, found.step) == (12, 32, 32, 1)
    np.testing.assert_array_equal(found.picture, rows(range(32), 12))


def test_it_grows_with_the_run_and_forgets_what_is_redone(start_worker):
    worker = start_worker(PaintingStream())
    run_id = made(worker, num_chunks=3)
    found = Slice(RunFolder(worker.runs_dir / run_id), PAPER_CHUNKING, 0.0, 32)
    found.follow()
    worker.commands.extend(run_id, 1)
    list(worker.watch(run_id))
    found.follow()
    assert found.num_frames == 40
    before = found.picture.copy()
    worker.commands.redo(run_id, 2, seed=11)
    list(worker.watch(run_id))
    found.follow()
    seeded = Slice(RunFolder(worker.runs_dir / run_id), PAPER_CHUNKING, 1.0, 32)
    seeded.follow()
    assert found.num_frames == seeded.num_frames == 40
    np.testing.assert_array_equal(found.picture[:, :24], before[:, :24])
    expected = np.stack([paint(number, 11)[31] for number in range(24, 40)], axis=1)
    np.testing.assert_array_equal(seeded.picture[:, 24:], expected)


@pytest.mark.parametrize("known", [16, 16 + 8 * 29])  # frames that were known of at the start
def test_a_long_video_keeps_every_second_or_fourth_frame(tmp_path, monkeypatch, known):
    monkeypatch.setattr(slices, "MAX_COLUMNS", 70)
    found = Slice(stored_run(tmp_path, 30), PAPER_CHUNKING, 0.3, known)
    assert found.follow(7) and found.follow(7)
    assert found.num_frames == 120
    while found.follow(7):
        pass
    assert (found.step, found.num_frames) == (4, 248)
    np.testing.assert_array_equal(found.picture, rows(range(0, 248, 4), 9))
    assert len(found._columns) == 70


def test_chunks_without_a_column_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(slices, "MAX_COLUMNS", 10)
    folder = stored_run(tmp_path, 30)
    found, read = Slice(folder, PAPER_CHUNKING, 0.5, 248), []
    real = found._store.read
    found._store.read = lambda start: read.append(start) or real(start)
    while found.follow():
        pass
    assert read == [0, *range(32, 248, 32)] and found.step == 32


def test_damaged_frames_are_a_gap(tmp_path):
    folder = stored_run(tmp_path, 4)
    folder.frame_store(PAPER_CHUNKING)._path(16).write_bytes(b"")
    found = Slice(folder, PAPER_CHUNKING, 0.5, 40)
    found.follow()
    assert not found.picture[:, 16:24].any()
    np.testing.assert_array_equal(found.picture[:, 24:], rows(range(24, 40), 16))


@pytest.mark.parametrize("share", [-0.1, 1.01, float("nan"), True, "half", None, [0]])
def test_a_row_outside_the_frames_is_refused(tmp_path, share):
    with pytest.raises(ConfigError, match="row must be from 0"):
        SliceCache().find(RunFolder(tmp_path), PAPER_CHUNKING, share, 16)


def test_few_slices_are_kept(tmp_path):
    cache, folder = SliceCache(), stored_run(tmp_path, 1)
    first = cache.find(folder, PAPER_CHUNKING, 0.0, 16)
    assert cache.find(folder, PAPER_CHUNKING, 0.0, 16) is first
    for number in range(1, 9):
        cache.find(folder, PAPER_CHUNKING, number / 8, 16)
    assert len(cache._slices) == 8
    assert cache.find(folder, PAPER_CHUNKING, 0.0, 16) is not first


def test_boundaries_are_the_first_frames_of_chunks():
    assert list(boundaries(PAPER_CHUNKING, 40, 64)) == [16, 24, 32]
    assert list(boundaries(PAPER_CHUNKING, 16, 64)) == []
    assert list(boundaries(Chunking(7, 2), 27, 3)) == [12, 22]
