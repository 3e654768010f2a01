"""The endpoint /generate, called by a program."""

from pathlib import Path

import pytest

from t2v.media.reader import read_frames
from t2v.media.video import read_metadata
from tests.support.fakes import PaintingStream, is_yellow, read_numbers


pytestmark = pytest.mark.browser

SETTINGS = {
    "prompt": "a red star",
    "preset": "painted",
    "num_chunks": 3,
    "apm_strength": 1,
    "seed": 5,
    "randomize_seed": False,
    "num_inference_steps": 3,
    "guidance_scale": 7.5,
    "scheduler": "ddim",
    "use_cam": True,
    "negative_prompt": "",
}


@pytest.fixture
def connect(serve, tmp_path):
    from gradio_client import Client

    def start(stream):
        url, worker = serve(stream)
        return Client(url, verbose=False, download_files=str(tmp_path / "client")), worker

    return start


def find(values, kind):
    """The values of an answer that look like a run's summary, or like its finished file."""
    for value in values:
        if kind == "summary" and isinstance(value, dict) and "settings" in value:
            return value
        if kind == "video":
            value = value.get("value", value) if isinstance(value, dict) else value
            value = value.get("video", value) if isinstance(value, dict) else value
            if isinstance(value, str) and value.endswith(".mp4"):
                return value
    raise AssertionError(f"no {kind} in {values}")


def test_a_program_gets_the_finished_file_and_its_summary(connect, tmp_path):
    client, worker = connect(PaintingStream(seconds_per_step=0.02))
    values = client.predict(**SETTINGS, api_name="/generate")
    path = Path(find(values, "video"))
    assert read_numbers(read_frames(path)) == list(range(32))
    assert read_metadata(path)["prompt"] == "a red star"
    summary = find(values, "summary")
    assert (summary["state"], summary["num_frames"]) == ("finished", 32)
    assert client.predict(summary["id"], api_name="/run") == summary
    assert str(worker.runs_dir) not in str(values)


def test_a_program_gets_the_refined_file_too(connect):
    client, _ = connect(PaintingStream())
    values = client.predict(**SETTINGS | {"refine": True}, api_name="/generate")
    summary = find(values, "summary")
    assert (summary["num_frames"], summary["num_refined_frames"]) == (32, 32)
    files = [find([value], "video") for value in values if ".mp4" in str(value)]
    assert {is_yellow(read_frames(Path(file))) for file in files} == {False, True}


def test_a_program_can_stop_its_run(connect):
    client, worker = connect(PaintingStream(seconds_per_step=0.05))
    job = client.submit(**SETTINGS | {"num_chunks": 500}, api_name="/generate")
    values = next(iter(job))
    run_id = find(values, "summary")["id"]
    client.predict(run_id, api_name="/stop")
    list(job)
    assert worker.record(run_id).state == "stopped"


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [({"num_chunks": 1e9}, "from 1 to 10000"), ({"prompt": " "}, "must not be empty")],
)
def test_an_error_gives_a_program_one_sentence(connect, wrong, sentence):
    from gradio_client.exceptions import AppError

    client, worker = connect(PaintingStream())
    with pytest.raises(AppError, match=sentence):
        client.predict(**SETTINGS | wrong, api_name="/generate")
    assert not list(worker.runs_dir.glob("*/run.json"))
