"""What the buttons of a run do: a command to its worker, and then it is watched if nobody does."""

import random
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

import gradio as gr

from t2v.config import LIMITS
from t2v.ui.handlers import Handlers
from t2v.ui.parts import PRIVATE
from t2v.ui.stage import Stage
from t2v.ui.status import count
from t2v.ui.timeline import seconds_of
from t2v.ui.view import View, favourite_button
from t2v.ui.words import clean, errors_shown


class Commanding:
    """Every value is checked by the worker, as for programs."""

    def __init__(self, handlers: Handlers):
        self._handlers = handlers
        self._worker = handlers.worker
        self._steered = handlers.steered

    def pause(self, run_id, request: gr.Request | None = None):
        self._steered.pause(run_id, request)
        return gr.update(value="Pausing…", interactive=False)

    async def resume(self, run_id, request: gr.Request | None = None) -> AsyncIterator[View]:
        async for view in self._go_on(run_id, request, lambda: self._worker.resume(run_id)):
            yield view

    async def extend(
        self, run_id, num_chunks, request: gr.Request | None = None
    ) -> AsyncIterator[View]:
        def command() -> str:
            self._steered.extend(run_id, num_chunks)
            return f"{count(int(num_chunks), 'chunk')} more."

        async for view in self._go_on(run_id, request, command):
            yield view

    async def change_prompt(
        self, run_id, prompt, blend, request: gr.Request | None = None
    ) -> AsyncIterator[View]:
        def command() -> str:
            chunk = self._worker.change_prompt(run_id, clean(prompt), blend)
            return f"The prompt changes at {self._place(run_id, chunk)}."

        async for view in self._go_on(run_id, request, command):
            yield view

    async def redo(
        self, run_id, chunk, is_new_seed, prompt, request: gr.Request | None = None
    ) -> AsyncIterator[View]:
        def command() -> str:
            seed = random.randint(*LIMITS["seed"]) if is_new_seed is True else None
            words = clean(prompt) if prompt else None
            self._worker.redo(run_id, chunk, seed=seed, prompt=words)
            return f"Made anew from {self._place(run_id, int(chunk))}."

        async for view in self._go_on(run_id, request, command):
            yield view

    def toggle_favourite(self, run_id, request: gr.Request | None = None):
        with errors_shown():
            is_favourite = not self._worker.record(run_id).is_favourite
        self._steered.set_favourite(run_id, is_favourite, request)
        return favourite_button(is_favourite)

    def delete(self, run_id, request: gr.Request | None = None) -> None:
        self._steered.delete(run_id, request)

    def _place(self, run_id: str, chunk: int) -> str:
        seconds = seconds_of(self._worker.record(run_id).settings, chunk)
        return f"chunk {chunk}, {seconds:.1f} s into the video"

    async def _go_on(
        self, run_id, request: gr.Request | None, command: Callable[[], str | None]
    ) -> AsyncIterator[View]:
        """Who made the run is watching it as long as it goes on; one that had ended is watched
        from here."""
        with errors_shown():
            self._handlers.rights.check(self._worker.record(run_id), request)
            is_watched, _ = self._worker.line.moments(run_id)
            said = command()
        if is_watched:
            if said:
                gr.Info(said)
            yield View()
            return
        async for view in self._handlers.show(run_id, request):
            yield view


def choose_chunk(event: gr.SelectData):
    """A click in the timeline: (the chunk, the accordion with what can be done)."""
    return event.index, gr.update(open=True)


def connect_controls(
    stage: Stage, commanding: Commanding, run_id: gr.Textbox, watching: dict[str, Any]
) -> None:
    """Which button of a run calls what.

    Args:
        watching: options of an event that shows a run until it ends.
    """
    controls, steering, share = stage.controls, stage.steering, stage.share
    # More than once: the first click may still be watching what it set going.
    going_on = {"api_visibility": "private", "trigger_mode": "multiple", **watching}

    controls.pause.click(commanding.pause, run_id, controls.pause, **PRIVATE)
    controls.resume.click(commanding.resume, run_id, **going_on)
    controls.extend.click(commanding.extend, [run_id, controls.more], **going_on)
    steering.change.click(
        commanding.change_prompt, [run_id, steering.prompt, steering.blend], **going_on
    )
    steering.redo.click(
        commanding.redo,
        [run_id, steering.chunk, steering.is_new_seed, steering.other_prompt],
        **going_on,
    )
    controls.timeline.select(choose_chunk, None, [steering.chunk, steering.accordion], **PRIVATE)

    share.favourite.click(commanding.toggle_favourite, run_id, share.favourite, **PRIVATE)
    for button, is_asked in ((share.delete, True), (share.keep, False)):
        button.click(partial(gr.update, visible=is_asked), None, share.confirmation, **PRIVATE)
    share.confirm.click(commanding.delete, run_id, None, **PRIVATE).success(
        None, run_id, None, js="(id) => longtake.leave(id)", **PRIVATE
    )
