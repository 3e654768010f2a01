"""Commands of runs and of the library, for programs and for the buttons of the page."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from typing import Any, NamedTuple

import gradio as gr

from t2v.errors import ConfigError, PresetError
from t2v.runs.edits import check_whole_number, range_of
from t2v.runs.events import SegmentReady
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_events
from t2v.runs.record import ENDED, RunRecord
from t2v.runs.worker import Worker
from t2v.settings.declaration import brief
from t2v.settings.presets import Preset
from t2v.ui.auth import Access
from t2v.ui.errors import errors_shown, tell
from t2v.ui.form import Updates
from t2v.ui.labels import clean, count_chunks, in_seconds, seconds_at
from t2v.ui.render import favourite_button, summary
from t2v.ui.texts.catalogue import sentences, tr, tr_count
from t2v.ui.watching import Watching


MAX_PLACES = 1000  # that a run may be moved at once; more than any queue has


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


class Commands:
    """The commands that change a run, as the page and programs call them.

    Each checks that the visitor may change the run, and works on a thread: commands read and write
    files. Values are checked by the worker.

    The methods in `for_programs` return the run as JSON, as it is afterwards; the others are the
    buttons of the page.
    """

    def __init__(
        self, worker: Worker, presets: dict[str, Preset], watching: Watching, access: Access
    ):
        self._worker = worker
        self._presets = presets
        self._watching = watching
        self._access = access

    def for_programs(self) -> list[Callable[..., Any]]:
        return [
            self.pause,
            self.resume,
            self.extend,
            self.change_prompt,
            self.redo,
            self.refine,
            self.move,
            self.set_favourite,
            self.delete,
        ]

    async def pause(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Ends a run within one denoising step; `resume` continues it."""
        await self._run(run_id, request, lambda: self._worker.commands.pause(run_id))
        return await self._summary(run_id)

    async def resume(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Continues a run that was paused, stopped or interrupted, at its next chunk."""
        await self._run(run_id, request, lambda: self._worker.commands.resume(run_id))
        return await self._summary(run_id)

    async def extend(
        self, run_id: str, num_chunks: float, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Adds chunks to a video."""
        await self._run(run_id, request, lambda: self._extend(run_id, num_chunks))
        return await self._summary(run_id)

    async def change_prompt(
        self, run_id: str, prompt: str, blend: float = 0, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Changes the prompt from the next chunk on; `blend` chunks mix the old and the new one."""
        await self._run(run_id, request, lambda: self._change_prompt(run_id, prompt, blend))
        return await self._summary(run_id)

    async def redo(
        self,
        run_id: str,
        chunk: float,
        seed: float | None = None,
        prompt: str | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Regenerates a chunk (they count from 0) and all after it, with another seed or prompt."""
        await self._run(run_id, request, lambda: self._redo(run_id, chunk, seed, prompt))
        return await self._summary(run_id)

    async def refine(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Makes the refined video of a run that has ended without one; its frames stay."""
        await self._run(run_id, request, lambda: self._refine(run_id))
        return await self._summary(run_id)

    async def move(
        self, run_id: str, num_places: float, request: gr.Request | None = None
    ) -> list[str]:
        """Moves a run that waits among your own; returns the ids of those in their new order.

        Args:
            num_places: how many of them to pass; negative to be made earlier. Runs of other
                visitors keep their places.
        """

        def command() -> list[str]:
            check_whole_number("num_places", num_places, -MAX_PLACES, MAX_PLACES)
            return self._worker.move(
                run_id, int(num_places), lambda run: self._access.may_change(run, request)
            )

        outcome = await self._run(run_id, request, command)
        ids: list[str] = outcome.result
        return ids

    async def set_favourite(
        self, run_id: str, is_favourite: bool, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Marks a run as a favourite, which is never deleted to make room."""

        def command() -> None:
            if not isinstance(is_favourite, bool):
                raise ConfigError(f"is_favourite must be true or false, got {brief(is_favourite)}")
            self._worker.library.set_favourite(run_id, is_favourite)

        await self._run(run_id, request, command)
        return await self._summary(run_id)

    async def delete(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Removes a run that has ended, with all its files; returns what it was."""
        library = self._worker.library
        outcome = await self._run(run_id, request, lambda: library.delete(run_id))
        return summary(outcome.record)

    async def stop(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Ends a run within one denoising step; its chunks so far become the finished file."""

        def command() -> bool:
            self._worker.commands.stop(run_id)
            return self._worker.record(run_id).state in ENDED

        has_ended = (await self._run(run_id, request, command)).result
        return gr.update(value=tr("Stop") if has_ended else tr("Stopping…"), interactive=False)

    async def click_pause(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        await self.pause(run_id, request)
        return gr.update(value=tr("Pausing…"), interactive=False)

    async def click_resume(
        self, run_id: str, request: gr.Request | None = None
    ) -> AsyncGenerator[Updates, None]:
        outcome = await self._run(run_id, request, lambda: self._worker.commands.resume(run_id))
        async for updates in self._watch(run_id, request, outcome):
            yield updates

    async def click_extend(
        self, run_id: str, num_chunks: float, request: gr.Request | None = None
    ) -> AsyncGenerator[Updates, None]:
        def command() -> str:
            self._extend(run_id, num_chunks)
            return tr("{chunks} added.", chunks=count_chunks(int(num_chunks)))

        outcome = await self._run(run_id, request, command)
        async for updates in self._watch(run_id, request, outcome):
            yield updates

    async def click_change_prompt(
        self, run_id: str, prompt: str, blend: float, request: gr.Request | None = None
    ) -> AsyncGenerator[Updates, None]:
        def command() -> str:
            is_ended = self._worker.record(run_id).state in ENDED
            chunk = self._change_prompt(run_id, prompt, blend)
            changes = tr("The prompt changes at {place}.", place=self._position(run_id, chunk))
            return sentences(changes, tr("The video is being continued now.") if is_ended else "")

        outcome = await self._run(run_id, request, command)
        async for updates in self._watch(run_id, request, outcome):
            yield updates

    async def ask_redo(
        self,
        run_id: str,
        chunk: float,
        is_new_seed: bool,
        prompt: str,
        request: gr.Request | None = None,
    ) -> AsyncGenerator[Updates, None]:
        """Regenerates at once where no other chunk is lost, and else asks first."""
        edit = self._watching.view.stage.edit
        with errors_shown():
            question = await asyncio.to_thread(self._question_of_redo, run_id, chunk)
        if question:
            yield {edit.confirmation: gr.update(visible=True), edit.question: question}
            return
        async for updates in self.click_redo(run_id, chunk, is_new_seed, prompt, request):
            yield updates

    async def click_redo(
        self,
        run_id: str,
        chunk: float,
        is_new_seed: bool,
        prompt: str,
        request: gr.Request | None = None,
    ) -> AsyncGenerator[Updates, None]:
        def command() -> str:
            seed = random.randint(*range_of("seed")) if is_new_seed is True else None
            num_later = self._num_made_after(run_id, chunk)
            self._redo(run_id, chunk, seed, prompt or None)
            return tr(
                "Regenerating from {place}. It and {later} are replaced.",
                place=self._position(run_id, int(chunk)),
                later=tr_count("{n} later chunk", "{n} later chunks", num_later),
            )

        outcome = await self._run(run_id, request, command)
        async for updates in self._watch(run_id, request, outcome):
            yield updates

    async def click_refine(
        self, run_id: str, request: gr.Request | None = None
    ) -> AsyncGenerator[Updates, None]:
        def command() -> str:
            before = self._worker.record(run_id).settings
            self._refine(run_id)
            num_chunks = self._worker.record(run_id).settings.config.num_chunks
            if num_chunks == before.config.num_chunks:
                return tr("The video is being refined.")
            chunks = count_chunks(num_chunks)
            return tr("The {chunks} that were made are being refined.", chunks=chunks)

        outcome = await self._run(run_id, request, command)
        async for updates in self._watch(run_id, request, outcome):
            yield updates

    async def click_favourite(
        self, run_id: str, request: gr.Request | None = None
    ) -> dict[str, Any]:
        def command() -> bool:
            is_favourite = not self._worker.record(run_id).is_favourite
            self._worker.library.set_favourite(run_id, is_favourite)
            return is_favourite

        outcome = await self._run(run_id, request, command)
        return favourite_button(outcome.result)

    async def click_delete(self, run_id: str, request: gr.Request | None = None) -> None:
        await self.delete(run_id, request)

    async def _run(
        self, run_id: str, request: gr.Request | None, command: Callable[[], Any]
    ) -> Outcome:
        """Check the visitor's rights and run a command, on a thread. The only way to a command."""

        def checked() -> Outcome:
            record = self._worker.record(run_id)
            self._access.check_may_change(record, request)
            was_live, _ = self._worker.queue.live_events(run_id)
            return Outcome(record, was_live, command())

        with errors_shown():
            return await asyncio.to_thread(checked)

    async def _watch(
        self, run_id: str, request: gr.Request | None, outcome: Outcome
    ) -> AsyncGenerator[Updates, None]:
        """Say what a command did, and watch the run that it has continued.

        If the run was live, its visitor is watching it already.
        """
        if outcome.result:
            tell(outcome.result)
        if outcome.was_live:
            yield gr.skip()
            return
        async for updates in self._watching.show(run_id, request):
            yield updates

    async def _summary(self, run_id: str) -> dict[str, Any]:
        with errors_shown():
            return summary(await asyncio.to_thread(self._worker.record, run_id))

    def _extend(self, run_id: str, num_chunks: float) -> None:
        before = self._worker.record(run_id).settings.config.num_chunks
        self._access.check_length(num_chunks, before)
        self._worker.commands.extend(run_id, num_chunks)

    def _change_prompt(self, run_id: str, prompt: str, blend: float) -> int:
        """Returns the chunk from which the prompt changes."""
        return self._worker.commands.change_prompt(run_id, clean(prompt), blend)

    def _redo(self, run_id: str, chunk: float, seed: float | None, prompt: str | None) -> None:
        self._worker.commands.redo(run_id, chunk, seed=seed, prompt=clean(prompt))

    def _num_made_after(self, run_id: str, chunk: Any) -> int:
        """Chunks of the preview that are there, after this one; 0 for what is no chunk."""
        if isinstance(chunk, bool) or not isinstance(chunk, int | float) or not chunk >= 0:
            return 0
        events = iter_events(RunFolder.open(self._worker.runs_dir, run_id))
        made = (event for event in events if isinstance(event, SegmentReady))
        return sum(event.track == "preview" and event.index > chunk for event in made)

    def _question_of_redo(self, run_id: str, chunk: Any) -> str:
        """What is lost by regenerating a chunk; "" if nothing but the chunk itself."""
        num_later = self._num_made_after(run_id, chunk)
        if not num_later:
            return ""
        return tr(
            "Regenerate from {place}? It and {later} are lost, and made again.",
            place=self._position(run_id, int(chunk)),
            later=tr_count("{n} later chunk", "{n} later chunks", num_later),
        )

    def _refine(self, run_id: str) -> None:
        settings = self._worker.record(run_id).settings
        preset = self._presets.get(settings.preset)
        if preset is None:
            raise PresetError(f"this server does not have preset {settings.preset}")
        refiner = preset.at_size(settings.config.frame_size).find_refiner()
        self._worker.commands.refine(run_id, refiner)

    def _position(self, run_id: str, chunk: int) -> str:
        seconds = seconds_at(self._worker.record(run_id).settings, chunk)
        return tr("chunk {n}, {time} into the video", n=chunk, time=in_seconds(seconds, 1))


def choose_chunk(event: gr.SelectData) -> tuple[Any, dict[str, Any]]:
    """A click in the timeline: (the chunk, the opened panel of what can be done with it)."""
    return event.index, gr.update(open=True)
