"""What the page does, without a browser."""

import asyncio
import math
import re
import threading
from dataclasses import replace
from pathlib import Path

import gradio as gr
import jaxtyping
import pytest

from t2v.errors import ConfigError, PresetError
from t2v.jobs.updates import SegmentReady
from t2v.jobs.worker import Worker
from t2v.media.video import read_frames
from t2v.presets import Preset, list_presets
from t2v.ui.handlers import Handlers
from t2v.ui.launch import can_stream
from t2v.ui.page import build_page
from t2v.ui.view import View, with_empty_players
from t2v.ui.words import describe_preset, preset_choice, sentence
from tests.fakes import (
    PaintedPreset,
    PaintedRefiner,
    PaintingStream,
    is_yellow,
    opener,
    painted_preset,
    read_number,
    read_numbers,
    settings,
)


PRESETS = {
    "painted": painted_preset(),
    "absent": painted_preset(Preset, name="absent", refiner=None),
}
INPUTS = {
    "prompt": "a red star",
    "preset": "painted",
    "num_chunks": 3,
    "apm_strength": 1,
    "seed": 5,
    "randomize_seed": False,
    "num_inference_steps": 2,
    "guidance_scale": 7.5,
    "scheduler": "ddim",
    "use_cam": True,
    "negative_prompt": "",
    "refine": False,
    "blending": "causal",
}


class Unrefined(PaintedPreset):
    """A preset whose refiner is not installed."""

    refiner_unavailable = Preset.refiner_unavailable


