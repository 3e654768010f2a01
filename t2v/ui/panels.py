"""Panels of a run that fold away: edit, ablation, save and share; and the history."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from t2v.settings.bases import MemoryName
from t2v.ui.evidence import Evidence
from t2v.ui.parameters import PRIVATE, text_box
from t2v.ui.server import STATIC
from t2v.ui.texts.catalogue import sentences, tr


ABLATE = "Run ablation"
ABLATIONS: dict[str, tuple[MemoryName, ...]] = {  # what programs call it -> memories left out
    "both memories": ("short", "long"),
    "the CAM (short-term)": ("short",),
    "the APM (long-term)": ("long",),
}


MIN_CHUNKS = 10  # of a video whose memories are compared
ABLATION_HELP = (
    "Then both previews play side by side, each with its memories above. With Helios, the CAM "
    "stands for its history and the APM for its anchor."
)


@dataclass(frozen=True, kw_only=True)
class EditPanel:
    accordion: gr.Accordion
    prompt: gr.Textbox
    blend: gr.Number
    change: gr.Button
    chunk: gr.Number
    is_new_seed: gr.Checkbox
    other_prompt: gr.Textbox
    redo: gr.Button
    confirmation: gr.Row
    question: gr.Markdown
    confirm: gr.Button
    keep: gr.Button


@dataclass(frozen=True, kw_only=True)
class AblationPanel:
    without: gr.Radio
    start: gr.Button
    other_run: gr.Textbox
    video: gr.Video


@dataclass(frozen=True, kw_only=True)
class ComparisonPanel:
    other_run: gr.Textbox
    show: gr.Button
    blind: gr.Button
    shown: gr.HTML


@dataclass(frozen=True, kw_only=True)
class SharePanel:
    link: gr.Textbox
    use_settings: gr.Button
    favourite: gr.Button
    delete: gr.Button
    confirmation: gr.Row
    confirm: gr.Button
    keep: gr.Button
    gif: gr.Button
    bundle: gr.Button
    json: gr.Button
    other_run: gr.Textbox
    side_by_side: gr.Button
    made_file: gr.File


@dataclass(frozen=True, kw_only=True)
class HistoryPanel:
    accordion: gr.Accordion
    query: gr.Textbox
    only_favourites: gr.Checkbox
    gallery: gr.HTML
    delete: gr.Button  # of all that were stopped or have failed
    confirmation: gr.Row
    confirm: gr.Button
    keep: gr.Button
    known: gr.JSON  # ids that the browser knows: page.js fills it in


def build_edit_panel() -> EditPanel:
    title = tr("Edit: change the prompt, or regenerate from a chunk")
    with gr.Accordion(title, open=False, elem_id="edit-panel") as accordion:
        with gr.Row(elem_classes="edit-row"):
            prompt = text_box(
                label=tr("Prompt from the next chunk on"),
                placeholder=tr("What should the video show next?"),
                max_lines=3,
                scale=4,
                min_width=200,
                elem_id="next-prompt",
            )
            blend = gr.Number(
                label=tr("Fade over (chunks)"), value=0, step=1, min_width=130, elem_id="blend"
            )
            change = small_button(tr("Change prompt"), 110, elem_id="change")
        with gr.Row(elem_classes="edit-row"):
            chunk = gr.Number(
                label=tr("From chunk"), value=0, step=1, min_width=110, elem_id="redo-chunk"
            )
            other_prompt = text_box(
                label=tr("New prompt (optional)"),
                placeholder=tr("Empty: keep the prompt"),
                max_lines=3,
                scale=3,
                min_width=160,
                elem_id="redo-prompt",
            )
            is_new_seed = gr.Checkbox(label=tr("New seed"), value=True, min_width=110)
            redo = small_button(tr("Regenerate"), 110, elem_id="redo")
        with gr.Row(
            visible=False, elem_classes="callout confirmation", elem_id="redo-question"
        ) as confirmation:
            question = gr.Markdown()
            keep = small_button(tr("Cancel"), 80)
            confirm = small_button(tr("Regenerate them"), 120, variant="stop")
        gr.Markdown(
            tr(
                "Click a chunk in the timeline to select it. That chunk and all later ones are "
                "generated again. Chunks count from 0."
            ),
            elem_classes="quiet",
        )
    return EditPanel(
        accordion=accordion,
        prompt=prompt,
        blend=blend,
        change=change,
        chunk=chunk,
        is_new_seed=is_new_seed,
        other_prompt=other_prompt,
        redo=redo,
        confirmation=confirmation,
        question=question,
        confirm=confirm,
        keep=keep,
    )


def build_slice_panel() -> None:
    """Its script asks for the slice and draws it."""
    row = tr("Row of the frames, from the top")
    with gr.Accordion(tr("Motion over time (X-T slice)"), open=False, elem_id="slice-panel"):
        gr.HTML(
            html_template=f'<label class="row">{row} <input type="range" min="0" max="100" '
            f'value="50"> <output>50 %</output></label><div class="picture"></div>',
            js_on_load=(STATIC / "slices.js").read_text(encoding="utf-8"),
            elem_id="slice",
        )
        gr.Markdown(
            tr(
                "One row of every frame, side by side. What moves draws lines, and a seam breaks "
                "all of them at a tick, where a chunk begins."
            ),
            elem_classes="quiet",
        )


def build_ablation_panel() -> AblationPanel:
    title = tr("Ablation: compare without CAM or APM")
    with gr.Accordion(title, open=False, elem_id="ablation"):
        without = gr.Radio(
            [(tr(name), name) for name in ABLATIONS],
            value=next(iter(ABLATIONS)),
            label=tr("Make the video again, with the same prompt and seed, without"),
            info=sentences(tr(ABLATION_HELP), describe_advice()),
        )
        start = small_button(tr(ABLATE), 110, elem_id="ablate")
        other_run = gr.Textbox(visible=False, label="Other run")
        video = gr.Video(
            label=tr("Comparison"),
            interactive=False,
            autoplay=True,
            loop=True,
            buttons=["download"],
            elem_id="ablated",
        )
    return AblationPanel(without=without, start=start, other_run=other_run, video=video)


def build_comparison_panel() -> ComparisonPanel:
    with gr.Accordion(tr("Compare with another video"), open=False, elem_id="comparison"):
        with gr.Row(elem_classes="edit-row"):
            other_run = text_box(
                label=tr("The other video"), placeholder=tr("Its link or id"), scale=2
            )
            show = small_button(tr("Compare"), 90, elem_id="compare-runs")
            blind = small_button(tr("Compare blind"), 110, elem_id="compare-blind")
        gr.Markdown(
            tr(
                "Players in step, the differences of the measurements, and both X-T slices. Blind, "
                "the order is random and hidden until you have voted; votes are kept with the "
                "videos."
            ),
            elem_classes="quiet",
        )
        script = (STATIC / "comparison.js").read_text(encoding="utf-8")
        shown = gr.HTML(elem_id="compared-runs", js_on_load=script)
    return ComparisonPanel(other_run=other_run, show=show, blind=blind, shown=shown)


def build_share_panel() -> SharePanel:
    with gr.Accordion(tr("Save and share"), open=False, elem_id="share"):
        link = gr.Textbox(
            label=tr("Link to this video"),
            info=tr(
                "Anyone with the link can watch, download and reuse the settings. Only you can "
                "change the video."
            ),
            interactive=False,
            buttons=["copy"],
            elem_id="link",
        )
        with gr.Row():
            favourite = small_button(tr("☆ Favourite"), 100, elem_id="favourite")
            use_settings = small_button(tr("Use these settings"), 130)
            delete = small_button(tr("Delete…"), 80, interactive=False, elem_id="delete")
        with gr.Row():
            gif = small_button(tr("Download GIF"), 100)
            json = small_button(tr("Download settings (JSON)"), 150)
            bundle = small_button(tr("Download reproducibility bundle"), 180)
        with gr.Row(visible=False, elem_classes="callout confirmation") as confirmation:
            gr.Markdown(tr("Delete this video with all its files? This cannot be undone."))
            keep = small_button(tr("Cancel"), 80)
            confirm = small_button(tr("Delete"), 120, variant="stop")
        with gr.Row(elem_classes="edit-row"):
            other_run = text_box(
                label=tr("Another video"), placeholder=tr("Its link or id"), scale=2
            )
            side_by_side = small_button(tr("Compare side by side"), 120)
        made_file = gr.File(label=tr("File"), interactive=False, elem_id="made-file")
    return SharePanel(
        link=link,
        use_settings=use_settings,
        favourite=favourite,
        delete=delete,
        confirmation=confirmation,
        confirm=confirm,
        keep=keep,
        gif=gif,
        bundle=bundle,
        json=json,
        other_run=other_run,
        side_by_side=side_by_side,
        made_file=made_file,
    )


def build_evidence_panel(evidence: Evidence) -> None:
    """The last benchmark, below the history; not shown without one."""
    title = tr("Evidence: the last benchmark")
    with gr.Accordion(title, open=False, visible=evidence.is_there, elem_id="evidence") as panel:
        gr.Markdown(
            tr("The tables, plots and pictures that the benchmark has written."),
            elem_classes="quiet",
        )
        shown = gr.HTML(elem_id="evidence-suites")
    panel.expand(evidence.show, None, shown, **PRIVATE)


def build_history_panel() -> HistoryPanel:
    """An accordion below everything else."""
    with gr.Accordion(tr("Your videos"), open=False, elem_id="history") as accordion:
        with gr.Row(elem_id="search"):
            query = gr.Textbox(
                label=tr("Search"), placeholder=tr("Words of the prompt"), max_lines=1, scale=3
            )
            only_favourites = gr.Checkbox(label=tr("Favourites only"), scale=1, min_width=140)
        script = (STATIC / "run_actions.js").read_text(encoding="utf-8")
        gallery = gr.HTML(elem_id="gallery", js_on_load=script)
        with gr.Row():
            delete = small_button(tr("Delete all that were stopped or failed…"), 240, scale=0)
        with gr.Row(visible=False, elem_classes="callout confirmation") as confirmation:
            gr.Markdown(
                tr(
                    "Delete all your videos that were stopped or failed, except favourites? This "
                    "cannot be undone."
                )
            )
            keep = small_button(tr("Cancel"), 80)
            confirm = small_button(tr("Delete them"), 120, variant="stop")
    return HistoryPanel(
        accordion=accordion,
        query=query,
        only_favourites=only_favourites,
        gallery=gallery,
        delete=delete,
        confirmation=confirmation,
        confirm=confirm,
        keep=keep,
        known=gr.JSON(visible=False, label="Known ids"),
    )


def describe_advice() -> str:
    return tr("The memories show over time: compare videos of {n} chunks or more.", n=MIN_CHUNKS)


def small_button(text: str, min_width: int, **options: Any) -> gr.Button:
    return gr.Button(text, size="sm", min_width=min_width, **options)
