"""Commands of runs and the library, for programs and for the page."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from t2v.config import LIMITS, check_whole
from t2v.errors import ConfigError
from t2v.jobs.worker import Worker
from t2v.ui.visitors import Rights
from t2v.ui.words import clean, errors_shown, summary


class Steered:
    """Every command takes plain values and returns the run as JSON, as it is then; whoever may not
    change the run is told so in words.

    Args:
        max_chunks: of one video, also of one that is extended.
        rights: who may change which run.
    """

    def __init__(
        self,
        worker: Worker,
        max_chunks: int = LIMITS["num_chunks"][1],
        rights: Rights | None = None,
    ):
        self._worker = worker
        self._max_chunks = max_chunks
        self._rights = rights or Rights()

    def commands(self) -> list[Callable]:
        return [
            self.pause,
            self.resume,
            self.extend,
            self.change_prompt,
            self.redo,
            self.set_favourite,
            self.delete,
        ]

    def pause(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Ends a run within one denoising step; `resume` lets it go on."""
        return self._do(run_id, request, lambda: self._worker.pause(run_id))

    def resume(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """A run that was paused, stopped or interrupted goes on at its next chunk."""
        return self._do(run_id, request, lambda: self._worker.resume(run_id))

    def extend(
        self, run_id: str, num_chunks: float, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Adds so many chunks to a video."""

        def extend() -> None:
            check_whole("num_chunks", num_chunks, 1, self._max_chunks)
            before = self._worker.record(run_id).settings.config.num_chunks
            if before + num_chunks > self._max_chunks:
                raise ConfigError(
                    f"a video may have {self._max_chunks} chunks on this server, and this one "
                    f"has {before} already"
                )
            self._worker.extend(run_id, num_chunks)

        return self._do(run_id, request, extend)

    def change_prompt(
        self, run_id: str, prompt: str, blend: float = 0, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """Another prompt for what comes next; `blend` chunks mix the old and the new one."""
        return self._do(
            run_id, request, lambda: self._worker.change_prompt(run_id, clean(prompt), blend)
        )

    def redo(
        self,
        run_id: str,
        chunk: float,
        seed: float | None = None,
        prompt: str | None = None,
        request: gr.Request | None = None,
    ) -> dict[str, Any]:
        """Makes a chunk (they count from 0) and all after it anew, with another seed or prompt."""
        return self._do(
            run_id,
            request,
            lambda: self._worker.redo(run_id, chunk, seed=seed, prompt=clean(prompt)),
        )

    def set_favourite(
        self, run_id: str, is_favourite: bool, request: gr.Request | None = None
    ) -> dict[str, Any]:
        """A favourite is never cleaned up."""
        return self._do(
            run_id, request, lambda: self._worker.library.set_favourite(run_id, is_favourite)
        )

    def delete(self, run_id: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Removes a run that has ended, with all its files; returns what it was."""
        with errors_shown():
            record = self._worker.record(run_id)
            self._rights.check(record, request)
            self._worker.library.delete(run_id)
        return summary(record)

    def _do(
        self, run_id: str, request: gr.Request | None, command: Callable[[], Any]
    ) -> dict[str, Any]:
        with errors_shown():
            self._rights.check(self._worker.record(run_id), request)
            command()
            return summary(self._worker.record(run_id))
