"""The right side of the page: players, status, and the panels of the run that is shown.

Only components are built here; run_wiring.py says what they call.
"""

import json
from dataclasses import dataclass
from html import escape

import gradio as gr

from t2v.ui.comparison_panels import (
    AblationPanel,
    ComparisonPanel,
    build_ablation_panel,
    build_comparison_panel,
    build_slice_panel,
)
from t2v.ui.panels import EditPanel, SharePanel, build_edit_panel, build_share_panel, small_button
from t2v.ui.parameters import SETTINGS_FILES, text_box
from t2v.ui.players import survive_ffmpeg
from t2v.ui.server import STATIC
from t2v.ui.status import idle
from t2v.ui.texts.catalogue import language, tr


MISSING_PROGRAMS = (
    "`ffmpeg` and `ffprobe` are not installed here, so the video cannot be streamed: the player "
    "gets a longer file from time to time instead. Everything else works."
)


SCRIPT_TEXTS = (  # of page.js
    "now",
    "{n} s",
    "{n} min",
    "{n} h",
    "First part in {time}",
    "First part now",
    "Next part in {time}",
    "Next part now",
    "New video",
    "Settings",
    "Video",
    "Your videos",
    "Your video plays here while it is being made.",
    "The refined video follows here.",
    "Opening the video…",
)


@dataclass(frozen=True, kw_only=True)
class Screen:
    live: gr.Video
    cover: gr.HTML  # a picture over the live player, see cover.py
    result: gr.Video
    download: gr.DownloadButton


@dataclass(frozen=True, kw_only=True)
class Controls:
    note: gr.Markdown
    timeline: gr.HTML
    measures: gr.HTML
    pause: gr.Button
    resume: gr.Button
    refine: gr.Button
    more: gr.Number
    extend: gr.Button


@dataclass(frozen=True, kw_only=True)
class Stage:
    preview: Screen
    refined: Screen
    strip: gr.HTML  # the visitor's own runs
    status: gr.HTML
    use_settings: gr.Button  # shown while those of the form are others
    controls: Controls
    compare: gr.Button
    compared: gr.Video
    edit: EditPanel
    facts: gr.HTML
    ablation: AblationPanel
    comparison: ComparisonPanel
    share: SharePanel
    # Not visible: what the page remembers of the run.
    summary: gr.JSON
    run_id: gr.Textbox
    revision: gr.Textbox
    acted: gr.JSON  # what was done to a run in a list
    dropped_file: gr.File  # onto the player: page.js passes it on
    refresh: gr.Button  # page.js clicks it when the shown run went on
    last_run: gr.BrowserState


def build_header(is_streaming: bool) -> None:
    link = f'<a href="?new" title="{tr("New video")}">Longtake</a>'
    slogan = tr("Long videos from text, shown while they are being made.")
    texts = {text: tr(text) for text in SCRIPT_TEXTS}
    gr.HTML(
        f'<header data-language="{language()}" data-texts="{escape(json.dumps(texts))}">'
        f"<h1>{link}</h1><p>{slogan}</p></header>",
        elem_id="header",
    )
    if not is_streaming:
        gr.Markdown(tr(MISSING_PROGRAMS), elem_classes="callout")


