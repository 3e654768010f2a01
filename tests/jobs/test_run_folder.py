"""Run folders: what is on disk can always be read, whatever interrupted the writing."""

import json
from dataclasses import replace

import pytest

from t2v.errors import JobError
from t2v.events import Notice
from t2v.jobs.run_folder import EventLog, RunFolder, RunSettings
from t2v.jobs.updates import Failed, Finished, SegmentReady, Started
from t2v.jobs.worker import Worker
from tests.fakes import PaintingStream, settings


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path, settings(prompt="a star \u202e\0 🦄"))


def test_settings_survive_the_disk(folder):
    assert folder.read().settings == settings(prompt="a star \u202e\0 🦄")


def test_ids_cannot_be_guessed(tmp_path):
    ids = {RunFolder.create(tmp_path, settings()).id for _ in range(20)}
    assert len(ids) == 20
    assert {len(run_id) for run_id in ids} == {24}


def test_a_record_is_replaced_as_a_whole(folder):
    folder.write(replace(folder.read(), state="finished", num_frames=16))
    assert (folder.read().state, folder.read().num_frames) == ("finished", 16)
    assert sorted(path.name for path in folder.path.iterdir()) == ["run.json", "segments"]


def test_facts_come_back_from_the_log(folder):
    facts = [
        Started(3, 32, 8),
        Notice("one word is unknown"),
        SegmentReady("initialization", 0, folder.segment_path(0), 0, 16),
        Finished("stopped", folder.video_path(), 16, 1.5),
        Failed("broken", None, 0),
    ]
    for fact in facts:
        folder.append(fact)
    assert EventLog(folder).read() == facts


def test_a_line_that_is_still_being_written_is_left_for_later(folder):
    folder.append(Notice("first"))
    log = EventLog(folder)
    with folder.log_path.open("a") as file:
        file.write('{"type": "Notice", ')
        file.flush()
        assert log.read() == [Notice("first")]
        file.write('"text": "second"}\n')
    assert log.read() == [Notice("second")]


def test_a_long_log_is_read_in_pieces(folder):
    for number in range(EventLog.BATCH + 3):
        folder.append(Notice(str(number)))
    log = EventLog(folder)
    assert [len(log.read()) for _ in range(3)] == [EventLog.BATCH, 3, 0]


def test_a_folder_that_moved_still_finds_its_files(folder, tmp_path):
    folder.append(SegmentReady("initialization", 0, folder.segment_path(0), 0, 16))
    (tmp_path / "elsewhere").mkdir()
    moved = RunFolder(folder.path.rename(tmp_path / "elsewhere" / folder.id))
    assert list(moved.segments()) == [moved.segments_dir / "00000000.mp4"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"settings": {}}'])
def test_a_damaged_record_is_a_job_error(folder, content):
    (folder.path / "run.json").write_text(content)
    with pytest.raises(JobError, match=folder.id):
        folder.read()


def test_a_run_of_an_app_that_was_killed_is_told_as_ended(folder, tmp_path):
    folder.append(Started(3, 32, 8))
    worker = Worker(lambda preset: PaintingStream(), tmp_path, resumes=False)
    *_, end = worker.watch(folder.id)
    worker.close()
    assert end == Failed("The app was closed while this video was being made.")


def test_settings_are_plain_json(folder):
    values = json.loads((folder.path / "run.json").read_text())["settings"]
    assert RunSettings.from_json(values) == folder.read().settings
