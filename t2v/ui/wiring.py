"""The page: its parts, and what they call."""

from pathlib import Path

import gradio as gr

from t2v.runs.worker import Worker
from t2v.settings.presets import Preset
from t2v.ui.auth import Access
from t2v.ui.evidence import Evidence
from t2v.ui.examples import showcase
from t2v.ui.form_layout import build_form
from t2v.ui.form_wiring import (
    connect_generation,
    connect_length,
    connect_preset,
    connect_settings_files,
)
from t2v.ui.handlers import Handlers
from t2v.ui.hints import connect_hints
from t2v.ui.lists import connect_lists
from t2v.ui.panels import build_evidence_panel, build_history_panel
from t2v.ui.render import RunView
from t2v.ui.run_wiring import (
    connect_ablation,
    connect_buttons,
    connect_comparison,
    connect_downloads,
    connect_evidence,
    connect_watching,
)
from t2v.ui.server import TITLE
from t2v.ui.stage import build_header, build_stage
from t2v.ui.start import connect_start
from t2v.ui.texts.page import Page


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
    """Builds the page in every language.

    Args:
        default: name of the preset that is selected at first.
        access: who may do what; by default, visitors see and change their own runs only.
        reason: why the default preset was chosen, one sentence.
        is_streaming: see `can_stream`.
        evidence: folder of a benchmark whose tables are shown; it may come later.
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
    """Builds the page in the current language; see `build_page`."""
    with Page(title=TITLE, fill_width=True, analytics_enabled=False, delete_cache=CACHE) as page:
        build_header(is_streaming)
        with gr.Row(elem_id="columns"):
            form = build_form(presets, default, reason)
            stage = build_stage(is_streaming, showcase(presets[default]))
        history = build_history_panel()
        evidence_panel = build_evidence_panel()
        view = RunView(form, stage, presets)
        handlers = Handlers.create(worker, presets, view, access, is_streaming=is_streaming)
        connect_programs(handlers)
        connect_generation(form, view, handlers)
        connect_start(form.start, form.settings, form.preset, handlers.generation.starts)
        connect_hints(form, stage, presets, handlers.form_events)
        connect_preset(form, presets, default, reason, handlers.form_events)
        connect_length(page, form, stage, handlers.form_events)
        connect_watching(page, view, handlers)
        connect_buttons(view, handlers.buttons)
        connect_downloads(view, handlers)
        connect_settings_files(view, handlers.downloads)
        connect_ablation(stage, handlers.ablation)
        connect_comparison(stage, handlers)
        connect_lists(history, view, handlers)
        connect_evidence(page, evidence_panel, evidence)
        page.unload(lambda: None)  # lets Gradio free the segments of a page that was closed
    return page


def connect_programs(handlers: Handlers) -> None:
    """Connects the endpoints that have no component.

    They come first, so that they get the names, and not the buttons that do the same.
    """
    gr.api(handlers.history.describe_run, api_name="run", queue=False)
    gr.api(handlers.history.runs, api_name="runs", queue=False)
    for command in handlers.commands.for_programs():
        gr.api(command, api_name=command.__name__, queue=False)
