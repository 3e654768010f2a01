"""Files appear under their names when they are complete."""

import os

import numpy as np
import pytest

from t2v.atomic import atomic_write
from t2v.events import Notice
from t2v.media.video import VideoWriter
from t2v.output_names import check_output
from t2v.runs.folder import RunFolder
from tests.support.fakes import settings


def test_a_file_takes_its_name_when_the_block_ends(tmp_path):
    path = tmp_path / "video.json"
    path.write_text("old")
    with atomic_write(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_keeps_the_old_file_and_leaves_no_other(tmp_path):
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


@pytest.fixture
def calls(monkeypatch):
    """What was synced to the disk, "replace" where a file got its name; in order."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        calls.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def note_replace(source, target):
        calls.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    return calls


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, calls):
    with atomic_write(tmp_path / "video.json") as part:
        part.write_text("new")
    assert calls == [str(part), "replace", str(tmp_path)]


def test_so_is_a_video(tmp_path, calls):
    with VideoWriter(tmp_path / "a.mp4", fps=7) as writer:
        writer.write(np.zeros((2, 6, 10, 3), np.uint8))
    part, *rest = calls
    assert part.startswith(f"{tmp_path}/.a.mp4.") and rest == ["replace", str(tmp_path)]


def test_a_line_of_a_log_is_on_the_disk_before_anybody_acts_on_it(tmp_path, calls):
    folder = RunFolder.create(tmp_path, settings())
    calls.clear()
    folder.append(Notice("slow"))
    assert calls == [str(folder.log_path)]


@pytest.mark.parametrize("length", [200, 250, 255])
def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path, length):
    """The name of the temporary file was longer than the file's own."""
    path = tmp_path / f"{'ä' * ((length - 4) // 2)}{'x' * (length % 2)}.mp4"
    assert len(os.fsencode(path.name)) == length
    check_output("--out", path, ".mp4", overwrite=False)
    with atomic_write(path) as part:
        part.write_text("new")
    assert list(tmp_path.iterdir()) == [path]
