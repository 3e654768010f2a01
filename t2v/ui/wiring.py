"""The page, and the list of what calls what: every event of every component."""

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block

from t2v.runs.worker import Worker
from t2v.settings.presets import Preset
from t2v.ui.ablation import Ablation
from t2v.ui.auth import Access
from t2v.ui.commands import Commands, choose_chunk
from t2v.ui.downloads import Downloads
from t2v.ui.evidence import Evidence
from t2v.ui.examples import showcase
from t2v.ui.form import Form, build_form
from t2v.ui.generation import Generation, documented, for_the_page
from t2v.ui.handlers import Handlers
from t2v.ui.hints import connect_hints
from t2v.ui.lists import connect_lists
from t2v.ui.panels import ABLATE, build_evidence_panel, build_history_panel
from t2v.ui.parameters import PRIVATE
from t2v.ui.render import RunView, shows_run
from t2v.ui.server import MAX_VIEWERS, TITLE
from t2v.ui.stage import Stage, build_header, build_stage
from t2v.ui.start import connect_start
from t2v.ui.texts.catalogue import tr, tr_message
from t2v.ui.texts.page import Page


MEASURING = 8.0  # seconds between two looks whether the time of a video is known by now
CACHE = (3600, 86_400)  # seconds: how often copies of files are checked, and how old they get


def build_page(
    worker: Worker,
    presets: dict[str, Preset],
    default: str,
    *,
    access: Access | None = None,
    reason: str = "",
    is_streaming: bool = True,
    evidence: Path | None = None,
) -> gr.Blocks:
    """Build the page.

    Args:
        default: name of the preset that is selected at first.
        access: who may do what; by default, visitors see and change their own runs only.
        reason: why the default preset was chosen, one sentence.
        is_streaming: see `can_stream`.
        evidence: folder of a benchmark whose tables are shown.
    """

    def build() -> Page:
        return build_in_one_language(
            worker,
            presets,
            default,
            access=access or Access(),
            reason=reason,
            is_streaming=is_streaming,
            evidence=Evidence(evidence),
        )

    page = build()
    page.translate(build)
    return page


def build_in_one_language(
    worker: Worker,
    presets: dict[str, Preset],
    default: str,
    *,
    access: Access,
    reason: str,
    is_streaming: bool,
    evidence: Evidence,
) -> Page:
    """The same in the language that is spoken; see `build_page`."""
    with Page(title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=CACHE) as page:
        build_header(is_streaming)
        with gr.Row(elem_id="columns"):
            form = build_form(presets, default, reason)
            stage = build_stage(is_streaming, showcase(presets[default]))
        history = build_history_panel()
        build_evidence_panel(evidence)
        view = RunView(form, stage)
        handlers = Handlers.create(worker, presets, view, access, is_streaming=is_streaming)
        connect_programs(handlers)
        connect_generation(form, view, handlers)
        connect_start(form.start, form.settings, form.preset, handlers.generation.starts)
        connect_hints(form, stage, presets, handlers.generation)
        connect_preset(form, presets, default, reason, handlers.generation)
        connect_length(page, form, stage, handlers.generation)
        connect_watching(page, view, handlers)
        connect_commands(view, handlers.commands)
        connect_downloads(view, handlers)
        connect_settings_files(view, handlers.downloads)
        connect_ablation(stage, handlers.ablation)
        connect_comparison(stage, handlers)
        connect_lists(history, view, handlers)
        page.unload(lambda: None)  # lets Gradio free the segments of a page that was closed
    return page


def connect_programs(handlers: Handlers) -> None:
    """Connect the endpoints that have no component.

    They come first, so that they get the names, and not the buttons that do the same.
    """
    gr.api(handlers.history.describe_run, api_name="run", queue=False)
    gr.api(handlers.history.runs, api_name="runs", queue=False)
    for command in handlers.commands.for_programs():
        gr.api(command, api_name=command.__name__, queue=False)


def connect_generation(form: Form, view: RunView, handlers: Handlers) -> None:
    # More than once: the run that was asked for before continues without being watched.
    form.generate.click(
        for_the_page(handlers.generation, form.settings),
        inputs_kwargs=form.settings,
        api_name="generate",
        trigger_mode="multiple",
        **shows_run(view),
    )
    with gr.Row(visible=False):  # an endpoint for programs, without a place on the page
        event = gr.JSON(label="Event")
        files = gr.File(label="Files", file_count="multiple")
        gr.Button().click(
            documented(handlers.generation, form.api_settings),
            outputs=[event, files],
            inputs_kwargs=form.api_settings,
            api_name="make",
            concurrency_limit=MAX_VIEWERS,
        )


