"""What the commands print: text of others, and progress where there is no terminal."""

import json
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from t2v import cli
from t2v.cli.follow import show_progress
from t2v.cli.progress import with_progress
from t2v.cli.terminal import say
from t2v.events import Chunk, Notice, StepDone
from t2v.runs.events import Loading, Progress, Rewound, SegmentReady, Started
from t2v.runs.folder import iter_folders
from t2v.runs.worker import Worker
from t2v.settings.config import GenerationConfig
from t2v.ui.labels import clean
from tests.support.fakes import PaintingStream, made, opener


HOSTILE = "a star \x1b]0;owned\x07\x1b[2J\u202egnp.exe\u200b\x9b31m"
SEEN = "a star ]0;owned[2Jgnp.exe31m"
STEERING = ("\x1b", "\x07", "\u202e", "\u200b", "\x9b")


def steers(text):
    return [character for character in STEERING if character in text]


def test_lines_are_printed_without_what_steers_the_terminal(capsys):
    say(f"{HOSTILE}\nnext")
    say(HOSTILE, error=True)
    assert capsys.readouterr() == (f"{SEEN}\nnext\n", f"{SEEN}\n")


def test_settings_of_every_surface_hold_text_as_it_reads():
    config = GenerationConfig(prompt=HOSTILE, negative_prompt=HOSTILE)
    assert (config.prompt, config.negative_prompt) == (SEEN, SEEN)
    assert clean(HOSTILE) == SEEN


@pytest.mark.parametrize("break_", ["\n", "\r\n", " \n\n  "])
def test_entries_on_lines_of_their_own_stay_entries(break_):
    text = f"0: a red star{break_}6-9: a blue ring,\nslowly"
    for prompt in (text, clean(text)):
        config = GenerationConfig(prompt=prompt)
        assert [str(entry) for entry in config.prompts] == [
            "0: a red star",
            "6-9: a blue ring, slowly",
        ]


@pytest.fixture
def foreign_run(tmp_path):
    """A run folder of somebody else, whose texts were written by hand."""
    worker = Worker(opener(PaintingStream()), tmp_path / "runs")
    made(worker)
    worker.close()
    [folder] = iter_folders(tmp_path / "runs")
    record = folder.path / "run.json"
    values = json.loads(record.read_text())
    values["settings"]["config"]["prompt"] = HOSTILE
    values["message"] = HOSTILE
    record.write_text(json.dumps(values))
    return folder


@pytest.mark.parametrize("words", [["list"], ["show", "ID"]])
def test_a_run_of_somebody_else_cannot_steer_the_terminal(foreign_run, words, capsys):
    words = [foreign_run.id if word == "ID" else word for word in words]
    assert cli.main(["runs", *words, "--runs-dir", str(foreign_run.path.parent)]) == 0
    output = capsys.readouterr().out
    assert SEEN in output
    assert not steers(output)


def test_nor_can_the_name_of_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name = "a\x1b[2J\u202e.mp4"
    Path(name).write_bytes(b"no video")
    assert cli.main(["gif", name]) == 2
    error = capsys.readouterr().err
    assert "a[2J.mp4 cannot be read" in error
    assert not steers(error)


def step(stage, chunk, number, num_steps):
    return StepDone(stage=stage, chunk_index=chunk, step=number, num_steps=num_steps)


def drawn(stage, chunk):
    return Chunk(
        stage=stage, index=chunk, start_frame=8 * chunk, frames=np.zeros((8, 2, 3, 3), np.uint8)
    )


def making(num_chunks, num_steps, stage="streaming_t2v"):
    for chunk in range(num_chunks):
        yield from (step(stage, chunk, number + 1, num_steps) for number in range(num_steps))
        yield drawn(stage, chunk)


def test_without_a_terminal_there_is_one_line_a_chunk(capsys):
    seconds = count(0, 7)  # the start, and each chunk
    chunks = list(with_progress(making(3, 5), {"preview": (3, 5)}, lambda: next(seconds)))
    assert len(chunks) == 3
    assert capsys.readouterr().err.splitlines() == [
        "chunk 0 done, 1 of 3, about 14 s left",
        "chunk 1 done, 2 of 3, about 7 s left",
        "chunk 2 done, 3 of 3",
    ]


def test_the_lines_tell_both_videos_apart_and_whether_the_length_is_known(capsys):
    events = [Notice("slow\x1b[5m"), *making(1, 2), drawn("refinement", 0)]
    list(with_progress(events, {"preview": (None, 2), "refined": (None, 4)}))
    assert capsys.readouterr().err.splitlines() == [
        "slow[5m",
        "chunk 0 done",
        "refined chunk 0 done",
    ]


def progress(chunk, eta, stage="streaming_t2v"):
    return Progress(
        **{"stage": stage, "chunk_index": chunk, "num_chunks": 4, "step": 1, "num_steps": 2},
        **{"elapsed": 1.0, "next_chunk_in": 1.0, "eta": eta},
    )


def segment(chunk, stage="streaming_t2v"):
    return SegmentReady(
        stage=stage, index=chunk, path=Path("a.mp4"), start_frame=8 * chunk, num_frames=8
    )


def test_of_a_run_that_goes_on_only_the_new_chunks_are_told(capsys):
    before = [Started(num_chunks=3, num_frames=24, fps=8), *map(segment, range(3))]
    rewound = Rewound(revision=1, num_frames=16, num_refined_frames=0)
    work = [progress(2, 31.0), segment(2), progress(3, 9.0), segment(3)]
    refined = [progress(0, 5.0, "refinement"), segment(0, "refinement")]
    show_progress(
        [*before, Loading(preset="shapes"), rewound, segment(0), segment(1), *work, *refined]
    )
    assert capsys.readouterr().err.splitlines() == [
        "chunk 2 done, 3 of 4, about 31 s left",
        "chunk 3 done, 4 of 4, about 9 s left",
        "refined chunk 0 done, 1 of 4, about 5 s left",
    ]
