"""The two lists of runs, and what their buttons call: the strip and "Your videos"."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

import gradio as gr

from t2v.ui.errors import errors_shown
from t2v.ui.form import Updates
from t2v.ui.handlers import Handlers
from t2v.ui.panels import HistoryPanel
from t2v.ui.parameters import PRIVATE
from t2v.ui.render import RunView, shows_run


def connect_lists(panel: HistoryPanel, view: RunView, handlers: Handlers) -> None:
    connect_strip(view, handlers)
    connect_actions(panel, view, handlers)
    gr.on(
        [
            panel.accordion.expand,
            view.stage.summary.change,  # when a run starts, and when it ends
            view.stage.acted.change,
            panel.query.change,
            panel.only_favourites.change,
        ],
        handlers.history.find,
        [panel.query, panel.only_favourites, panel.known],
        panel.gallery,
        # The ids are the browser's own, from all of its tabs: see page.js.
        js="(query, favourites) => [query, favourites, longtake.known()]",
        trigger_mode="always_last",
        **PRIVATE,
    )


def connect_strip(view: RunView, handlers: Handlers) -> None:
    async def open_run(event: gr.SelectData, request: gr.Request) -> AsyncGenerator[Updates, None]:
        """Shows the run that was chosen, in place of the one that is shown."""
        with errors_shown():
            async for updates in handlers.watching.show(str(event.index), request):
                yield updates

    # Asked for by strip.js.
    gr.api(handlers.own_runs.poll, api_name="strip", api_visibility="undocumented", queue=False)
    # More than once: the stream of the run before continues until the new one takes its place.
    view.stage.strip.select(
        open_run, None, api_visibility="private", trigger_mode="multiple", **shows_run(view)
    )


def connect_actions(panel: HistoryPanel, view: RunView, handlers: Handlers) -> None:
    """The buttons on each run, and the one that deletes many."""
    stage, actions = view.stage, handlers.actions
    runs: tuple[Any, ...] = (stage.strip, panel.gallery)
    for shown in runs:
        shown.apply(
            actions.click,
            stage.run_id,
            [stage.acted, stage.share.favourite],
            trigger_mode="multiple",
            **PRIVATE,
        )
    for button, is_visible in ((panel.delete, True), (panel.keep, False)):
        button.click(partial(gr.update, visible=is_visible), None, panel.confirmation, **PRIVATE)
    # In Gradio's queue: only from there a toast reaches the page.
    panel.confirm.click(
        actions.delete_unfinished,
        panel.known,
        stage.acted,
        js="() => [longtake.known()]",
        api_visibility="private",
        show_progress="hidden",
    ).then(partial(gr.update, visible=False), None, panel.confirmation, **PRIVATE)
    stage.acted.change(None, stage.acted, None, js="(acted) => longtake.acted(acted)", **PRIVATE)