def connect_preset(
    form: Form, presets: dict[str, Preset], default: str, reason: str, generation: Generation
) -> None:
    """The parts of the form that depend on each other."""
    preset = form.preset
    # More than once: the first click may still be showing the run that it has made.
    form.examples.select(
        generation.choose_example, preset, form.repeatable, trigger_mode="multiple", **PRIVATE
    ).success(None, None, None, js="() => longtake.makeExample()", **PRIVATE)
    preset.input(generation.choose_preset, preset, form.with_defaults, **PRIVATE)
    preset.change(
        lambda name: (
            gr.update(interactive=not presets[name].unavailable),
            gr.update(info=tr_message(reason) if name == default else ""),
        ),
        preset,
        [form.generate, preset],
        **PRIVATE,
    )


def connect_length(page: gr.Blocks, form: Form, stage: Stage, generation: Generation) -> None:
    """Seconds and chunks follow each other, and the estimate follows both."""
    preset, length = form.preset, form.length
    settings: dict[str, Any] = dict(form.settings)
    refine, num_steps, size = (settings[name] for name in ("refine", "num_inference_steps", "size"))
    last: dict[str, Any] = {"trigger_mode": "always_last", **PRIVATE}
    length.seconds.input(
        generation.choose_length, [length.seconds, preset], length.num_chunks, **last
    )
    for seconds, button in length.buttons.items():
        button.click(
            partial(generation.choose_length, seconds), preset, length.num_chunks, **PRIVATE
        )
    gr.on(
        [length.num_chunks.change, preset.change],
        generation.length_of,
        [length.num_chunks, preset, length.seconds],
        length.seconds,
        **last,
    )
    changes = [part.change for part in (length.num_chunks, preset, refine, num_steps, size)]
    gr.on(
        # The end of a run may have taught how long the next will take.
        [page.load, *changes, stage.summary.change],
        generation.estimate,
        [length.num_chunks, preset, refine, num_steps, size],
        form.estimate,
        **last,
    )
    timer = gr.Timer(MEASURING)
    timer.tick(
        generation.estimate_later,
        [length.num_chunks, preset, refine, num_steps, size],
        [form.estimate, timer],
        **PRIVATE,
    )


def connect_watching(page: gr.Blocks, view: RunView, handlers: Handlers) -> None:
    form, stage, watching = view.form, view.stage, handlers.watching
    shows = {"api_visibility": "private", **shows_run(view)}
    page.load(handlers.generation.restore, stage.last_run, form.restored, **PRIVATE).then(
        None, None, None, js="() => longtake.retype()", **PRIVATE
    )
    page.load(watching.attach, stage.last_run, **shows)
    # More than once: the outdated stream continues until the new one takes its place.
    stage.revision.change(watching.restart, stage.run_id, trigger_mode="multiple", **shows)
    stage.refresh.click(watching.refresh, stage.run_id, trigger_mode="multiple", **shows)
    stage.run_id.change(
        None,
        stage.run_id,
        [stage.last_run, stage.share.link],
        js="(id) => [id, longtake.remember(id)]",
        **PRIVATE,
    )


