"""The page without a server or a browser: its handlers, and what they show, by name."""

from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import gradio as gr

from t2v.runs.worker import Worker
from t2v.settings.presets import Preset
from t2v.ui.auth import Access
from t2v.ui.form import Updates
from t2v.ui.form_layout import build_form
from t2v.ui.handlers import Handlers
from t2v.ui.parameters import OF_SOME_PRESETS
from t2v.ui.render import RunView
from t2v.ui.stage import build_stage


class Shown(NamedTuple):
    """One value for every component that shows a run, in the order of `RunView.outputs`.

    Those that stay as they are have `gr.skip()`.
    """

    live: Any
    status: Any
    result: Any
    summary: Any
    seed: Any
    run_id: Any
    download: Any
    stop: Any
    refined_live: Any
    refined_result: Any
    refined_download: Any
    compare: Any
    compared: Any
    timeline: Any
    pause: Any
    resume: Any
    redo: Any
    change: Any
    favourite: Any
    delete: Any
    note: Any
    facts: Any
    revision: Any
    extend: Any
    cover: Any
    refined_cover: Any
    refine: Any
    edit: Any
    measures: Any


class Page:
    """The handlers of a page, as its events call them."""

    def __init__(
        self,
        worker: Worker,
        presets: dict[str, Preset],
        access: Access | None = None,
        *,
        is_streaming: bool = True,
    ):
        self.worker = worker
        with gr.Blocks():
            self.form = build_form(presets, next(iter(presets)))
            self.stage = build_stage(is_streaming)
        self.view = RunView(self.form, self.stage, presets)
        handlers = Handlers.create(
            worker, presets, self.view, access or Access(), is_streaming=is_streaming
        )
        self.generation = handlers.generation
        self.form_events = handlers.form_events
        self.watching = handlers.watching
        self.commands = handlers.commands
        self.buttons = handlers.buttons
        self.downloads = handlers.downloads
        self.history = handlers.history
        self.ablation = handlers.ablation
        self.own_runs = handlers.own_runs
        self.actions = handlers.actions
        self.slices = handlers.slices
        self.comparisons = handlers.comparisons

    def shown(self, updates: Updates) -> Shown:
        known = {} if updates == gr.skip() else updates
        assert known.keys() <= set(self.view.outputs)  # Gradio refuses others
        return Shown(*(known.get(output, gr.skip()) for output in self.view.outputs))

    def settings(self, updates: Updates) -> dict[str, Any]:
        """The updates of the form's settings, by parameter name.

        Only the value of settings that are shown with some presets: see `visible`.
        """
        names = {component: name for name, component in self.form.settings.items()}
        found = {names[part]: value for part, value in updates.items() if part in names}
        plain = OF_SOME_PRESETS - {"refine"}
        return {
            name: value["value"] if name in plain and isinstance(value, dict) else value
            for name, value in found.items()
            if not isinstance(value, dict) or "value" in value
        }

    def visible(self, updates: Updates) -> dict[str, bool]:
        """Which settings the updates show and which they hide, by parameter name."""
        names = {component: name for name, component in self.form.settings.items()}
        return {
            names[part]: value["visible"]
            for part, value in updates.items()
            if part in names and isinstance(value, dict) and "visible" in value
        }

    async def generate(
        self, request: gr.Request | None = None, **values: Any
    ) -> AsyncGenerator[Shown, None]:
        async for updates in self.generation.generate(request, **values):
            yield self.shown(updates)

    async def attach(self, last_run: Any, request: gr.Request) -> AsyncGenerator[Shown, None]:
        async for updates in self.watching.attach(last_run, request):
            yield self.shown(updates)

    async def show(
        self, run_id: str, request: gr.Request | None = None
    ) -> AsyncGenerator[Shown, None]:
        async for updates in self.watching.show(run_id, request):
            yield self.shown(updates)

    async def click(self, name: str, *values: Any) -> AsyncGenerator[Shown, None]:
        """What a button of the page shows, such as "resume"."""
        async for updates in getattr(self.buttons, f"click_{name}")(*values):
            yield self.shown(updates)
