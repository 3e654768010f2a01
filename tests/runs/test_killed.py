"""Real processes that are killed while they make a video, and others that resume it."""

import json
import signal
import time
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest

from t2v.media.reader import read_frames
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_segments
from tests.support.fakes import is_yellow, read_numbers, settings
from tests.support.processes import finish, started, wait_until


@pytest.fixture
def start_app():
    """Starts apps, and kills them after the test."""
    with ExitStack() as apps:
        yield lambda runs_dir, seconds_per_step=0.0: apps.enter_context(
            started("crashing_app", runs_dir, seconds_per_step)
        )


def num_segments(folder, track="preview"):
    return len(list(iter_segments(folder, track)))


def log_of(folder):
    return [json.loads(line) for line in folder.log_path.read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("refine", [False, True])
def test_a_run_killed_three_times_has_every_frame_once(tmp_path, start_app, refine):
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
    measured = [event["index"] for event in log_of(folder) if event["type"] == "ChunkMeasured"]
    assert measured == list(range(9))
    if refine:
        refined = read_frames(folder.video_path("refined"))
        assert read_numbers(refined) == list(range(80)) and is_yellow(refined)


@pytest.mark.slow
def test_sigterm_ends_the_app_within_10_seconds_and_the_run_resumes_later(tmp_path, start_app):
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
def test_a_long_step_does_not_delay_the_end_of_the_app(tmp_path, start_app):
    folder = RunFolder.create(tmp_path, settings())
    app = start_app(tmp_path, 60)
    wait_until(lambda: folder.read().state == "running")
    app.send_signal(signal.SIGTERM)
    assert app.wait(10) == 0
    record = folder.read()
    assert (record.state, record.num_attempts) == ("interrupted", 0)
    finish(tmp_path)
    assert folder.read().state == "finished"


@pytest.mark.slow
@pytest.mark.parametrize("when", ["in the first chunk", "between chunks", "inside a chunk"])
def test_a_killed_run_of_the_real_model_has_the_same_frames_as_an_undisturbed_one(
    tmp_path, start_app, when
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
        np.testing.assert_array_equal(
            folder.frame_store(wanted.chunking).read(start),
            whole.frame_store(wanted.chunking).read(start),
        )
    video, expected = (read_frames(run.video_path()) for run in (folder, whole))
    np.testing.assert_array_equal(video, expected)