def connect_commands(view: RunView, commands: Commands) -> None:
    stage, run_id = view.stage, view.stage.run_id
    controls, edit, share, stop = stage.controls, stage.edit, stage.share, view.form.stop
    # More than once: the first click may still be showing the run that it continued.
    shows = {"api_visibility": "private", "trigger_mode": "multiple", **shows_run(view)}

    stop.click(commands.stop, run_id, stop, queue=False, api_name="stop", show_progress="hidden")
    controls.pause.click(commands.click_pause, run_id, controls.pause, **PRIVATE)
    controls.resume.click(commands.click_resume, run_id, **shows)
    controls.refine.click(commands.click_refine, run_id, **shows)
    controls.extend.click(commands.click_extend, [run_id, controls.more], **shows)
    edit.change.click(commands.click_change_prompt, [run_id, edit.prompt, edit.blend], **shows)
    redo: list[Any] = [run_id, edit.chunk, edit.is_new_seed, edit.other_prompt]
    asks = {**shows, "outputs": [*view.outputs, edit.confirmation, edit.question]}
    edit.redo.click(commands.ask_redo, redo, **asks)
    edit.confirm.click(commands.click_redo, redo, **shows)
    for button in (edit.confirm, edit.keep):
        button.click(partial(gr.update, visible=False), None, edit.confirmation, **PRIVATE)
    run_id.change(partial(gr.update, visible=False), None, edit.confirmation, **PRIVATE)
    controls.timeline.select(choose_chunk, None, [edit.chunk, edit.accordion], **PRIVATE)

    share.favourite.click(commands.click_favourite, run_id, share.favourite, **PRIVATE)
    for button, is_visible in ((share.delete, True), (share.keep, False)):
        button.click(partial(gr.update, visible=is_visible), None, share.confirmation, **PRIVATE)
    share.confirm.click(commands.click_delete, run_id, None, **PRIVATE).success(
        None, run_id, None, js="(id) => longtake.leave(id)", **PRIVATE
    )


def connect_downloads(view: RunView, handlers: Handlers) -> None:
    stage, share = view.stage, view.stage.share
    run_id, downloads = stage.run_id, handlers.downloads
    both: list[Block] = [run_id, share.other_run]
    for button, make, inputs in (
        (share.gif, downloads.gif, [run_id]),
        (share.bundle, downloads.bundle, [run_id]),
        (share.json, downloads.json, [run_id]),
        (share.side_by_side, downloads.side_by_side, both),
    ):
        # On the button: a failure must not cover a file that was made before.
        button.click(
            make, inputs, share.made_file, api_name=make.__name__, show_progress_on=[button]
        )
    stage.compare.click(
        downloads.compare,
        run_id,
        stage.compared,
        api_name="compare",
        show_progress_on=[stage.compare],
    )


def connect_settings_files(view: RunView, downloads: Downloads) -> None:
    form = view.form
    # In Gradio's queue: only from there a toast reaches the page.
    options: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": MAX_VIEWERS}
    named: dict[str, Any] = {"api_name": "settings"}
    unnamed: dict[str, Any] = {"api_visibility": "private"}
    for file, access in ((form.settings_file, named), (view.stage.dropped_file, unnamed)):
        file.upload(downloads.take_settings, file, form.repeatable, **access, **options).then(
            lambda: None, None, file, **PRIVATE
        )


def connect_comparison(stage: Stage, handlers: Handlers) -> None:
    """The X-T slice of the run that is shown, and comparisons with another one."""
    panel, comparisons = stage.comparison, handlers.comparisons
    hidden: dict[str, Any] = {"api_visibility": "undocumented", "queue": False}
    gr.api(handlers.slices.poll, api_name="slice", **hidden)  # asked for by slices.js
    gr.api(comparisons.vote, api_name="vote", **hidden)  # and by comparison.js
    gr.api(comparisons.compare_runs, api_name="compare_runs", queue=False)
    both: list[Block] = [stage.run_id, panel.other_run]
    for button, show in ((panel.show, comparisons.show), (panel.blind, comparisons.show_blind)):
        button.click(show, both, panel.shown, api_visibility="private", show_progress_on=[button])
    # An ablation suggests itself; a comparison belongs to the run that was shown before.
    stage.ablation.other_run.change(
        None, stage.ablation.other_run, panel.other_run, js="(id) => id", **PRIVATE
    )
    stage.run_id.change(lambda: "", None, panel.shown, **PRIVATE)


def connect_ablation(stage: Stage, ablation: Ablation) -> None:
    panel = stage.ablation
    panel.start.click(
        ablation.ablate,
        [stage.run_id, panel.without],
        [panel.video, panel.other_run, panel.start],
        api_name="ablate",
        show_progress="hidden",
        concurrency_limit=MAX_VIEWERS,
    )
    # The other video becomes one of "Your videos".
    panel.other_run.change(
        None, panel.other_run, stage.share.other_run, js="(id) => longtake.keep(id)", **PRIVATE
    )
    # A comparison belongs to the run that was shown before.
    stage.run_id.change(
        lambda: (None, gr.update(value=tr(ABLATE), interactive=True)),
        None,
        [panel.video, panel.start],
        **PRIVATE,
    )
