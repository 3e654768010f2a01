"""The buttons of the page that change the run which is shown."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from typing import Any

import gradio as gr

from t2v.runs.edits import range_of
from t2v.runs.events import SegmentReady
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_events
from t2v.runs.record import ENDED
from t2v.runs.worker import Worker
from t2v.ui.errors import errors_shown, tell
from t2v.ui.form import Updates
from t2v.ui.labels import count_chunks, in_seconds, seconds_at
from t2v.ui.render import favourite_button
from t2v.ui.texts.catalogue import sentences, tr, tr_count
from t2v.ui.visitor_commands import VisitorCommands
from t2v.ui.watching import Watching


NUM_ASKED = 4  # values of a question: run, chunk, whether the seed is new, prompt


class CommandButtons:
    """What the buttons do: give a command, say what it did, and watch the run that goes on."""

    def __init__(self, worker: Worker, visitors: VisitorCommands, watching: Watching):
        self._worker = worker
        self._visitors = visitors
        self._watching = watching

    async def stop(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Ends a run within one denoising step; its chunks so far become the finished file."""

        def command() -> bool:
            self._worker.commands.stop(run_id)
            return self._worker.record(run_id).state in ENDED

        has_ended = (await self._visitors.run(run_id, request, command)).result
        return gr.update(value=tr("Stop") if has_ended else tr("Stopping…"), interactive=False)

    async def click_pause(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        await self._visitors.run(run_id, request, lambda: self._worker.commands.pause(run_id))
        return gr.update(value=tr("Pausing…"), interactive=False)

    async def click_resume(
        self, run_id: str, request: gr.Request | None = None
    ) -> AsyncGenerator[Updates, None]:
        async for updates in self._run(
            run_id, request, lambda: self._worker.commands.resume(run_id)
        ):
            yield updates

    async def click_extend(
        self, run_id: str, num_chunks: float, request: gr.Request | None = None
    ) -> AsyncGenerator[Updates, None]:
        def command() -> str:
            self._visitors.extend(run_id, num_chunks)
            return tr("{chunks} added.", chunks=count_chunks(int(num_chunks)))

        async for updates in self._run(run_id, request, command):
            yield updates

    async def click_change_prompt(
        self, run_id: str, prompt: str, blend: float, request: gr.Request | None = None
    ) -> AsyncGenerator[Updates, None]:
        def command() -> str:
            is_ended = self._worker.record(run_id).state in ENDED
            chunk = self._visitors.change_prompt(run_id, prompt, blend)
            changes = tr("The prompt changes at {place}.", place=self._position(run_id, chunk))
            return sentences(changes, tr("The video is being continued now.") if is_ended else "")

        async for updates in self._run(run_id, request, command):
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
        num_later = await self._num_made_after(run_id, chunk)
        if num_later:
            question = await asyncio.to_thread(self._question_of_redo, run_id, chunk, num_later)
            yield {
                edit.confirmation: gr.update(visible=True),
                edit.question: question,
                edit.asked: [run_id, chunk, is_new_seed, prompt],
            }
            return
        async for updates in self._redo(run_id, chunk, is_new_seed, prompt, request, num_later):
            yield updates

    async def click_redo(
        self,
        run_id: str,
        chunk: float,
        is_new_seed: bool,
        prompt: str,
        request: gr.Request | None = None,
    ) -> AsyncGenerator[Updates, None]:
        num_later = await self._num_made_after(run_id, chunk)
        async for updates in self._redo(run_id, chunk, is_new_seed, prompt, request, num_later):
            yield updates

    async def confirm_redo(
        self, asked: Any, request: gr.Request | None = None
    ) -> AsyncGenerator[Updates, None]:
        """Regenerates what the question was about, whatever the form says by now."""
        if not isinstance(asked, list) or len(asked) != NUM_ASKED:  # browsers can send anything
            yield gr.skip()
            return
        run_id, chunk, is_new_seed, prompt = asked
        async for updates in self.click_redo(run_id, chunk, is_new_seed, prompt, request):
            yield updates

    async def click_refine(
        self, run_id: str, request: gr.Request | None = None
    ) -> AsyncGenerator[Updates, None]:
        def command() -> str:
            before = self._worker.record(run_id).settings
            self._visitors.refine(run_id)
            num_chunks = self._worker.record(run_id).settings.config.num_chunks
            if num_chunks == before.config.num_chunks:
                return tr("The video is being refined.")
            chunks = count_chunks(num_chunks)
            return tr("The {chunks} that were made are being refined.", chunks=chunks)

        async for updates in self._run(run_id, request, command):
            yield updates

    async def click_favourite(
        self, run_id: str, request: gr.Request | None = None
    ) -> dict[str, Any]:
        def command() -> bool:
            is_favourite = not self._worker.record(run_id).is_favourite
            self._worker.library.set_favourite(run_id, is_favourite)
            return is_favourite

        outcome = await self._visitors.run(run_id, request, command)
        return favourite_button(outcome.result)

    async def click_delete(self, run_id: str, request: gr.Request | None = None) -> None:
        await self._visitors.run(run_id, request, lambda: self._worker.library.delete(run_id))

    async def _redo(
        self,
        run_id: str,
        chunk: float,
        is_new_seed: bool,
        prompt: str,
        request: gr.Request | None,
        num_later: int,
    ) -> AsyncGenerator[Updates, None]:
        """Regenerates a chunk and the `num_later` that were made after it."""

        def command() -> str:
            seed = random.randint(*range_of("seed")) if is_new_seed is True else None
            self._visitors.redo(run_id, chunk, seed, prompt or None)
            return tr(
                "Regenerating from {place}. It and {later} are replaced.",
                place=self._position(run_id, int(chunk)),
                later=tr_count("{n} later chunk", "{n} later chunks", num_later),
            )

        async for updates in self._run(run_id, request, command):
            yield updates

    async def _run(
        self, run_id: str, request: gr.Request | None, command: Callable[[], Any]
    ) -> AsyncGenerator[Updates, None]:
        """Runs a command, shows what it returns, and streams the run that it has continued.

        If the run was live, its visitor is watching it already.
        """
        outcome = await self._visitors.run(run_id, request, command)
        if outcome.result:
            tell(outcome.result)
        if outcome.was_live:
            yield gr.skip()
            return
        async for updates in self._watching.show(run_id, request):
            yield updates

    async def _num_made_after(self, run_id: str, chunk: Any) -> int:
        """Chunks of the preview that are there, after this one; 0 for what is no chunk."""
        if isinstance(chunk, bool) or not isinstance(chunk, int | float) or not chunk >= 0:
            return 0

        def count() -> int:
            events = iter_events(RunFolder.open(self._worker.runs_dir, run_id))
            made = (event for event in events if isinstance(event, SegmentReady))
            return sum(event.track == "preview" and event.index > chunk for event in made)

        with errors_shown():
            return await asyncio.to_thread(count)

    def _question_of_redo(self, run_id: str, chunk: float, num_later: int) -> str:
        """What is lost by regenerating a chunk."""
        return tr(
            "Regenerate from {place}? It and {later} are lost, and made again.",
            place=self._position(run_id, int(chunk)),
            later=tr_count("{n} later chunk", "{n} later chunks", num_later),
        )

    def _position(self, run_id: str, chunk: int) -> str:
        seconds = seconds_at(self._worker.record(run_id).settings, chunk)
        return tr("chunk {n}, {time} into the video", n=chunk, time=in_seconds(seconds, 1))


def ask_delete(run_id: str) -> tuple[dict[str, Any], str]:
    """Asks whether to delete a run: (the opened question, the run that it is about)."""
    return gr.update(visible=True), run_id


def choose_chunk(event: gr.SelectData) -> tuple[Any, dict[str, Any]]:
    """A click in the timeline: (the chunk, the opened panel of what can be done with it)."""
    return event.index, gr.update(open=True)