@pytest.fixture
def unchecked_types():
    """Browsers send what they like: our own checks must find it, not those of the test run."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def start(tmp_path):
    workers = []

    def start(stream=None, refiner=None, **options) -> Handlers:
        workers.append(Worker(opener(stream or PaintingStream(), refiner), tmp_path / "runs"))
        return Handlers(workers[-1], PRESETS, **options)

    yield start
    for worker in workers:
        worker.close()


def collect(views):
    async def drain():
        return [view async for view in views]

    return asyncio.run(drain())


def request(**query) -> gr.Request:
    return gr.Request(query_params=query)


def is_skipped(value) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "update" and len(value) == 1


def path_of(update) -> Path:
    """The file that a component is given, whether as itself or as an update of it."""
    value = update if isinstance(update, str) else update.get("value")
    return Path(value["path"] if isinstance(value, dict) else value)


def shown_frames(views, player="live") -> list[int]:
    """Numbers of the frames that a live player gets, read before the files go away."""

    async def drain():
        numbers = []
        async for view in views:
            if not is_skipped(file := getattr(view, player)):
                numbers += read_numbers(read_frames(path_of(file)))
        return numbers

    return asyncio.run(drain())


def test_the_last_view_has_the_finished_file_and_a_summary(start):
    last = collect(start().generate(**INPUTS))[-1]
    assert read_numbers(read_frames(path_of(last.result))) == list(range(32))
    assert path_of(last.download) == path_of(last.result)
    assert (last.summary["state"], last.summary["num_frames"]) == ("finished", 32)
    assert last.summary["settings"]["config"]["prompt"] == "a red star"
    assert last.summary["id"] == last.run_id


def test_the_player_gets_every_frame_once_and_in_order(start):
    handlers = start(PaintingStream(seconds_per_step=0.1))
    assert shown_frames(handlers.generate(**INPUTS)) == list(range(32))


@pytest.mark.parametrize("player", ["live", "refined_live"])
def test_both_players_get_every_frame_once_and_in_order(start, player):
    handlers = start(PaintingStream(seconds_per_step=0.05), PaintedRefiner(0.05))
    views = handlers.generate(**INPUTS | {"refine": True, "num_chunks": 6})
    assert shown_frames(views, player) == list(range(56))


def test_the_last_view_has_both_files_and_says_that_it_was_refined(start):
    views = collect(start().generate(**INPUTS | {"refine": True, "blending": "independent"}))
    last = views[-1]
    assert not is_yellow(read_frames(path_of(last.result)))
    assert is_yellow(read_frames(path_of(last.refined_result)))
    assert path_of(last.refined_download) == path_of(last.refined_result)
    assert last.compare["visible"] is True
    assert last.summary["num_refined_frames"] == 32
    config = last.summary["settings"]["config"]
    assert (config["refine"], config["blending"]) == (True, "independent")


def test_the_status_says_how_far_both_videos_are(start):
    handlers = start(PaintingStream(seconds_per_step=0.05), PaintedRefiner(0.1))
    views = collect(handlers.generate(**INPUTS | {"refine": True, "num_chunks": 7}))
    told = [str(view.status) for view in views]
    assert any("begins when its first frames are there" in status for status in told)
    # Which of them are seen together depends on how busy the machine is.
    both = (r"</b> chunk (\d) · \1 of 4 done", r"</b> chunk (\d) · \1 of 7 done")
    assert any(all(re.search(one, status) for one in both) for status in told)
    assert any("· Streaming Refinement" in status for status in told)
    assert any("complete, 8.0 s" in status for status in told)
    assert "64 frames, and the same refined" in told[-1]


def test_without_programs_both_players_get_files_that_grow(start):
    handlers = start(PaintingStream(), PaintedRefiner(0.3), is_streaming=False)
    views = handlers.generate(**INPUTS | {"refine": True})

    async def lengths():
        files = [view.refined_live async for view in views]
        return [path_of(file).name for file in files if not is_skipped(file)]

    assert asyncio.run(lengths()) == [
        "until-refined-00000000.mp4",
        "until-refined-00000016.mp4",
    ]


def test_both_videos_are_shown_side_by_side_when_somebody_asks(start):
    handlers = start()
    last = collect(handlers.generate(**INPUTS | {"refine": True}))[-1]
    compared = read_frames(path_of(handlers.compare(last.run_id)))
    assert compared.shape == (32, 128, 256, 3)
    assert is_yellow(compared[:, :, 128:]) and not is_yellow(compared[:, :, :128])
    assert path_of(handlers.compare(last.run_id)).name == "a-red-star-seed-5-compared.mp4"


def test_a_run_without_a_refined_video_has_nothing_beside_it(start):
    handlers = start()
    last = collect(handlers.generate(**INPUTS))[-1]
    assert last.refined_result["visible"] is last.compare["visible"] is False
    assert "efined" not in last.status
    for run_id in (last.run_id, "0" * 24, ""):
        with pytest.raises(gr.Error):
            handlers.compare(run_id)


def test_the_switch_cannot_be_moved_where_the_preset_cannot_refine(start):
    *_, switch, _ = start().choose_preset("absent")
    assert (switch["interactive"], switch["value"]) == (False, False)
    assert switch["info"] == "The absent preset has no refiner."
    *_, switch, _ = start().choose_preset("painted")
    assert switch["interactive"] is True


def test_a_preset_that_cannot_refine_says_so_and_makes_no_run(start, monkeypatch):
    monkeypatch.setitem(PRESETS, "plain", painted_preset(Unrefined, name="plain"))
    handlers = start()
    with pytest.raises(gr.Error) as error:
        collect(handlers.generate(**INPUTS | {"preset": "plain", "refine": True}))
    assert "The weights of its refiner are not in nowhere/refiner" in error.value.message
    assert not handlers.worker.runs_dir.exists()


def test_whoever_attaches_later_sees_the_video_from_its_start(start):
    gate = threading.Event()
    stream = PaintingStream(seconds_per_step=0.02, gate=gate)
    handlers = start(stream)
    run_id = handlers.worker.submit(settings(num_chunks=6))
    gate.set()
    for update in handlers.worker.watch(run_id):
        if isinstance(update, SegmentReady) and update.index == 2:
            break
    gate.clear()
    views = handlers.attach(run_id, request())
    threading.Timer(0.5, gate.set).start()
    assert shown_frames(views) == list(range(56))


def test_another_prompt_is_in_the_timeline_before_its_chunk_is_made(start):
    gate = threading.Event()
    handlers = start(PaintingStream(gate=gate))
    run_id = handlers.worker.submit(settings(num_chunks=4))

    async def drawn() -> View:
        views = handlers.attach(run_id, request())
        while True:
            coming = asyncio.ensure_future(anext(views))
            if not (await asyncio.wait({coming}, timeout=1.0))[0]:
                break  # all is told: the first step waits for the gate
        handlers.worker.change_prompt(run_id, "a blue ring")
        view = await coming
        await views.aclose()
        return view

    view = asyncio.run(asyncio.wait_for(drawn(), timeout=20))
    gate.set()
    assert "a blue ring" in view.timeline and "a blue ring" in view.facts


def test_a_link_wins_over_the_memory_of_the_browser(start):
    handlers = start()
    first, second = (collect(handlers.generate(**INPUTS))[-1].run_id for _ in range(2))
    last = collect(handlers.attach(first, request(run=second)))[-1]
    assert last.run_id == second


def test_a_run_that_has_ended_is_shown_as_its_file(start):
    handlers = start()
    run_id = collect(handlers.generate(**INPUTS))[-1].run_id
    views = collect(handlers.attach(run_id, request()))
    assert all(is_skipped(view.live) for view in views)
    assert path_of(views[-1].result).name == "a-red-star-seed-5.mp4"


@pytest.mark.parametrize("last_run", ["", None, "0" * 24, "../../etc"])
def test_a_run_that_is_gone_is_forgotten(start, last_run):
    assert collect(start().attach(last_run, request()))[-1].result == gr.skip()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"prompt": ""}, "Prompt must not be empty"),
        ({"prompt": " \n\0 "}, "Prompt must not be empty"),
        ({"prompt": None}, "Prompt must be text"),
        ({"prompt": {"a": 1}}, "Prompt must be text"),
        ({"prompt": "x" * 5_000_000}, "at most 2000"),
        ({"negative_prompt": 3}, "Negative prompt must be text"),
        ({"num_chunks": 0}, "Chunks must be a whole number from 1 to 10000"),
        ({"num_chunks": 1e9}, "from 1 to 10000"),
        ({"num_chunks": 2.5}, "whole number"),
        ({"num_chunks": None}, "whole number"),
        ({"num_chunks": "24"}, "whole number"),
        ({"seed": -5}, "Seed must be"),
        ({"seed": 2**63}, "Seed must be"),
        ({"apm_strength": math.nan}, "APM strength must be a number from 0.0 to 2.0"),
        ({"guidance_scale": 0}, "Guidance scale must be"),
        ({"num_inference_steps": 10**6}, "Denoising steps must be"),
        ({"scheduler": "evil"}, "Scheduler must be one of"),
        ({"use_cam": "yes"}, "CAM must be"),
        ({"refine": "yes"}, "Refine must be true or false"),
        ({"refine": True, "blending": "joint"}, "Blending must be one of causal, shared_noise"),
        ({"blending": "evil"}, "Blending must be one of"),
        ({"preset": "evil"}, "Preset must be one of"),
        ({"preset": ["painted"]}, "Preset must be one of"),
        ({"preset": "absent"}, "Its weights are not in nowhere"),
    ],
)
def test_a_bad_setting_is_one_sentence_and_makes_no_run(start, unchecked_types, wrong, sentence):
    handlers = start()
    with pytest.raises(gr.Error) as error:
        collect(handlers.generate(**INPUTS | wrong))
    assert sentence in error.value.message
    assert not handlers.worker.runs_dir.exists()


def test_the_seed_that_was_drawn_is_shown(start):
    handlers = start()
    seeds = {collect(handlers.generate(**INPUTS | {"randomize_seed": True}))[0].seed for _ in "ab"}
    assert len(seeds) == 2
    assert collect(handlers.generate(**INPUTS))[0].seed == 5


def test_stop_ends_the_run_and_keeps_what_is_there(start):
    handlers = start(PaintingStream(seconds_per_step=0.03))

    async def watch_and_stop():
        views = handlers.generate(**INPUTS | {"num_chunks": 200})
        run_id = (await anext(views)).run_id
        async for view in views:
            if not is_skipped(view.live):
                handlers.stop(run_id)
        return view

    last = asyncio.run(watch_and_stop())
    assert last.summary["state"] == "stopped"
    frames = read_frames(path_of(last.result))
    assert read_numbers(frames) == list(range(last.summary["num_frames"]))
    assert "kept" in last.status


def test_a_page_turns_to_the_video_that_was_asked_for_last(start):
    gate = threading.Event()
    handlers = start(PaintingStream(gate=gate))
    page = gr.Request(session_hash="page", headers={"x-gradio-user": "app"})

    async def ask_first(is_shown):
        views = []
        async for view in handlers.generate(**INPUTS, request=page):
            views.append(view)
            is_shown.set()
        return views

    async def ask():
        is_shown = asyncio.Event()
        task = asyncio.create_task(ask_first(is_shown))
        await is_shown.wait()
        second = handlers.generate(**INPUTS | {"seed": 9}, request=page)
        view = await anext(second)
        first = await task
        gate.set()
        return first, view, [view async for view in second][-1]

    first, begun, last = asyncio.run(ask())
    assert all(is_skipped(value) for value in first[-1])
    assert begun.live["value"] is None and begun.run_id != first[0].run_id
    assert last.seed == 9 and last.summary["state"] == "finished"
    assert list(handlers.worker.watch(first[0].run_id))[-1].state == "finished"


def test_a_page_that_turns_again_empties_both_players_again():
    first = with_empty_players(View())
    first.live.pop("value")  # as Gradio does when it sends an update
    again = with_empty_players(View())
    assert first.refined_live["value"] is None
    assert again.live["value"] is None and again.refined_live["value"] is None


def test_leaving_the_page_does_not_stop_the_run(start):
    handlers = start(PaintingStream(seconds_per_step=0.02))

    async def leave():
        views = handlers.generate(**INPUTS)
        first = await anext(views)
        await views.aclose()
        return first.run_id

    run_id = asyncio.run(leave())
    assert list(handlers.worker.watch(run_id))[-1].state == "finished"


def test_two_visitors_see_their_own_frames_and_the_second_waits(start):
    handlers = start(PaintingStream(seconds_per_step=0.05))

    async def visit(seed):
        return [view async for view in handlers.generate(**INPUTS | {"seed": seed})]

    async def visit_both():
        return await asyncio.gather(visit(3), visit(9))

    for seed, views in zip((3, 9), asyncio.run(visit_both()), strict=True):
        frames = read_frames(path_of(views[-1].result))
        assert [read_number(frame) for frame in frames] == [(n, seed) for n in range(32)]
        assert views[-1].seed == seed
    assert any("You are next" in str(view.status) for view in views)
    waiting = [view for view in views if not is_skipped(view.timeline)]
    assert 'class="making' not in waiting[0].timeline  # it is not being made yet
    assert 'class="making' in waiting[1].timeline


def test_a_failure_is_told_and_the_page_can_go_on(start):
    handlers = start(PaintingStream(fails_at=1, error=RuntimeError("secret")))
    last = collect(handlers.generate(**INPUTS))[-1]
    assert "Something in Longtake broke" in last.status
    assert "secret" not in str(last)
    assert read_numbers(read_frames(path_of(last.result))) == list(range(16))


def test_what_people_type_is_never_html(start):
    handlers = start(PaintingStream(fails_at=0, error=ConfigError("<script>alert(1)</script>")))
    last = collect(handlers.generate(**INPUTS | {"prompt": "an elephant <img src=x>"}))[-1]
    assert "<script" not in last.status
    assert "this model does not know &#x27;elephant&#x27;" in last.status


def test_without_programs_the_player_gets_a_file_that_grows(start):
    handlers = start(PaintingStream(seconds_per_step=0.15), is_streaming=False)

    async def lengths():
        views = handlers.generate(**INPUTS)
        return [len(read_frames(path_of(v.live))) async for v in views if not is_skipped(v.live)]

    assert asyncio.run(lengths()) == [16, 24, 32]


def test_programs_are_looked_for_on_the_path(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert not can_stream()


def test_choosing_a_preset_brings_its_defaults(start):
    *defaults, examples, description, _, _ = start().choose_preset("absent")
    assert defaults == [6, 1, 4, 7.5, "ddim"]
    assert examples["samples"] == [["a red star over the sea"], ["two blue rings"]]
    assert "Its weights are not in nowhere" in description


def test_every_preset_says_what_it_needs_and_whether_it_is_here(tmp_path):
    paper = replace(list_presets()["modelscope"], weights=str(tmp_path / "nowhere"))
    text = describe_preset(paper)
    assert "Needs a GPU, a download of about 34 GB and 12 GB of disk" in text
    assert "CC BY-NC 4.0" in text
    assert "`python -m t2v download modelscope`" in text
    assert preset_choice(paper).endswith("(not installed)")
    (tmp_path / "here" / "unet").mkdir(parents=True)
    paper = replace(paper, weights=str(tmp_path / "here"))
    assert "**Installed.**" in describe_preset(paper)
    assert "download modelscope" not in describe_preset(paper)
    assert preset_choice(paper) == paper.title


def test_nothing_about_models_or_paths_can_be_set(start):
    """A preset's name is one of those there are; whatever else is set is a number or a prompt."""
    endpoints = build_page(start().worker, PRESETS, "painted").get_api_info()["named_endpoints"]
    names = {
        name: {parameter["parameter_name"] for parameter in endpoint["parameters"]}
        for name, endpoint in endpoints.items()
    }
    assert names == {
        "/generate": set(INPUTS) | {"write_metadata", "size", "reseed"},
        "/make": set(INPUTS) - {"randomize_seed"} | {"write_metadata", "size", "reseed"},
        "/side_by_side": {"run_id", "other"},
        "/ablate": {"run_id", "without"},
        "/runs": {"query", "only_favourites", "run_ids"},
        "/settings": {"file"},
        "/extend": {"run_id", "num_chunks"},
        "/change_prompt": {"run_id", "prompt", "blend"},
        "/redo": {"run_id", "chunk", "seed", "prompt"},
        "/set_favourite": {"run_id", "is_favourite"},
        **{key: {"run_id"} for key in ("/run", "/stop", "/pause", "/resume", "/delete")},
        **{key: {"run_id"} for key in ("/compare", "/gif", "/bundle", "/json")},
    }


