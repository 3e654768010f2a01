"""Commands of runs and of the library, as programs call them."""

import asyncio
from collections.abc import Callable
from typing import Any

import gradio as gr

from t2v.errors import ConfigError
from t2v.runs.edits import check_whole_number
from t2v.runs.worker import Worker
from t2v.settings.declaration import brief
from t2v.ui.auth import Access
from t2v.ui.errors import errors_shown
from t2v.ui.render import summary
from t2v.ui.visitor_commands import VisitorCommands


MAX_PLACES = 1000  # that a run may be moved at once; more than any queue has


class Commands:
    """The commands that change a run; each returns the run as JSON, as it is afterwards."""

    def __init__(self, worker: Worker, visitors: VisitorCommands, access: Access):
        self._worker = worker
        self._visitors = visitors
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
        await self._visitors.run(run_id, request, lambda: self._worker.commands.pause(run_id))
        return await self._summary(run_id)

    async def resume(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Continues a run that was paused, stopped or interrupted, at its next chunk."""
        await self._visitors.run(run_id, request, lambda: self._worker.commands.resume(run_id))
        return await self._summary(run_id)

    async def extend(
        self, run_id: str, num_chunks: float, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Adds chunks to a video."""
        await self._visitors.run(run_id, request, lambda: self._visitors.extend(run_id, num_chunks))
        return await self._summary(run_id)

    async def change_prompt(
        self, run_id: str, prompt: str, blend: float = 0, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Changes the prompt from the next chunk on; `blend` chunks mix the old and the new one."""
        await self._visitors.run(
            run_id, request, lambda: self._visitors.change_prompt(run_id, prompt, blend)
        )
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
        await self._visitors.run(
            run_id, request, lambda: self._visitors.redo(run_id, chunk, seed, prompt)
        )
        return await self._summary(run_id)

    async def refine(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Makes the refined video of a run that has ended without one; its frames stay."""
        await self._visitors.run(run_id, request, lambda: self._visitors.refine(run_id))
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

        outcome = await self._visitors.run(run_id, request, command)
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

        await self._visitors.run(run_id, request, command)
        return await self._summary(run_id)

    async def delete(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Removes a run that has ended, with all its files; returns what it was."""
        library = self._worker.library
        outcome = await self._visitors.run(run_id, request, lambda: library.delete(run_id))
        return summary(outcome.record)

    async def _summary(self, run_id: str) -> dict[str, Any]:
        with errors_shown():
            return summary(await asyncio.to_thread(self._worker.record, run_id))
