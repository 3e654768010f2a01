"""What the page does, without a browser: generate, watch, stop, presets and settings."""

import asyncio
import re
import threading
from dataclasses import replace
from pathlib import Path

import gradio as gr
import jaxtyping
import pytest

from t2v.errors import ConfigError, PresetError
from t2v.media.reader import read_frames
from t2v.runs.events import SegmentReady
from t2v.runs.folder import iter_folders
from t2v.runs.worker import Worker
from t2v.settings.presets import Preset, list_presets
from t2v.ui.labels import (
    chunks_for,
    describe_length,
    describe_preset,
    preset_choice,
    sentence,
)
from t2v.ui.server import can_stream
from t2v.ui.wiring import build_page
from tests.support.fakes import (
    PaintedPreset,
    PaintedRefiner,
    PaintingStream,
    is_yellow,
    made,
    opener,
    painted_preset,
    read_number,
    read_numbers,
    settings,
)
from tests.support.page import Page, Shown


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
NEWER = {"write_metadata", "size", "reseed", "history_length", "use_anchor", "start", "fit"}


class Unrefined(PaintedPreset):
    """A preset whose refiner is not installed."""

    refiner_unavailable = Preset.refiner_unavailable


@pytest.fixture
def unchecked_types():
    """Browsers can send anything: our own checks must find it, not those of the test run."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def start(tmp_path):
    workers = []

    def start(stream=None, refiner=None, **options) -> Page:
        workers.append(Worker(opener(stream or PaintingStream(), refiner), tmp_path / "runs"))
        return Page(workers[-1], PRESETS, **options)

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
    page = start(PaintingStream(seconds_per_step=0.1))
    assert shown_frames(page.generate(**INPUTS)) == list(range(32))


@pytest.mark.parametrize("player", ["live", "refined_live"])
def test_both_players_get_every_frame_once_and_in_order(start, player):
    page = start(PaintingStream(seconds_per_step=0.05), PaintedRefiner(0.05))
    views = page.generate(**INPUTS | {"refine": True, "num_chunks": 6})
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


def test_the_status_shows_the_progress_of_both_videos(start):
    page = start(PaintingStream(seconds_per_step=0.05), PaintedRefiner(0.1))
    views = collect(page.generate(**INPUTS | {"refine": True, "num_chunks": 7}))
    statuses = [str(view.status) for view in views]
    assert any("starts when its first frames are ready" in status for status in statuses)
    # Which of them are seen together depends on how busy the machine is.
    both = (r"</b> chunk (\d) · \1 of 4 done", r"</b> chunk (\d) · \1 of 7 done")
    assert any(all(re.search(one, status) for one in both) for status in statuses)
    assert any("· makes it sharper" in status for status in statuses)
    assert any("complete, 8.0 s" in status for status in statuses)
    assert "64 frames, preview and refined" in statuses[-1]


def test_without_ffmpeg_both_players_get_growing_files(start):
    page = start(PaintingStream(), PaintedRefiner(0.3), is_streaming=False)
    views = page.generate(**INPUTS | {"refine": True})

    async def lengths():
        files = [view.refined_live async for view in views]
        return [path_of(file).name for file in files if not is_skipped(file)]

    assert asyncio.run(lengths()) == [
        "until-refined-00000000.mp4",
        "until-refined-00000016.mp4",
    ]


def test_both_videos_are_shown_side_by_side_on_request(start):
    page = start()
    last = collect(page.generate(**INPUTS | {"refine": True}))[-1]
    compared = read_frames(path_of(page.downloads.compare(last.run_id)))
    assert compared.shape == (32, 128, 256, 3)
    assert is_yellow(compared[:, :, 128:]) and not is_yellow(compared[:, :, :128])
    assert path_of(page.downloads.compare(last.run_id)).name == "a-red-star-seed-5-compared.mp4"


def test_a_run_without_a_refined_video_cannot_be_compared(start):
    page = start()
    last = collect(page.generate(**INPUTS))[-1]
    assert last.refined_result["visible"] is last.compare["visible"] is False
    assert "efined" not in last.status
    for run_id in (last.run_id, "0" * 24, ""):
        with pytest.raises(gr.Error):
            page.downloads.compare(run_id)


def test_the_refine_switch_is_disabled_if_the_preset_cannot_refine(start):
    page = start()
    switch = page.settings(page.form_events.choose_preset("absent"))["refine"]
    assert (switch["interactive"], switch["value"]) == (False, False)
    assert switch["info"] == "The absent preset has no refiner."
    switch = page.settings(page.form_events.choose_preset("painted"))["refine"]
    assert switch["interactive"] is True


def test_a_preset_without_a_refiner_offers_no_blending_and_refines_no_finished_video(start):
    page = start()
    run_id = made(page.worker)

    for name, is_offered in (("painted", True), ("absent", False)):
        assert page.visible(page.form_events.choose_preset(name))["blending"] is is_offered
    assert collect(page.show(run_id))[-1].refine["visible"] is True
    bare = replace(page.worker.record(run_id).settings, preset="absent")
    list(page.worker.watch(other := page.worker.submit(bare)))
    assert collect(page.show(other))[-1].refine["visible"] is False


def test_a_preset_that_cannot_refine_says_so_and_makes_no_run(start, monkeypatch):
    monkeypatch.setitem(PRESETS, "plain", painted_preset(Unrefined, name="plain"))
    page = start()
    with pytest.raises(gr.Error) as error:
        collect(page.generate(**INPUTS | {"preset": "plain", "refine": True}))
    assert "The weights of its refiner are not in nowhere/refiner" in error.value.message
    assert not list(iter_folders(page.worker.runs_dir))


def test_a_late_viewer_sees_the_video_from_its_start(start):
    gate = threading.Event()
    stream = PaintingStream(seconds_per_step=0.02, gate=gate)
    page = start(stream)
    run_id = page.worker.submit(settings(num_chunks=6))
    gate.set()
    for update in page.worker.watch(run_id):
        if isinstance(update, SegmentReady) and update.index == 2:
            break
    gate.clear()
    views = page.attach(run_id, request())
    threading.Timer(0.5, gate.set).start()
    assert shown_frames(views) == list(range(56))


def test_a_new_prompt_is_in_the_timeline_before_its_chunk_is_made(start):
    gate = threading.Event()
    page = start(PaintingStream(gate=gate))
    run_id = page.worker.submit(settings(num_chunks=4))

    async def drawn() -> Shown:
        views = page.attach(run_id, request())
        while True:
            coming = asyncio.ensure_future(anext(views))
            if not (await asyncio.wait({coming}, timeout=1.0))[0]:
                break  # every event was read: the first step waits for the gate
        page.worker.commands.change_prompt(run_id, "a blue ring")
        view = await coming
        await views.aclose()
        return view

    view = asyncio.run(asyncio.wait_for(drawn(), timeout=20))
    gate.set()
    assert "a blue ring" in view.timeline and "a blue ring" in view.facts


def test_a_link_takes_precedence_over_the_last_run_of_the_browser(start):
    page = start()
    first, second = (collect(page.generate(**INPUTS))[-1].run_id for _ in range(2))
    last = collect(page.attach(first, request(run=second)))[-1]
    assert last.run_id == second


def test_a_run_that_has_ended_is_shown_as_its_file(start):
    page = start()
    run_id = collect(page.generate(**INPUTS))[-1].run_id
    views = collect(page.attach(run_id, request()))
    assert all(is_skipped(view.live) for view in views)
    assert path_of(views[-1].result).name == "a-red-star-seed-5.mp4"


def test_following_an_ended_run_again_leaves_the_edit_panel_as_the_visitor_has_it(start):
    page = start()
    live = collect(page.generate(**INPUTS))
    assert live[0].edit["open"] is True
    again = collect(page.attach(live[-1].run_id, request()))
    assert all(is_skipped(view.edit) for view in again)


@pytest.mark.parametrize("last_run", ["", None, "0" * 24, "../../etc"])
def test_a_deleted_run_is_not_shown(start, last_run):
    last = collect(start().attach(last_run, request()))[-1]
    assert last.result == gr.skip() == last.status  # the page is as for a new video


def test_a_link_to_no_video_says_so_in_the_status_as_well(start, monkeypatch):
    told = []
    monkeypatch.setattr(gr, "Warning", lambda text, title: told.append(text))
    last = collect(start().attach("", request(run="0" * 24)))[-1]
    assert "There is no video at this link" in last.status and last.run_id == ""
    assert told == ["There is no run with this id (any more)"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        # What test_config.py refuses is refused here with the page's labels, ...
        ({"prompt": " \n\0 "}, "Prompt must not be empty"),
        ({"num_chunks": None}, "Chunks must be a whole number from 1 to 10000"),
        # ... and what only the page can refuse:
        ({"refine": True, "blending": "joint"}, "Blending must be one of causal, shared_noise"),
        ({"preset": ["painted"]}, "Preset must be one of"),
        ({"preset": "absent"}, "Its weights are not in nowhere"),
    ],
)
def test_an_invalid_setting_gives_one_sentence_and_no_run(start, unchecked_types, wrong, sentence):
    page = start()
    with pytest.raises(gr.Error) as error:
        collect(page.generate(**INPUTS | wrong))
    assert sentence in error.value.message
    assert not list(iter_folders(page.worker.runs_dir))


def test_a_random_seed_is_shown(start):
    page = start()
    seeds = {collect(page.generate(**INPUTS | {"randomize_seed": True}))[0].seed for _ in "ab"}
    assert len(seeds) == 2
    assert collect(page.generate(**INPUTS))[0].seed == 5


def test_stop_ends_the_run_and_keeps_its_chunks(start):
    page = start(PaintingStream(seconds_per_step=0.03))

    async def watch_and_stop():
        views = page.generate(**INPUTS | {"num_chunks": 200})
        run_id = (await anext(views)).run_id
        async for view in views:
            if not is_skipped(view.live):
                await page.buttons.stop(run_id)
        return view

    last = asyncio.run(watch_and_stop())
    assert last.summary["state"] == "stopped"
    frames = read_frames(path_of(last.result))
    assert read_numbers(frames) == list(range(last.summary["num_frames"]))
    assert "kept" in last.status


def test_a_tab_shows_the_video_that_was_requested_last(start):
    gate = threading.Event()
    page = start(PaintingStream(gate=gate))
    tab = gr.Request(session_hash="page", headers={"x-gradio-user": "app"})

    async def ask_first(is_shown):
        views = []
        async for view in page.generate(**INPUTS, request=tab):
            views.append(view)
            is_shown.set()
        return views

    async def ask():
        is_shown = asyncio.Event()
        task = asyncio.create_task(ask_first(is_shown))
        await is_shown.wait()
        second = page.generate(**INPUTS | {"seed": 9}, request=tab)
        view = await anext(second)
        first = await task
        gate.set()
        return first, view, [view async for view in second][-1]

    first, begun, last = asyncio.run(ask())
    assert all(is_skipped(value) for value in first[-1])
    assert begun.live["value"] is None and begun.run_id != first[0].run_id
    assert last.seed == 9 and last.summary["state"] == "finished"
    assert list(page.worker.watch(first[0].run_id))[-1].state == "finished"


def test_an_ended_run_leaves_nothing_of_the_one_before_in_the_players(start):
    page = start()
    one, other = (made(page.worker, seed=seed) for seed in (3, 4))
    tab = gr.Request(session_hash="page", headers={"x-gradio-user": "app"})

    def is_emptied(run_id) -> bool:
        return not is_skipped(collect(page.show(run_id, tab))[0].live)

    assert is_emptied(one) and is_emptied(other)
    assert not is_emptied(other)  # its live video may still be playing to its end


def test_players_are_emptied_again_for_every_run(start):
    page = start()
    first = page.shown(page.view.empty_players())
    first.live.pop("value")  # as Gradio does when it sends an update
    again = page.shown(page.view.empty_players())
    assert first.refined_live["value"] is None
    assert again.live["value"] is None and again.refined_live["value"] is None


def test_leaving_the_page_does_not_stop_the_run(start):
    page = start(PaintingStream(seconds_per_step=0.02))

    async def leave():
        views = page.generate(**INPUTS)
        first = await anext(views)
        await views.aclose()
        return first.run_id

    run_id = asyncio.run(leave())
    assert list(page.worker.watch(run_id))[-1].state == "finished"


def test_two_visitors_see_their_own_frames_and_the_second_waits(start):
    page = start(PaintingStream(seconds_per_step=0.05))

    async def visit_both():
        is_first_shown = asyncio.Event()

        async def visit(seed):
            views = []
            async for view in page.generate(**INPUTS | {"seed": seed}):
                views.append(view)
                is_first_shown.set()
            return views

        async def visit_later(seed):  # at the same moment, either may be the first in the queue
            await is_first_shown.wait()
            return await visit(seed)

        return await asyncio.gather(visit(3), visit_later(9))

    for seed, views in zip((3, 9), asyncio.run(visit_both()), strict=True):
        frames = read_frames(path_of(views[-1].result))
        assert [read_number(frame) for frame in frames] == [(n, seed) for n in range(32)]
        assert views[-1].seed == seed
    assert any("You are next" in str(view.status) for view in views)
    waiting = [view for view in views if not is_skipped(view.timeline)]
    assert 'class="making' not in waiting[0].timeline  # it is not being made yet
    assert 'class="making' in waiting[1].timeline


def test_a_failure_is_shown_with_the_chunks_so_far(start):
    page = start(PaintingStream(fails_at=1, error=RuntimeError("secret")))
    last = collect(page.generate(**INPUTS))[-1]
    assert "Something in Longtake broke" in last.status
    assert "secret" not in str(last)
    assert read_numbers(read_frames(path_of(last.result))) == list(range(16))


def test_user_input_is_never_html(start):
    page = start(PaintingStream(fails_at=0, error=ConfigError("<script>alert(1)</script>")))
    last = collect(page.generate(**INPUTS | {"prompt": "an elephant <img src=x>"}))[-1]
    assert "<script" not in last.status
    assert "this model does not know &#x27;elephant&#x27;" in last.status


def test_without_ffmpeg_the_player_gets_a_growing_file(start):
    page = start(PaintingStream(seconds_per_step=0.15), is_streaming=False)

    async def lengths():
        views = page.generate(**INPUTS)
        return [len(read_frames(path_of(v.live))) async for v in views if not is_skipped(v.live)]

    assert asyncio.run(lengths()) == [16, 24, 32]


def test_streaming_needs_ffmpeg_on_the_path(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert not can_stream()


def test_choosing_a_preset_fills_in_its_defaults(start):
    page = start()
    updates = page.form_events.choose_preset("absent")
    assert set(updates) == set(page.form.with_defaults)
    names = ("num_chunks", "apm_strength", "num_inference_steps", "guidance_scale", "scheduler")
    chosen = page.settings(updates)
    assert [chosen[name] for name in names] == [6, 1, 4, 7.5, "ddim"]
    assert not {"prompt", "negative_prompt", "seed", "reseed"} & set(chosen)
    assert updates[page.form.applied] == "absent"


def test_passing_the_list_of_presets_resets_nothing(start):
    page = start()
    assert is_skipped(page.form_events.choose_preset("absent", "absent"))
    assert not is_skipped(page.form_events.choose_preset("absent", "painted"))


def test_a_preset_is_described_however_the_form_got_it(start):
    page = start()
    described = page.form_events.describe_preset("absent")
    assert set(described) == set(page.form.descriptions)
    for example in ("a red star over the sea", "two blue rings"):
        assert example in described[page.form.examples]
    assert "Its weights are not in nowhere" in described[page.form.description]
    config = build_page(page.worker, PRESETS, "painted").config
    names = {part["id"]: part["props"].get("elem_id") for part in config["components"]}
    [outputs] = [
        {names[part] for part in event["outputs"]}
        for event in config["dependencies"]
        if event["api_name"] == "describe_preset"
    ]
    assert {"examples", "hint", "vocabulary"} <= outputs


def test_a_preset_describes_its_requirements_and_whether_it_is_installed(tmp_path):
    paper = replace(list_presets()["modelscope"], weights=str(tmp_path / "nowhere"))
    text = describe_preset(paper)
    assert "Needs a GPU, a download of about 34 GB and 12 GB of disk" in text
    assert "CC BY-NC 4.0" in text
    assert "`longtake download modelscope`" in text
    assert preset_choice(paper).endswith("(not installed)")
    (tmp_path / "here" / "unet").mkdir(parents=True)
    paper = replace(paper, weights=str(tmp_path / "here"))
    assert "**Installed.**" in describe_preset(paper)
    assert "download modelscope" not in describe_preset(paper)
    assert preset_choice(paper) == paper.title


def test_endpoints_take_no_models_and_no_paths(start):
    """Presets are chosen by name from a list; other settings are numbers, switches or text."""
    endpoints = build_page(start().worker, PRESETS, "painted").get_api_info()["named_endpoints"]
    names = {
        name: {parameter["parameter_name"] for parameter in endpoint["parameters"]}
        for name, endpoint in endpoints.items()
    }
    assert names == {
        "/generate": set(INPUTS) | NEWER,
        "/make": set(INPUTS) - {"randomize_seed"} | NEWER,
        **{key: {"run_id", "other"} for key in ("/side_by_side", "/compare_runs")},
        "/ablate": {"run_id", "without"},
        "/runs": {"query", "only_favourites", "run_ids"},
        "/settings": {"file"},
        "/extend": {"run_id", "num_chunks"},
        "/change_prompt": {"run_id", "prompt", "blend"},
        "/redo": {"run_id", "chunk", "seed", "prompt"},
        "/set_favourite": {"run_id", "is_favourite"},
        **{key: {"run_id"} for key in ("/run", "/stop", "/pause", "/resume", "/delete", "/refine")},
        "/move": {"run_id", "num_places"},
        **{key: {"run_id"} for key in ("/compare", "/gif", "/bundle", "/json")},
    }


@pytest.mark.parametrize("preset", ["../painted", "/etc/passwd", "PAIR/StreamingT2V", "absent"])
def test_a_preset_of_another_name_or_not_installed_makes_no_run(start, preset):
    page = start()
    with pytest.raises(gr.Error):
        collect(page.generate(**INPUTS | {"preset": preset}))
    assert not list(iter_folders(page.worker.runs_dir))


def test_a_link_for_a_new_video_shows_no_run(start):
    page = start()
    run_id = collect(page.generate(**INPUTS))[-1].run_id
    assert page.form_events.restore(run_id, request(new="")) == gr.skip()
    assert all(is_skipped(v) for v in collect(page.attach(run_id, request(new="")))[-1])


def test_the_link_of_a_run_restores_its_settings(start):
    page = start()
    run_id = collect(
        page.generate(**INPUTS | {"negative_prompt": "rain", "size": "64x128", "reseed": "2: 5"})
    )[-1].run_id
    updates = page.form_events.restore("", request(run=run_id))
    assert set(updates) == set(page.form.restored)
    restored = page.settings(updates)
    refine, size = restored.pop("refine"), restored.pop("size")
    assert restored == {
        "prompt": "a red star",
        "preset": "painted",
        "num_chunks": 3,
        "apm_strength": 1,
        "num_inference_steps": 2,
        "guidance_scale": 7.5,
        "scheduler": "ddim",
        "use_cam": True,
        "negative_prompt": "rain",
        "blending": "causal",
        "reseed": "2: 5",
        "history_length": 19,
        "use_anchor": True,
    }
    assert (refine["value"], size["value"]) == (False, "64x128")
    assert page.form_events.restore("", request()) == gr.skip()


@pytest.mark.parametrize(("chunks", "text"), [(1, "16 frames, 2.0 s"), (8, "72 frames, 9.0 s")])
def test_the_length_of_the_video_is_shown(chunks, text):
    assert text in describe_length(chunks, PRESETS["painted"])


@pytest.mark.parametrize(("seconds", "num_chunks"), [(1, 1), (2, 1), (3, 2), (9, 8), (120, 119)])
def test_a_length_in_seconds_becomes_enough_chunks(seconds, num_chunks):
    assert chunks_for(seconds, PRESETS["painted"]) == num_chunks


def test_the_page_is_built_without_loading_a_model(tmp_path):
    loaded = []
    worker = Worker(loaded.append, tmp_path)
    build_page(worker, PRESETS, "painted")
    build_page(worker, PRESETS, "painted", is_streaming=False, reason="No GPU was found.")
    worker.close()
    assert not loaded


def test_an_empty_number_is_explained_and_backticks_are_removed():
    assert describe_length(None, PRESETS["painted"]).startswith("Enter a number")
    assert sentence(PresetError("it needs `t2v download`")) == "It needs t2v download"
