"""Run folders with one file damaged: the app starts, lists, shows and makes other runs."""

import json
import shutil
from datetime import datetime

import pytest

from t2v.errors import RunError
from t2v.media.reader import read_frames
from t2v.runs.folder import RunFolder
from t2v.runs.record import ENDED
from t2v.runs.worker import Worker
from tests.support.fakes import PaintingStream, opener, read_numbers, settings


def remove(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def cut(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def fill(path):
    path.write_bytes(bytes(path.stat().st_size // 2) + b"\xff\xfe\x80" * 50)


def replace(path):
    """Valid, but something else."""
    path.write_text('{"type": ["what"], "id": 5, "settings": [], "frames": null}\n')


DAMAGES = [remove, empty, cut, fill, replace]
KINDS = {
    "finished": {"num_chunks": 3},
    "interrupted": {"num_chunks": 4},
    "refined": {"num_chunks": 5, "refine": True},
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A folder of one run for each kind."""
    runs = {}
    for kind, config in KINDS.items():
        runs_dir = tmp_path_factory.mktemp(kind)
        worker = Worker(opener(PaintingStream()), runs_dir)
        run_id = worker.submit(settings(**config))
        for event in worker.watch(run_id):
            if kind == "interrupted" and getattr(event, "index", 0) == 2:
                break
        worker.close()
        runs[kind] = RunFolder(runs_dir / run_id)
    folder = runs["interrupted"]
    lines = [
        line
        for line in folder.log_path.read_text().splitlines(keepends=True)
        if "Finished" not in line and '"index": 3' not in line
    ]
    folder.log_path.write_text("".join(lines))
    folder.update(state="running")
    return runs


def files_of(folder):
    return sorted(
        str(path.relative_to(folder.path)) for path in folder.path.rglob("*") if path.is_file()
    )


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_no_damaged_file_stops_the_app_the_history_or_another_run(
    tmp_path, originals, kind, damage
):
    """A worker starts on copies of a run, each with another file damaged."""
    original = originals[kind]
    damaged = {}
    for number, name in enumerate(files_of(original)):
        run_id = f"{number:024x}"
        shutil.copytree(original.path, tmp_path / run_id)
        damage(tmp_path / run_id / name)
        damaged[run_id] = name
    worker = Worker(opener(PaintingStream()), tmp_path, quota_bytes=10**9)
    try:
        new = worker.submit(settings(seed=3))
        assert list(worker.watch(new))[-1].state == "finished"
        wanted = list(range(settings(**KINDS[kind]).num_frames))
        for run_id, name in damaged.items():
            *_, end = worker.watch(run_id)
            record = worker.record(run_id)
            assert record.state in ENDED, name
            if name != "run.json":
                assert record.id == run_id
            if end.path is not None and name != "video.mp4":
                assert read_numbers(read_frames(end.path))[: len(wanted)] == wanted, name
            if kind == "interrupted" and name not in ("run.json", "video.mp4"):
                assert end.state == "finished", name
        listed = {record.id: record for record in worker.library.find(limit=1000)}
        assert set(listed) == {*damaged, new}
        (broken,) = [run_id for run_id, name in damaged.items() if name == "run.json"]
        assert listed[broken].state == "failed"
        assert "This video is damaged: run.json" in listed[broken].message
    finally:
        worker.close()


def change_record(change):
    def damage(folder):
        values = json.loads((folder.path / "run.json").read_text())
        change(values)
        (folder.path / "run.json").write_text(json.dumps(values))

    return damage


def write_record(text):
    return lambda folder: (folder.path / "run.json").write_bytes(text)


RECORDS = {
    "null": write_record(b"null"),
    "not UTF-8": write_record(b'{"id": "\xff"}'),
    "deep": write_record(b"[" * 100_000),
    "settings a list": change_record(lambda values: values.update(settings=[])),
    "a refused setting": change_record(
        lambda values: values["settings"]["config"].update(num_chunks=-1)
    ),
    "an unknown key": change_record(lambda values: values.update(newer=1)),
    "an unknown setting": change_record(
        lambda values: values["settings"]["config"].update(newer=1)
    ),
    "created a number": change_record(lambda values: values.update(created=5)),
    "created null": change_record(lambda values: values.update(created=None)),
    "created markup": change_record(lambda values: values.update(created='"><img src=x>')),
    "an unknown state": change_record(lambda values: values.update(state="<b>")),
    "no fps": change_record(lambda values: values["settings"].update(fps=0)),
    "huge": change_record(lambda values: values.update(num_frames=10**400)),
    "infinite": change_record(lambda values: values.update(seconds=float("inf"))),
    "text for a number": change_record(lambda values: values.update(num_tries="3")),
    "chunking": change_record(
        lambda values: values["settings"]["chunking"].update(chunk_frames="16")
    ),
}


def test_no_value_of_a_record_stops_the_app_or_reaches_another_run(tmp_path, originals):
    damaged = {}
    for number, (name, damage) in enumerate(RECORDS.items()):
        for kind in ("finished", "interrupted"):
            folder = RunFolder(tmp_path / f"{2 * number + (kind == 'finished'):024x}")
            shutil.copytree(originals[kind].path, folder.path)
            damage(folder)
            damaged[folder.id] = (name, kind)
    worker = Worker(opener(PaintingStream()), tmp_path, quota_bytes=10**9)
    try:
        assert list(worker.watch(worker.submit(settings())))[-1].state == "finished"
        listed = {record.id: record for record in worker.library.find(limit=1000)}
        for run_id, (name, kind) in damaged.items():
            record = worker.record(run_id)
            assert record == listed[run_id]
            assert (record.id, record.state) == (run_id, "failed"), name
            assert record.message.startswith("This video is damaged: run.json"), name
            datetime.fromisoformat(record.created)
            *_, end = worker.watch(run_id)
            if kind == "finished":
                assert read_numbers(read_frames(end.path)) == list(range(32)), name
            with pytest.raises(RunError, match="cannot be read"):
                worker.commands.resume(run_id)
            worker.library.delete(run_id)
    finally:
        worker.close()


LINES = {
    "NULs": bytes(40),
    "not UTF-8": b'{"type": "Notice", "text": "\xff"}',
    "null": b"null",
    "an unknown event": b'{"type": "Newer"}',
    "an unknown key": b'{"type": "Notice", "text": "a", "newer": 1}',
    "a path elsewhere": b'{"type": "Finished", "state": "finished", "path": "../../x", '
    b'"num_frames": 1, "seconds": 1}',
    "text for a number": b'{"type": "Started", "num_chunks": "3", "num_frames": 3, "fps": 8}',
    "deep": b"[" * 100_000,
}


def test_a_run_resumes_before_a_damaged_line_of_its_log(tmp_path, originals):
    original = originals["interrupted"]
    lines = original.log_path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(LINES.values()):
        folder = RunFolder(tmp_path / f"{number:024x}")
        shutil.copytree(original.path, folder.path)
        folder.log_path.write_bytes(b"".join([*lines[:2], line + b"\n", *lines[2:]]))
        (folder.path / "memory" / "foo-bar.npz").write_bytes(b"foreign")
    (tmp_path / f"{99:024x}").mkdir()
    copy = RunFolder(tmp_path / f"{98:024x}")
    shutil.copytree(original.path, copy.path)
    change_record(lambda values: values.update(id="../../x"))(copy)
    worker = Worker(opener(PaintingStream()), tmp_path)
    try:
        for number, name in enumerate([*LINES, "another id"]):
            run_id = copy.id if name == "another id" else f"{number:024x}"
            *_, end = worker.watch(run_id)
            assert (end.state, worker.record(run_id).id) == ("finished", run_id), name
            assert read_numbers(read_frames(end.path)) == list(range(40)), name
        assert worker.record(f"{99:024x}").state == "failed"  # an empty folder
    finally:
        worker.close()