@pytest.mark.parametrize("preset", ["../painted", "/etc/passwd", "PAIR/StreamingT2V", "absent"])
def test_a_preset_of_another_name_or_not_installed_makes_no_run(start, preset):
    handlers = start()
    with pytest.raises(gr.Error):
        collect(handlers.generate(**INPUTS | {"preset": preset}))
    assert not list(handlers.worker.runs_dir.glob("*"))


def test_a_link_for_a_new_video_shows_no_run(start):
    handlers = start()
    run_id = collect(handlers.generate(**INPUTS))[-1].run_id
    assert all(is_skipped(value) for value in handlers.restore(run_id, request(new="")))
    assert all(is_skipped(v) for v in collect(handlers.attach(run_id, request(new="")))[-1])


def test_settings_of_a_run_come_back_with_its_link(start):
    handlers = start()
    run_id = collect(
        handlers.generate(
            **INPUTS | {"negative_prompt": "rain", "size": "64x128", "reseed": "2: 5"}
        )
    )[-1].run_id
    restored = handlers.restore("", request(run=run_id))
    *values, refine, blending, size, reseed = restored
    assert values == ["a red star", "painted", 3, 1, 2, 7.5, "ddim", True, "rain"]
    assert (refine["value"], blending) == (False, "causal")
    assert (size["value"], reseed) == ("64x128", "2: 5")
    assert all(is_skipped(value) for value in handlers.restore("", request()))


@pytest.mark.parametrize(("chunks", "text"), [(1, "16 frames, 2.0 s"), (8, "72 frames, 9.0 s")])
def test_the_length_of_the_video_is_said(start, chunks, text):
    assert text in start().describe_length(chunks, "painted")


@pytest.mark.parametrize(("seconds", "num_chunks"), [(1, 1), (2, 1), (3, 2), (9, 8), (120, 119)])
def test_a_length_in_seconds_becomes_enough_chunks(start, seconds, num_chunks):
    assert start().chunks_for(seconds, "painted") == num_chunks


def test_the_page_is_built_without_loading_a_model(start):
    handlers = start()
    build_page(handlers.worker, PRESETS, "painted")
    build_page(handlers.worker, PRESETS, "painted", is_streaming=False, reason="No GPU was found.")


def test_an_empty_number_and_marks_of_code_are_put_into_words(start):
    assert start().describe_length(None, "painted").startswith("Say how many")
    assert sentence(PresetError("it needs `t2v download`")) == "It needs t2v download"
