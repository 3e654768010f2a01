"""Apps that are killed while they make a video, really: a process, a signal, another process."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from t2v.jobs.run_folder import RunFolder
from t2v.media.video import read_frames
from tests.fakes import is_yellow, read_numbers, settings


ROOT = Path(__file__).parents[2]
PATIENCE = 240  # seconds, on a machine that does much else


@pytest.fixture
def start_app():
    """Starts apps, none of which outlives its test."""
    apps = []
    # One thread: on a busy machine several wait for each other most of the time.
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}

    def start(runs_dir, seconds_per_step=0.0):
        command = [sys.executable, "-m", "tests.jobs.killed", str(runs_dir), str(seconds_per_step)]
        apps.append(subprocess.Popen(command, cwd=ROOT, env=environment))
        return apps[-1]

    yield start
    for app in apps:
        app.kill()
        app.wait()


@pytest.fixture
def finish(start_app):
    """Lets an app make all that is left to be made."""

    def finish(runs_dir):
        assert start_app(runs_dir).wait(PATIENCE) == 0

    return finish


def wait_until(condition):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.01)


def num_segments(folder, is_refined=False):
    return len(list(folder.segments(is_refined)))


def log_of(folder):
    return [json.loads(line) for line in folder.log_path.read_text().splitlines()]


@pytest.mark.parametrize("refine", [False, True])
def test_killed_again_and_again_every_frame_is_there_once(tmp_path, start_app, finish, refine):
    wanted = settings(num_chunks=9, num_inference_steps=3, refine=refine)
    folder = RunFolder.create(tmp_path, wanted)
    for num_chunks in (1, 4, 6):
        app = start_app(tmp_path, 0.05)
        wait_until(lambda n=num_chunks: num_segments(folder) >= n)
        app.kill()
        app.wait()
        assert folder.read().state == "running"
    finish(tmp_path)
    assert folder.read().state == "finished"
    assert read_numbers(read_frames(folder.video_path())) == list(range(80))
    assert "interrupted after" in str(log_of(folder))
    if refine:
        refined = read_frames(folder.video_path(is_refined=True))
        assert read_numbers(refined) == list(range(80)) and is_yellow(refined)


def test_a_polite_end_comes_within_10_seconds_and_the_run_goes_on_later(
    tmp_path, start_app, finish
):
    folder = RunFolder.create(tmp_path, settings(num_chunks=60))
    waiting = RunFolder.create(tmp_path, settings(seed=9))
    app = start_app(tmp_path, 0.05)
    wait_until(lambda: num_segments(folder) >= 2)
    app.send_signal(signal.SIGTERM)
    assert app.wait(10) == 0
    assert {folder.read().state, waiting.read().state} == {"interrupted"}
    finish(tmp_path)
    assert read_numbers(read_frames(folder.video_path())) == list(range(60 * 8 + 8))
    assert waiting.read().state == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("when", ["in the first chunk", "between chunks", "inside a chunk"])
def test_the_frames_of_the_real_model_are_those_of_a_run_that_was_not_killed(
    tmp_path, start_app, finish, when
):
    config = settings(num_chunks=4, num_inference_steps=3, scheduler="unipc", seed=7).config
    config = replace(config, prompt="0: a red star moving left / 2-3: a blue ring")
    wanted = replace(settings(), config=config, preset="shapes", display_size=(64, 64))
    whole = RunFolder.create(tmp_path / "whole", wanted)
    finish(tmp_path / "whole")

    folder = RunFolder.create(tmp_path / "killed", wanted)
    app = start_app(tmp_path / "killed")
    if when == "in the first chunk":
        wait_until(lambda: folder.read().state == "running")
    else:
        wait_until(lambda: num_segments(folder) == 2)
        time.sleep(0 if when == "between chunks" else 0.3)
    app.kill()
    app.wait()
    finish(tmp_path / "killed")
    for start in (0, 16, 24, 32):
        np.testing.assert_array_equal(folder.memory.read(start), whole.memory.read(start))
    video, expected = (read_frames(run.video_path()) for run in (folder, whole))
    np.testing.assert_array_equal(video, expected)