def build_stage(is_streaming: bool, showcase: str = "") -> Stage:
    """Builds the right side of the page: players, status and panels of a run.

    Args:
        showcase: HTML on the screen before there is a run.
    """
    with gr.Column(elem_id="stage"):
        with gr.Column(elem_id="theatre"):
            with gr.Row(elem_id="screens"):
                preview = build_screen("", is_streaming, showcase)
                refined = build_screen("refined-", is_streaming)
            strip = build_strip()
            status = gr.HTML(idle(), elem_id="status")
            with gr.Row(elem_id="differs"):
                gr.Markdown(
                    tr("The form has other settings than this video: they are for the next one.")
                )
                use_settings = small_button(tr("Use these settings"), 150)
            controls = build_controls()
        with gr.Column(elem_id="panels"):
            with gr.Row(elem_id="files"):
                preview.download.render()
                refined.download.render()
                compare = gr.Button(
                    tr("Show side by side"), visible=False, min_width=140, elem_id="compare"
                )
            compared = gr.Video(
                label=tr("Side by side"),
                interactive=False,
                visible=False,
                buttons=["download"],
                elem_id="compared",
            )
            edit = build_edit_panel()
            build_slice_panel()
            with gr.Accordion(tr("How this video was made"), open=False, elem_id="provenance"):
                facts = gr.HTML(elem_id="facts")
            ablation, comparison = build_ablation_panel(), build_comparison_panel()
            share = build_share_panel()
        return Stage(
            preview=preview,
            refined=refined,
            strip=strip,
            status=status,
            use_settings=use_settings,
            controls=controls,
            compare=compare,
            compared=compared,
            edit=edit,
            facts=facts,
            ablation=ablation,
            comparison=comparison,
            share=share,
            summary=gr.JSON(visible=False, label="Summary"),
            run_id=text_box(visible=False, label="Run id"),
            revision=text_box(visible=False, label="Revision"),
            acted=gr.JSON(visible=False, label="Action"),
            dropped_file=gr.File(
                visible="hidden", file_types=SETTINGS_FILES, elem_id="dropped-file"
            ),
            refresh=gr.Button(visible="hidden", elem_id="refresh"),
            last_run=gr.BrowserState("", storage_key="longtake-run", secret="longtake"),
        )


def build_screen(prefix: str, is_streaming: bool, showcase: str = "") -> Screen:
    """A live player and, later in its place, the finished video; page.js switches between them."""
    with gr.Column(elem_id=f"{prefix}screen", elem_classes="screen", min_width=260):
        live = gr.Video(
            label=tr("Live, refined") if prefix else tr("Live"),
            streaming=is_streaming,
            autoplay=True,
            interactive=False,
            buttons=[],
            elem_id=f"{prefix}live",
            elem_classes=["live"] if is_streaming else ["live", "growing"],
        )
        result = gr.Video(
            label=tr("Finished, refined") if prefix else tr("Finished video"),
            interactive=False,
            visible=False,
            loop=True,
            buttons=[],
            elem_id=f"{prefix}result",
            elem_classes="result",
        )
        cover = gr.HTML(showcase, elem_id=f"{prefix}cover", elem_classes="cover")
        gr.HTML('<p class="pill" hidden></p>', elem_classes="pill-holder")  # page.js fills it
    download = gr.DownloadButton(
        tr("Download refined video") if prefix else tr("Download video"),
        visible=False,
        min_width=140,
        elem_id=f"{prefix}download",
        render=False,
    )
    return Screen(live=survive_ffmpeg(live), cover=cover, result=result, download=download)


def build_strip() -> gr.HTML:
    """The visitor's own runs. Its script asks for them and draws them."""
    scripts = (STATIC / name for name in ("run_actions.js", "strip.js"))
    return gr.HTML(
        html_template='<div class="strip"></div>',
        js_on_load="\n".join(script.read_text(encoding="utf-8") for script in scripts),
        elem_id="strip",
    )


def build_controls() -> Controls:
    """What is always visible while there is a run."""
    with gr.Column(elem_id="controls"):
        note = gr.Markdown(visible=False, elem_id="only-watching", elem_classes="quiet")
        script = (STATIC / "timeline.js").read_text(encoding="utf-8")
        timeline = gr.HTML(elem_id="timeline", js_on_load=script)
        script = (STATIC / "measures.js").read_text(encoding="utf-8")
        measures = gr.HTML(elem_id="measures", js_on_load=script)
        with gr.Row(elem_id="continue-buttons"):
            pause = small_button(tr("Pause"), 90, elem_id="pause")
            resume = small_button(tr("Resume"), 90, visible=False, elem_id="resume")
            more = gr.Number(
                label=tr("Number of chunks to add"),
                value=4,
                step=1,
                container=False,
                min_width=70,
                elem_id="more-chunks",
            )
            extend = small_button(tr("Add chunks"), 90, elem_id="extend")
            refine = small_button(tr("Refine video"), 90, visible=False, elem_id="refine-run")
    return Controls(
        note=note,
        timeline=timeline,
        measures=measures,
        pause=pause,
        resume=resume,
        refine=refine,
        more=more,
        extend=extend,
    )
