"""The ablation: a video without CAM or APM, next to the video itself."""

import asyncio
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import pytest

from t2v.media.reader import read_frames
from t2v.ui.auth import Access
from t2v.ui.comparison_panels import ABLATE, ABLATIONS, describe_advice
from tests.support.fakes import is_yellow, made, painted_preset, read_numbers, settings
from tests.support.page import Page


BOTH, CAM, APM = ABLATIONS
TAB = gr.Request(session_hash="page", headers={"x-gradio-user": "app"})


class Seen(NamedTuple):
    """The outputs of /ablate."""

    video: str | None
    other_run: str
    start: dict


@pytest.fixture
def page(worker):
    return Page(worker, {"painted": painted_preset()}, Access(max_chunks=4))


async def ablated(page, *arguments):
    panel = page.stage.ablation
    async for updates in page.ablation.ablate(*arguments):
        yield Seen(*(updates[part] for part in (panel.video, panel.other_run, panel.start)))


@pytest.fixture
def ablate(page):
    def ablate(run_id, without):
        async def drain():
            return [seen async for seen in ablated(page, run_id, without)]

        return asyncio.run(drain())

    return ablate


@pytest.mark.parametrize(
    ("without", "use_cam", "apm_strength"),
    [(BOTH, False, 0.0), (CAM, False, 0.75), (APM, True, 0.0)],
)
def test_the_other_run_differs_only_in_its_memories(worker, ablate, without, use_cam, apm_strength):
    run_id = made(worker, prompt="0: a star / 2: a ring", seed=7, apm_strength=0.75, num_chunks=4)
    other_id = ablate(run_id, without)[-1].other_run
    one, other = (worker.record(id).settings.to_json() for id in (run_id, other_id))
    assert (other["config"]["use_cam"], other["config"]["apm_strength"]) == (use_cam, apm_strength)
    memories = {"use_cam": True, "apm_strength": 0.75}
    assert other | {"config": other["config"] | memories} == one


def test_progress_is_shown_and_then_both_videos_side_by_side(worker, ablate):
    run_id = made(worker, seed=3)
    *earlier, last = ablate(run_id, BOTH)
    assert {seen.other_run for seen in earlier} == {last.other_run}
    said = [seen.start["value"] for seen in earlier]
    assert said[0] == "Waiting…" and said[-1] == "Running: 32 of 32 frames"
    assert last.start["value"] == ABLATE and last.start["interactive"] is True
    frames = read_frames(Path(last.video))
    width = frames.shape[2] // 2
    assert frames.shape[1] > width  # captions are above the pictures
    captions, frames = frames[:, :-width], frames[:, -width:]
    assert captions.max() > 150  # there is text
    assert (captions[:, :, :width] != captions[:, :, width:]).any()
    assert read_numbers(frames[:, :, :width]) == read_numbers(frames[:, :, width:])


def test_of_a_refined_video_only_the_preview_is_made_again(worker, ablate):
    run_id = made(worker, refine=True)
    *_, last = ablate(run_id, CAM)
    record = worker.record(last.other_run)
    assert not record.settings.config.refine and record.settings.refiner is None
    assert record.state == "finished" and record.num_refined_frames == 0
    frames = read_frames(Path(last.video))
    assert not is_yellow(frames)


def test_a_short_video_is_compared_with_advice_to_take_a_longer_one(worker, ablate, monkeypatch):
    told = []
    monkeypatch.setattr(gr, "Info", lambda text, title: told.append(text))
    ablate(made(worker), CAM)
    assert told == [f"3 chunks may look alike. {describe_advice()}"]


def test_a_tab_that_opens_another_run_gets_no_more_of_the_comparison(worker, page):
    run_id, next_id = made(worker, seed=3), made(worker, seed=4)
    comparing = ablated(page, run_id, BOTH, TAB)

    async def turn():
        while not (await anext(comparing)).start["value"].startswith("Running"):
            pass
        async for _ in page.show(next_id, TAB):
            pass
        return [seen async for seen in comparing]

    (seen,) = asyncio.run(turn())
    assert seen.video is None
    assert seen.start["value"] == ABLATE and seen.start["interactive"] is True


def test_an_impossible_comparison_is_refused_before_anything_is_made(worker, ablate, tmp_path):
    plain = made(worker, use_cam=False, apm_strength=0.0)
    long = made(worker, num_chunks=5)
    stopped = worker.submit(settings())
    worker.commands.stop(stopped)
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
