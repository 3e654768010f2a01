"""Run folders: they can always be read, whatever interrupted the writing."""

import json
from dataclasses import replace
from io import BytesIO
from types import SimpleNamespace

import pytest

from t2v.errors import RunError
from t2v.events import Notice
from t2v.runs.events import Failed, Finished, SegmentReady, Started
from t2v.runs.folder import RunFolder
from t2v.runs.log import EventLog, iter_segments
from t2v.runs.record import RunSettings
from t2v.runs.worker import Worker
from tests.support.fakes import PaintingStream, settings


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path, settings(prompt="a star \u202e\0 🦄"))


def test_settings_are_read_back_from_disk(folder):
    assert folder.read().settings == settings(prompt="a star \u202e\0 🦄")


def test_ids_cannot_be_guessed(tmp_path):
    ids = {RunFolder.create(tmp_path, settings()).id for _ in range(20)}
    assert len(ids) == 20
    assert {len(run_id) for run_id in ids} == {24}


def test_a_record_is_replaced_as_a_whole(folder):
    folder.write(replace(folder.read(), state="finished", num_frames=16))
    assert (folder.read().state, folder.read().num_frames) == ("finished", 16)
    assert sorted(path.name for path in folder.path.iterdir()) == ["run.json", "segments"]


def test_events_are_read_back_from_the_log(folder):
    events = [
        Started(num_chunks=3, num_frames=32, fps=8),
        Notice("one word is unknown"),
        SegmentReady(
            stage="initialization",
            index=0,
            path=folder.segment_path(0),
            start_frame=0,
            num_frames=16,
        ),
        Finished(state="stopped", path=folder.video_path(), num_frames=16, seconds=1.5),
        Failed(message="broken"),
    ]
    for event in events:
        folder.append(event)
    assert EventLog(folder).read() == events


def test_a_line_that_is_still_being_written_is_read_later(folder):
    folder.append(Notice("first"))
    log = EventLog(folder)
    with folder.log_path.open("a") as file:
        file.write('{"type": "Notice", ')
        file.flush()
        assert log.read() == [Notice("first")]
        file.write('"text": "second"}\n')
    assert log.read() == [Notice("second")]


def test_the_first_line_is_read_once_if_it_is_written_while_one_looks(folder, monkeypatch):
    class Late(BytesIO):
        """The line is there when it is looked for a second time."""

        is_there = False

        def readline(self):
            line = super().readline() if self.is_there else b""
            self.is_there = True
            return line

    folder.append(event := Started(num_chunks=3, num_frames=32, fps=8))
    contents = folder.log_path.read_bytes()
    path = SimpleNamespace(open=lambda mode: Late(contents))
    monkeypatch.setattr(RunFolder, "log_path", path)
    log = EventLog(folder)
    first = log.read()
    Late.is_there = True
    assert [*first, *log.read(), *log.read()] == [event]


def test_a_long_log_is_read_in_batches(folder):
    for number in range(EventLog.BATCH + 3):
        folder.append(Notice(str(number)))
    log = EventLog(folder)
    assert [len(log.read()) for _ in range(3)] == [EventLog.BATCH, 3, 0]


def test_a_folder_that_moved_still_finds_its_files(folder, tmp_path):
    folder.append(
        SegmentReady(
            stage="initialization",
            index=0,
            path=folder.segment_path(0),
            start_frame=0,
            num_frames=16,
        )
    )
    (tmp_path / "elsewhere").mkdir()
    moved = RunFolder(folder.path.rename(tmp_path / "elsewhere" / folder.id))
    assert list(iter_segments(moved)) == [moved.segments_dir / "00000000.mp4"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"settings": {}}'])
def test_a_damaged_record_raises_a_run_error(folder, content):
    (folder.path / "run.json").write_text(content)
    with pytest.raises(RunError, match=folder.id):
        folder.read()


def test_a_run_of_a_killed_app_has_ended_for_its_viewers(folder, tmp_path):
    folder.append(Started(num_chunks=3, num_frames=32, fps=8))
    worker = Worker(lambda preset: PaintingStream(), tmp_path, resumes=False)
    *_, end = worker.watch(folder.id)
    worker.close()
    assert end == Failed(message="The app was closed while this video was being made.")


def test_settings_are_plain_json(folder):
    values = json.loads((folder.path / "run.json").read_text())["settings"]
    assert RunSettings.from_json(values) == folder.read().settings
