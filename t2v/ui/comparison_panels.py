"""Panels that compare a run: with itself over time, without its memories, with another one."""

from dataclasses import dataclass

import gradio as gr

from t2v.settings.bases import MemoryName
from t2v.ui.panels import small_button
from t2v.ui.parameters import text_box
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


def describe_advice() -> str:
    return tr("The memories show over time: compare videos of {n} chunks or more.", n=MIN_CHUNKS)
