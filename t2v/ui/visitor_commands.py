"""Commands of visitors: the only way from the page and its endpoints to the commands of runs."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import gradio as gr

from t2v.errors import PresetError
from t2v.runs.record import RunRecord
from t2v.runs.worker import Worker
from t2v.settings.presets import Preset
from t2v.ui.auth import Access
from t2v.ui.errors import errors_shown
from t2v.ui.labels import clean


class Outcome(NamedTuple):
    """A command that was carried out.

    Args:
        record: of the run, before the command.
        was_live: the run was waiting or being made, so its owner is watching it.
        result: what the command returned.
    """

    record: RunRecord
    was_live: bool
    result: Any


class VisitorCommands:
    """Checks the rights of visitors and the limits of this server; the worker checks all else.

    `run` runs a command on a thread: commands read and write files. The others are such commands.
    """

    def __init__(self, worker: Worker, presets: dict[str, Preset], access: Access):
        self._worker = worker
        self._presets = presets
        self._access = access

    async def run(
        self, run_id: str, request: gr.Request | None, command: Callable[[], Any]
    ) -> Outcome:
        """Checks the visitor's rights and runs a command, on a thread."""

        def checked() -> Outcome:
            record = self._worker.record(run_id)
            self._access.check_may_change(record, request)
            was_live, _ = self._worker.queue.live_events(run_id)
            return Outcome(record, was_live, command())

        with errors_shown():
            return await asyncio.to_thread(checked)

    def extend(self, run_id: str, num_chunks: float) -> None:
        before = self._worker.record(run_id).settings.config.num_chunks
        self._access.check_length(num_chunks, before)
        self._worker.commands.extend(run_id, num_chunks)

    def change_prompt(self, run_id: str, prompt: str, blend: float) -> int:
        """Returns the chunk from which the prompt changes."""
        return self._worker.commands.change_prompt(run_id, clean(prompt), blend)

    def redo(self, run_id: str, chunk: float, seed: float | None, prompt: str | None) -> None:
        self._worker.commands.redo(run_id, chunk, seed=seed, prompt=clean(prompt))

    def refine(self, run_id: str) -> None:
        settings = self._worker.record(run_id).settings
        preset = self._presets.get(settings.preset)
        if preset is None:
            raise PresetError(f"this server does not have preset {settings.preset}")
        refiner = preset.at_size(settings.config.frame_size).find_refiner()
        self._worker.commands.refine(run_id, refiner)
