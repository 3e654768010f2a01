"""What a video is without its memories, beside itself."""

import asyncio
from pathlib import Path

import gradio as gr
import pytest

from t2v.media.video import read_frames
from t2v.ui.ablation import START, WITHOUT, Ablation
from t2v.ui.files import Files
from t2v.ui.handlers import Handlers
from tests.fakes import made, painted_preset, read_numbers, settings


BOTH, CAM, APM = WITHOUT


PAGE = gr.Request(session_hash="page", headers={"x-gradio-user": "app"})


@pytest.fixture
def handlers(worker):
    return Handlers(worker, {"painted": painted_preset()}, max_chunks=4)


@pytest.fixture
def ablate(handlers):
    ablation = Ablation(handlers, Files(handlers))

    def ablate(run_id, without):
        async def drain():
            return [told async for told in ablation.ablate(run_id, without)]

        return asyncio.run(drain())

    return ablate


@pytest.mark.parametrize(
    ("without", "use_cam", "apm_strength"),
    [(BOTH, False, 0.0), (CAM, False, 0.75), (APM, True, 0.0)],
)
def test_the_other_video_differs_in_its_memories_alone(
    worker, ablate, without, use_cam, apm_strength
):
    run_id = made(worker, prompt="0: a star / 2: a ring", seed=7, apm_strength=0.75, num_chunks=4)
    other_id = ablate(run_id, without)[-1].other_run
    one, other = (worker.record(id).settings.to_json() for id in (run_id, other_id))
    assert (other["config"]["use_cam"], other["config"]["apm_strength"]) == (use_cam, apm_strength)
    memories = {"use_cam": True, "apm_strength": 0.75}
    assert other | {"config": other["config"] | memories} == one


def test_both_stand_side_by_side_in_the_end_and_progress_is_told(worker, ablate):
    run_id = made(worker, seed=3)
    *on_the_way, last = ablate(run_id, BOTH)
    assert {told.other_run for told in on_the_way} == {last.other_run}
    said = [told.start["value"] for told in on_the_way]
    assert said[0] == "Waiting…" and said[-1] == "Making it: 32 of 32 frames"
    assert last.start["value"] == START and last.start["interactive"] is True
    frames = read_frames(Path(last.video))
    width = frames.shape[2] // 2
    assert read_numbers(frames[:, :, :width]) == read_numbers(frames[:, :, width:])


def test_a_page_that_turns_to_another_video_is_told_no_more_of_the_one_before(worker, handlers):
    run_id, next_id = made(worker, seed=3), made(worker, seed=4)
    comparing = Ablation(handlers, Files(handlers)).ablate(run_id, BOTH, PAGE)

    async def turn():
        while not (await anext(comparing)).start["value"].startswith("Making it"):
            pass
        async for _ in handlers.show(next_id, PAGE):
            pass
        return [told async for told in comparing]

    (told,) = asyncio.run(turn())
    assert told.video is None
    assert told.start["value"] == START and told.start["interactive"] is True


def test_what_cannot_be_compared_is_told_before_anything_is_made(worker, ablate, tmp_path):
    plain = made(worker, use_cam=False, apm_strength=0.0)
    long = made(worker, num_chunks=5)
    stopped = worker.submit(settings())
    worker.stop(stopped)
    for run_id, without, words in (
        (plain, BOTH, "was made without both memories"),
        (plain, "luck", "not 'luck'"),
        (long, CAM, "from 1 to 4 on this server"),
        ("0" * 24, CAM, "There is no run"),
        ("../..", CAM, "There is no run"),
        (stopped, CAM, "Only a finished video"),
    ):
        with pytest.raises(gr.Error) as error:
            ablate(run_id, without)
        assert words in error.value.message
    assert len(list((tmp_path / "runs").glob("?" * 24))) == 3
