"""What the events of the run that is shown call, and those of the evidence below it."""

from functools import partial
from typing import Any

import gradio as gr
from gradio.blocks import Block

from t2v.ui.ablation import Ablation
from t2v.ui.command_buttons import CommandButtons, ask_delete, choose_chunk
from t2v.ui.comparison_panels import ABLATE
from t2v.ui.evidence import Evidence
from t2v.ui.handlers import Handlers
from t2v.ui.panels import EvidencePanel
from t2v.ui.parameters import PRIVATE
from t2v.ui.render import RunView, shows_run
from t2v.ui.server import MAX_VIEWERS
from t2v.ui.stage import Stage
from t2v.ui.texts.catalogue import tr


def connect_watching(page: gr.Blocks, view: RunView, handlers: Handlers) -> None:
    form, stage, watching = view.form, view.stage, handlers.watching
    shows = {"api_visibility": "private", **shows_run(view)}
    page.load(handlers.form_events.restore, stage.last_run, form.restored, **PRIVATE).then(
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
    # What was made of, or chosen in, the run before.
    stage.run_id.change(
        lambda: (None, 0, ""),
        None,
        [stage.share.made_file, stage.edit.chunk, stage.edit.other_prompt],
        **PRIVATE,
    )


def connect_buttons(view: RunView, buttons: CommandButtons) -> None:
    stage, run_id = view.stage, view.stage.run_id
    controls, edit, share, stop = stage.controls, stage.edit, stage.share, view.form.stop
    # More than once: the first click may still be showing the run that it continued.
    shows = {"api_visibility": "private", "trigger_mode": "multiple", **shows_run(view)}

    stop.click(buttons.stop, run_id, stop, queue=False, api_name="stop", show_progress="hidden")
    controls.pause.click(buttons.click_pause, run_id, controls.pause, **PRIVATE)
    controls.resume.click(buttons.click_resume, run_id, **shows)
    controls.refine.click(buttons.click_refine, run_id, **shows)
    controls.extend.click(buttons.click_extend, [run_id, controls.more], **shows)
    edit.change.click(buttons.click_change_prompt, [run_id, edit.prompt, edit.blend], **shows)
    redo: list[Any] = [run_id, edit.chunk, edit.is_new_seed, edit.other_prompt]
    asks = {**shows, "outputs": [*view.outputs, edit.confirmation, edit.question, edit.asked]}
    edit.redo.click(buttons.ask_redo, redo, **asks)
    edit.confirm.click(buttons.confirm_redo, edit.asked, **shows)
    # A question that the form has left behind is withdrawn.
    left = [part.change for part in redo]
    gr.on(
        [edit.confirm.click, edit.keep.click, *left],
        partial(gr.update, visible=False),
        None,
        edit.confirmation,
        **PRIVATE,
    )
    controls.timeline.select(choose_chunk, None, [edit.chunk, edit.accordion], **PRIVATE)

    share.favourite.click(buttons.click_favourite, run_id, share.favourite, **PRIVATE)
    share.delete.click(ask_delete, run_id, [share.confirmation, share.asked], **PRIVATE)
    gr.on(
        [share.keep.click, run_id.change],
        partial(gr.update, visible=False),
        None,
        share.confirmation,
        **PRIVATE,
    )
    share.confirm.click(buttons.click_delete, share.asked, None, **PRIVATE).success(
        None, share.asked, None, js="(id) => longtake.deleted(id)", **PRIVATE
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


def connect_evidence(page: gr.Blocks, panel: EvidencePanel, evidence: Evidence) -> None:
    """Shows the panel on every page that is loaded after the benchmark has written a table."""

    def show_or_hide() -> dict[str, Any]:
        return gr.update(visible=evidence.is_there)

    page.load(show_or_hide, None, panel.accordion, **PRIVATE)
    panel.accordion.expand(evidence.show, None, panel.suites, **PRIVATE)
