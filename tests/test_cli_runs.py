"""`longtake runs`: the runs of the page, from the terminal."""

import json
import threading
import zipfile

import pytest

from t2v import cli
from t2v.media.reader import read_frames
from t2v.runs.events import SegmentReady
from t2v.runs.folder import iter_folders
from t2v.runs.worker import Worker
from tests.support.fakes import (
    PaintingStream,
    StepGate,
    is_yellow,
    made,
    opener,
    painted_preset,
    read_numbers,
)


@pytest.fixture
def stream():
    return PaintingStream()


@pytest.fixture
def runs_dir(tmp_path, monkeypatch, stream):
    """A folder with one finished run of three chunks; commands are in an empty folder."""
    monkeypatch.setattr("t2v.cli.run_commands.open_stream", opener(stream))
    monkeypatch.setattr("t2v.cli.run_commands.find_preset", lambda _: painted_preset())
    worker = Worker(opener(PaintingStream()), tmp_path / "runs")
    made(worker)
    worker.close()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "runs"


@pytest.fixture
def run(runs_dir):
    """The folder of that run."""
    [folder] = iter_folders(runs_dir)
    return folder


@pytest.fixture
def runs(runs_dir):
    return lambda *words: cli.main(["runs", *words, "--runs-dir", str(runs_dir)])


def numbers(run):
    return read_numbers(read_frames(run.video_path()))


def test_the_list_says_id_state_length_and_prompt(runs, run, capsys):
    assert runs("list") == 0
    line = capsys.readouterr().out
    assert line.split()[:4] == [run.id, "finished", "4.0", "s"]
    assert line.endswith("  a red star\n")
    assert runs("list", "red") == 0
    assert capsys.readouterr().out == line
    assert runs("list", "blue") == 0
    assert capsys.readouterr().out.startswith("no runs in ")


def test_without_an_action_the_runs_are_listed(runs_dir, run, capsys):
    assert cli.main(["runs", "--runs-dir", str(runs_dir)]) == 0
    assert capsys.readouterr().out.startswith(run.id)
    assert cli.main(["runs", "--runs-dir", str(runs_dir), "list"]) == 0
    assert capsys.readouterr().out.startswith(run.id)


def test_a_run_is_shown_by_the_start_of_its_id(runs, run, capsys):
    assert runs("show", run.id[:8]) == 0
    output = capsys.readouterr().out
    values, end = json.JSONDecoder().raw_decode(output)
    assert (values["seed"], len(values["chunks"])) == (5, 3)
    assert "finished, 32 frames" in output[end:]


def test_a_bundle_is_a_new_file_with_a_speaking_name(runs, run, tmp_path, capsys):
    for name in ("a-red-star-seed-5.zip", "a-red-star-seed-5-2.zip"):
        assert runs("bundle", run.id) == 0
        assert capsys.readouterr().out == f"{name}\n"
        with zipfile.ZipFile(name) as bundle:
            assert "video.mp4" in bundle.namelist()


def test_a_finished_run_is_extended_and_keeps_its_frames(runs, run, stream, capsys):
    assert runs("extend", run.id, "--chunks", "2") == 0
    assert numbers(run) == list(range(48))
    assert stream.num_steps_done == 2 * 2
    assert capsys.readouterr().out == f"{run.video_path()}: 48 frames, 6.0 s\n"


def test_a_chunk_and_all_after_it_are_made_again(runs, run, stream):
    assert runs("redo", run.id, "--chunk", "1", "--seed", "6") == 0
    assert numbers(run) == list(range(32))
    assert stream.num_steps_done == 2 * 2
    assert run.read().settings.config.seed_of(1) == 6


def test_a_finished_run_is_refined(runs, run, stream, capsys):
    assert runs("refine", run.id) == 0
    assert stream.num_steps_done == 0
    refined = read_frames(run.video_path("refined"))
    assert is_yellow(refined) and read_numbers(refined) == list(range(32))
    assert f"{run.video_path('refined')}: 32 frames, 4.0 s\n" in capsys.readouterr().out
    assert runs("refine", run.id) == 2
    assert "this video is refined already" in capsys.readouterr().err


def test_a_run_that_was_cut_off_is_resumed(runs, run, stream):
    run.update(state="interrupted")
    run.update(settings=type(run.read().settings).from_json(longer(run)))
    assert runs("resume", run.id) == 0
    assert numbers(run) == list(range(40))
    assert stream.num_steps_done == 2
    assert run.read().state == "finished"


def longer(run):
    values = run.read().settings.to_json()
    return values | {"config": values["config"] | {"num_chunks": 4}}


def test_a_run_that_fails_says_why(runs, run, stream, capsys):
    stream.fails_at, stream.error = 3, RuntimeError("broken")
    assert runs("extend", run.id, "--chunks", "1") == 2
    assert "Something in Longtake broke (RuntimeError)" in capsys.readouterr().err


def test_ctrl_c_pauses_a_run_and_keeps_its_chunks(runs, run, monkeypatch, capsys):
    watch, calls = Worker.watch, []

    def interrupted(worker, run_id):
        calls.append(run_id)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return watch(worker, run_id)

    monkeypatch.setattr(Worker, "watch", interrupted)
    assert runs("extend", run.id, "--chunks", "5000") == 130
    assert run.read().state == "paused"
    assert len(read_frames(run.video_path())) >= 32


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["extend", "ID", "--chunks", "0"], "--chunks must be a whole number from 1"),
        (["resume", "ID"], "this video is complete"),
        (
            ["redo", "ID", "--chunk", "7", "--seed", "1"],
            "--chunk must be a whole number from 0",
        ),
        (["redo", "ID", "--chunk", "1"], "give another seed or another prompt"),
        (["show", "nope"], "there is no run 'nope'"),
        (["delete", ""], "there is no run ''"),
        (["bundle", "ID", "--out", "a.tar"], "--out must end in .zip"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(
    runs, run, capsys, words, complaint
):
    before = run.read()
    assert runs(*(run.id if word == "ID" else word for word in words)) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err.count("\n") == 1
    assert complaint in output.err
    assert run.read() == before


def test_a_deleted_run_is_gone(runs, run):
    assert runs("delete", run.id) == 0
    assert not run.path.exists()


@pytest.fixture
def app(runs_dir):
    """Another worker on the same folder, whose steps wait for a gate."""
    gate = StepGate()
    app = Worker(opener(PaintingStream(gate=gate)), runs_dir, name="an app")
    app.gate = gate
    yield app
    gate.open()
    app.close()


def test_an_app_that_is_running_makes_what_the_command_line_asks_for(runs, run, app, stream):
    app.gate.open()
    assert runs("extend", run.id, "--chunks", "2") == 0
    assert numbers(run) == list(range(48))
    assert stream.num_steps_done == 0  # not in this process


def test_a_run_that_an_app_makes_is_stopped_and_cannot_be_deleted(runs, run, app, capsys):
    app.commands.extend(run.id, 50)
    app.gate.release(3)
    for event in app.watch(run.id):
        if isinstance(event, SegmentReady) and event.index == 3:
            break
    assert runs("delete", run.id) == 2
    assert "this run has not ended; stop it first" in capsys.readouterr().err
    threading.Timer(0.5, app.gate.open).start()
    assert runs("stop", run.id) == 0
    assert run.read().state == "stopped"
    assert numbers(run) == list(range(run.read().num_frames))
    assert run.read().num_frames < 60 * 8
    assert runs("delete", run.id) == 0
    assert not run.path.exists()
