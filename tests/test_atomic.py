"""Files appear under their names when they are complete."""

import pytest

from t2v.atomic import atomic_write


def test_a_file_takes_its_name_when_the_block_ends(tmp_path):
    path = tmp_path / "video.json"
    path.write_text("old")
    with atomic_write(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_after_a_failure_the_old_file_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "video.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_write(path) as part:
        part.write_text("half of the n")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_writes_nothing_leaves_no_file(tmp_path):
    with atomic_write(tmp_path / "video.json"):
        pass
    assert list(tmp_path.iterdir()) == []
