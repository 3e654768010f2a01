"""The page: what is where, and which button calls what. What happens then is in handlers.py."""

from functools import partial
from typing import NamedTuple

import gradio as gr

from t2v.config import LIMITS, MAX_PROMPT_LENGTH, SCHEDULERS
from t2v.jobs.worker import Worker
from t2v.presets import Preset
from t2v.ui.access import OWNER
from t2v.ui.api import Api
from t2v.ui.files import Files
from t2v.ui.handlers import STREAMING_BLENDINGS, Handlers
from t2v.ui.launch import VIEWERS
from t2v.ui.status import IDLE
from t2v.ui.view import View
from t2v.ui.words import LABELS, describe_preset, describe_refiner, preset_choice


LENGTHS = {"3 s": 3, "9 s": 9, "30 s": 30, "2 min": 120}
CACHE = (3600, 86_400)  # how often copies of files are looked at, and how old they get; seconds
MISSING_PROGRAMS = (
    "`ffmpeg` and `ffprobe` are not installed here, so the video cannot be streamed: the player "
    "is given a longer file from time to time instead. Everything else works."
)


def build_page(
    worker: Worker,
    presets: dict[str, Preset],
    default: str,
    *,
    reason: str = "",
    is_streaming: bool = True,
    max_chunks: int = OWNER.max_chunks,
) -> gr.Blocks:
    """
    Args:
        default: name of the preset that is chosen at first, and `reason` why: one sentence.
        is_streaming: see `can_stream`.
        max_chunks: of one video.
    """
    handlers = Handlers(worker, presets, is_streaming=is_streaming, max_chunks=max_chunks)
    files = Files(handlers)
    chosen = presets[default]
    config = chosen.config(prompt="any")

    with gr.Blocks(
        title="Longtake", fill_width=True, analytics_enabled=False, delete_cache=CACHE
    ) as page:
        gr.HTML(
            "<header><h1>Longtake</h1>"
            "<p>Long videos from text, shown while they are being made.</p></header>",
            elem_id="header",
        )
        if not is_streaming:
            gr.Markdown(MISSING_PROGRAMS, elem_classes="callout")

        with gr.Row(elem_id="columns"):
            with gr.Column(elem_id="compose"):
                prompt = text_box(
                    label=LABELS["prompt"],
                    placeholder="What should be seen?",
                    lines=3,
                    max_lines=8,
                    max_length=MAX_PROMPT_LENGTH,
                    autofocus=True,
                )
                with gr.Row(elem_id="buttons"):
                    generate = gr.Button("Generate", variant="primary", scale=2, min_width=120)
                    stop = gr.Button(
                        "Stop", variant="stop", interactive=False, scale=1, min_width=80
                    )
                examples = gr.Dataset(
                    label="Try one",
                    components=[prompt],
                    samples=[[example] for example in chosen.examples],
                    elem_id="examples",
                )

            with gr.Column(elem_id="knobs"):
                preset = gr.Dropdown(
                    [(preset_choice(item), name) for name, item in presets.items()],
                    value=default,
                    label=LABELS["preset"],
                    info=reason or None,
                )
                description = gr.Markdown(describe_preset(chosen), elem_classes="quiet")
                with gr.Group():
                    num_chunks = gr.Number(
                        label=LABELS["num_chunks"],
                        info=handlers.describe_length(config.num_chunks, default),
                        value=config.num_chunks,
                        step=1,
                        elem_id="chunks",
                    )
                    with gr.Row(elem_id="lengths"):
                        lengths = {
                            seconds: gr.Button(text, size="sm", min_width=40)
                            for text, seconds in LENGTHS.items()
                        }
                apm_strength = gr.Slider(
                    *LIMITS["apm_strength"],
                    value=config.apm_strength,
                    step=0.05,
                    label=LABELS["apm_strength"],
                    info="How firmly the first chunk's look is kept; 0 is without.",
                )
                with gr.Row(elem_id="seeds"):
                    seed = gr.Number(label=LABELS["seed"], value=config.seed, step=1, min_width=120)
                    randomize_seed = gr.Checkbox(
                        label="New seed for every video", value=True, min_width=120
                    )
                refine = gr.Checkbox(
                    label=LABELS["refine"],
                    value=config.refine and chosen.refiner_unavailable is None,
                    info=describe_refiner(chosen),
                    interactive=chosen.refiner_unavailable is None,
                    elem_id="refine",
                )
                with gr.Accordion("Advanced", open=False):
                    num_inference_steps = gr.Number(
                        label=LABELS["num_inference_steps"],
                        value=config.num_inference_steps,
                        step=1,
                    )
                    guidance_scale = gr.Slider(
                        *LIMITS["guidance_scale"],
                        value=config.guidance_scale,
                        step=0.5,
                        label=LABELS["guidance_scale"],
                        info="How literally the prompt is taken; 1 is free.",
                    )
                    scheduler = gr.Dropdown(
                        list(SCHEDULERS), value=config.scheduler, label=LABELS["scheduler"]
                    )
                    use_cam = gr.Checkbox(
                        label=LABELS["use_cam"],
                        value=True,
                        info="Every chunk continues the one before. Off: each is drawn from text.",
                    )
                    blending = gr.Dropdown(
                        list(STREAMING_BLENDINGS),
                        value=config.blending,
                        label=LABELS["blending"],
                        info="How refined chunks are joined; causal is seamless.",
                    )
                    negative_prompt = text_box(
                        label=LABELS["negative_prompt"],
                        value="",
                        placeholder="What should not be seen?",
                        lines=2,
                    )
                    write_metadata = gr.Checkbox(
                        label=LABELS["write_metadata"],
                        value=True,
                        info="So that a file can be made again; without, it says nothing.",
                    )
                    settings_file = gr.UploadButton(
                        "Take the settings of a video…", file_types=[".mp4", ".json"], size="sm"
                    )

            with gr.Column(elem_id="stage"):
                with gr.Row(elem_id="screens"):
                    live, result = build_screen("", is_streaming)
                    refined_live, refined_result = build_screen("refined-", is_streaming)
                status = gr.HTML(IDLE, elem_id="status")
                with gr.Row(elem_id="files"):
                    download, refined_download = (
                        gr.DownloadButton(text, visible=False, min_width=140, elem_id=elem_id)
                        for text, elem_id in (
                            ("Download the video", "download"),
                            ("Download refined", "refined-download"),
                        )
                    )
                    compare = gr.Button(
                        "Show side by side", visible=False, min_width=140, elem_id="compare"
                    )
                compared = gr.Video(
                    label="Side by side",
                    interactive=False,
                    visible=False,
                    buttons=["download"],
                    elem_id="compared",
                )
                with gr.Accordion("Keep and share", open=False, elem_id="share"):
                    with gr.Row():
                        gif = gr.Button("GIF", size="sm", min_width=80)
                        bundle = gr.Button("Bundle to make it again", size="sm", min_width=140)
                    with gr.Row():
                        other_run = text_box(
                            label="Another video", placeholder="Its link or id", scale=2
                        )
                        beside = gr.Button("Put side by side", size="sm", min_width=120)
                    made_file = gr.File(label="File", interactive=False)

        summary = gr.JSON(visible=False, label="Summary")
        run_id = text_box(visible=False, label="Run id")
        last_run = gr.BrowserState("", storage_key="longtake-run", secret="longtake")

        shown = View(
            live,
            status,
            result,
            summary,
            seed,
            run_id,
            download,
            generate,
            stop,
            refined_live,
            refined_result,
            refined_download,
            compare,
            compared,
        )
        watching = {
            "outputs": list(shown),
            "show_progress": "minimal",
            "show_progress_on": [status],
            "concurrency_limit": VIEWERS,
        }
        inputs = [
            prompt,
            preset,
            num_chunks,
            apm_strength,
            seed,
            randomize_seed,
            num_inference_steps,
            guidance_scale,
            scheduler,
            use_cam,
            negative_prompt,
            refine,
            blending,
            write_metadata,
        ]
        restored = [part for part in inputs if part not in (seed, randomize_seed, write_metadata)]
        private = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}

        generate.click(handlers.generate, inputs, api_name="generate", **watching)
        with gr.Row(visible=False):  # an endpoint for programs, without a place on the page
            event = gr.JSON(label="Event")
            event_files = gr.File(label="Files", file_count="multiple")
            gr.Button().click(
                Api(handlers).make,
                [part for part in inputs if part is not randomize_seed],
                [event, event_files],
                api_name="make",
                concurrency_limit=VIEWERS,
            )
        making = {"outputs": made_file, "show_progress_on": [made_file]}
        gif.click(files.gif, run_id, api_name="gif", **making)
        bundle.click(files.bundle, run_id, api_name="bundle", **making)
        beside.click(files.side_by_side, [run_id, other_run], api_name="side_by_side", **making)
        settings_file.upload(
            files.take_settings,
            settings_file,
            [*restored, seed, randomize_seed],
            api_name="settings",
            queue=False,
            show_progress="hidden",
        )
        stop.click(
            handlers.stop, run_id, stop, queue=False, api_name="stop", show_progress="hidden"
        )
        page.load(handlers.restore, last_run, restored, **private)
        page.load(handlers.attach, last_run, api_visibility="private", **watching)
        compare.click(
            handlers.compare, run_id, compared, api_name="compare", show_progress_on=[compare]
        )
        run_id.change(None, run_id, last_run, js="(id) => (longtake.remember(id), id)", **private)

        examples.click(lambda row: row[0], examples, prompt, **private)
        preset.input(
            handlers.choose_preset,
            preset,
            [
                num_chunks,
                apm_strength,
                num_inference_steps,
                guidance_scale,
                scheduler,
                examples,
                description,
                refine,
            ],
            **private,
        )
        gr.on(
            [num_chunks.change, preset.change],
            lambda number, name: gr.update(info=handlers.describe_length(number, name)),
            [num_chunks, preset],
            num_chunks,
            **private,
        )
        for seconds, button in lengths.items():
            button.click(partial(handlers.chunks_for, seconds), preset, num_chunks, **private)

        gr.api(handlers.describe_run, api_name="run", queue=False)
        for command in handlers.steered.commands():
            gr.api(command, api_name=command.__name__, queue=False)
        page.unload(lambda: None)  # lets gradio free the segments of a page that was closed
    return page


def text_box(**options) -> gr.Textbox:
    """Passes on what came, where a Textbox turns anything into text: {} would be a prompt."""
    box = gr.Textbox(**options)
    box.preprocess = lambda payload: payload
    return box


class Screen(NamedTuple):
    live: gr.Video
    result: gr.Video


def build_screen(prefix: str, is_streaming: bool) -> Screen:
    """A live player and, in its place later, the finished video. page.js changes over."""
    with gr.Column(elem_id=f"{prefix}screen", elem_classes="screen", min_width=260):
        live = gr.Video(
            label="Live, refined" if prefix else "Live",
            streaming=is_streaming,
            autoplay=True,
            interactive=False,
            buttons=[],
            elem_id=f"{prefix}live",
            elem_classes="live",
        )
        result = gr.Video(
            label="Finished, refined" if prefix else "Finished video",
            interactive=False,
            visible=False,
            buttons=[],
            elem_id=f"{prefix}result",
            elem_classes="result",
        )
    return Screen(live, result)
