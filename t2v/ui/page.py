"""The page: what is where, and which button calls what. What happens then is in handlers.py."""

from functools import partial

import gradio as gr

from t2v.config import LIMITS, MAX_PROMPT_LENGTH, SCHEDULERS
from t2v.jobs.worker import Worker
from t2v.presets import Preset
from t2v.ui.ablation import Ablation, connect_ablation
from t2v.ui.access import OWNER
from t2v.ui.api import Api
from t2v.ui.commanding import Commanding, connect_controls
from t2v.ui.files import Files
from t2v.ui.handlers import STREAMING_BLENDINGS, Handlers
from t2v.ui.history import History, build_history
from t2v.ui.launch import VIEWERS
from t2v.ui.parts import PRIVATE, text_box
from t2v.ui.stage import build_stage
from t2v.ui.view import View
from t2v.ui.visitors import Rights
from t2v.ui.words import LABELS, describe_preset, describe_refiner, preset_choice, size_choices


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
    sees_all_runs: bool = False,
) -> gr.Blocks:
    """
    Args:
        default: name of the preset that is chosen at first, and `reason` why: one sentence.
        is_streaming: see `can_stream`.
        max_chunks: of one video.
        sees_all_runs: everybody at this machine sees all runs, and may change them; see `History`.
    """
    handlers = Handlers(
        worker,
        presets,
        is_streaming=is_streaming,
        max_chunks=max_chunks,
        rights=Rights(is_private=sees_all_runs),
    )
    files = Files(handlers)
    history = History(handlers, sees_all_runs=sees_all_runs)
    chosen = presets[default]
    config = chosen.config(prompt="any")

    with gr.Blocks(
        title="Longtake", fill_width=True, analytics_enabled=False, delete_cache=CACHE
    ) as page:
        gr.HTML(
            "<header><h1><a href='?new' title='A new video'>Longtake</a></h1>"
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
                    generate = gr.Button(
                        "Generate", variant="primary", scale=2, min_width=120, elem_id="generate"
                    )
                    stop = gr.Button(
                        "Stop", variant="stop", interactive=False, scale=1, min_width=80
                    )
                gr.Markdown(
                    "Words may change on the way: `0: a red star / 6: a blue ring` says from which "
                    "chunk on; they count from 0.",
                    elem_classes="quiet",
                )
                refine = gr.Checkbox(
                    label=LABELS["refine"],
                    value=config.refine and chosen.refiner_unavailable is None,
                    info=describe_refiner(chosen),
                    interactive=chosen.refiner_unavailable is None,
                    elem_id="refine",
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
                settings_file = gr.File(
                    label="Take the settings of a video (mp4 or json)",
                    file_types=[".mp4", ".json"],
                    height=110,
                    elem_id="settings-file",
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
                        info="How literally the prompt is taken. At 1 chunks take less time, and "
                        "the negative prompt is not read.",
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
                    size = gr.Dropdown(
                        size_choices(chosen),
                        value="",
                        allow_custom_value=True,
                        label=LABELS["frame_size"],
                        info="Height x width. The model is at its best at its own.",
                    )
                    reseed = text_box(
                        label=LABELS["reseed"],
                        value="",
                        placeholder="6: 12 / 9: 44",
                        info="Other seeds from these chunks on.",
                    )
                    write_metadata = gr.Checkbox(
                        label=LABELS["write_metadata"],
                        value=True,
                        info="So that a file can be made again; without, it says nothing.",
                    )

            stage = build_stage(is_streaming)
        summary = gr.JSON(visible=False, label="Summary")
        build_history(history, [summary.change])  # when a video begins, and when it ends
        run_id = text_box(visible=False, label="Run id")
        again = text_box(visible=False, label="Take")
        last_run = gr.BrowserState("", storage_key="longtake-run", secret="longtake")

        controls, steering, share = stage.controls, stage.steering, stage.share
        shown = View(
            live=stage.screen.live,
            status=stage.status,
            result=stage.screen.result,
            summary=summary,
            seed=seed,
            run_id=run_id,
            download=stage.download,
            stop=stop,
            refined_live=stage.refined_screen.live,
            refined_result=stage.refined_screen.result,
            refined_download=stage.refined_download,
            compare=stage.compare,
            compared=stage.compared,
            timeline=controls.timeline,
            pause=controls.pause,
            resume=controls.resume,
            redo=steering.redo,
            change=steering.change,
            favourite=share.favourite,
            delete=share.delete,
            note=controls.note,
            facts=stage.facts,
            again=again,
        )
        watching = {
            "outputs": list(shown),
            "show_progress": "hidden",  # the status says it better; errors are toasts
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
            size,
            reseed,
        ]
        restored = [part for part in inputs if part not in (seed, randomize_seed, write_metadata)]

        # First, so that these have the names, and not the buttons that do the same.
        gr.api(handlers.describe_run, api_name="run", queue=False)
        gr.api(history.runs, api_name="runs", queue=False)
        for command in handlers.steered.commands():
            gr.api(command, api_name=command.__name__, queue=False)

        # More than once: the video that was asked for before goes on without being watched.
        generate.click(
            handlers.generate,
            inputs,
            api_name="generate",
            trigger_mode="multiple",
            **watching,
        )
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
        for button, make, needs in (
            (share.gif, files.gif, [run_id]),
            (share.bundle, files.bundle, [run_id]),
            (share.json, files.json, [run_id]),
            (share.beside, files.side_by_side, [run_id, share.other_run]),
        ):
            # On the button: a failure must not cover a file that was made before.
            button.click(
                make, needs, share.made_file, api_name=make.__name__, show_progress_on=[button]
            )
        connect_ablation(stage.ablation, Ablation(handlers, files), run_id, stage.share.other_run)
        share.take_over.click(
            history.take_over, run_id, [*restored, seed, randomize_seed], **PRIVATE
        )
        connect_controls(stage, Commanding(handlers), run_id, watching)
        settings_file.upload(
            files.take_settings,
            settings_file,
            [*restored, seed, randomize_seed],
            api_name="settings",
            queue=False,
            show_progress="hidden",
        ).then(lambda: None, None, settings_file, **PRIVATE)
        stop.click(
            handlers.stop, run_id, stop, queue=False, api_name="stop", show_progress="hidden"
        )
        page.load(handlers.restore, last_run, restored, **PRIVATE)
        page.load(handlers.attach, last_run, api_visibility="private", **watching)
        # More than once: the stream that is outdated goes on until the new one takes its place.
        again.change(
            handlers.begin_anew,
            run_id,
            api_visibility="private",
            trigger_mode="multiple",
            **watching,
        )
        stage.compare.click(
            handlers.compare,
            run_id,
            stage.compared,
            api_name="compare",
            show_progress_on=[stage.compare],
        )
        run_id.change(
            None,
            run_id,
            [last_run, share.link],
            js="(id) => [id, longtake.remember(id)]",
            **PRIVATE,
        )

        examples.click(lambda row: row[0], examples, prompt, **PRIVATE)
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
                size,
            ],
            **PRIVATE,
        )
        gr.on(
            [num_chunks.change, preset.change],
            lambda number, name: gr.update(info=handlers.describe_length(number, name)),
            [num_chunks, preset],
            num_chunks,
            **PRIVATE,
        )
        preset.change(
            lambda name: (
                gr.update(interactive=not presets[name].unavailable),
                gr.update(info=reason if name == default else ""),
            ),
            preset,
            [generate, preset],
            **PRIVATE,
        )
        for seconds, button in lengths.items():
            button.click(partial(handlers.chunks_for, seconds), preset, num_chunks, **PRIVATE)

        page.unload(lambda: None)  # lets gradio free the segments of a page that was closed
    return page
