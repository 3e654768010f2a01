"""What the form shows when something is chosen, typed, or taken from a run."""

from typing import Any

import gradio as gr

from t2v.errors import RunError
from t2v.runs.worker import Worker
from t2v.settings.presets import Preset
from t2v.ui.auth import Access
from t2v.ui.errors import errors_shown, tell
from t2v.ui.examples import preset_examples
from t2v.ui.form import Form, Updates
from t2v.ui.labels import (
    chunks_for,
    describe_length,
    describe_memory,
    describe_time,
    length_of,
    size_text,
)
from t2v.ui.parameters import find_preset
from t2v.ui.start import CHOOSE_AGAIN
from t2v.ui.texts.catalogue import sentences, tr
from t2v.ui.watching import run_to_show


class FormEvents:
    """The parts of the form that depend on each other, and on runs.

    Args:
        presets: by name.
    """

    def __init__(self, worker: Worker, presets: dict[str, Preset], form: Form, access: Access):
        self._worker = worker
        self._presets = presets
        self._form = form
        self._access = access

    def choose_preset(self, name: Any, applied: Any = "") -> Updates:
        """The defaults of a preset that was chosen.

        Args:
            applied: the preset of the form so far. Gradio's list says that it was used even when
                the keyboard only passes it.
        """
        if name == applied:
            return gr.skip()
        with errors_shown():
            return self._form.defaults(find_preset(self._presets, name))

    def describe_preset(self, name: Any) -> Updates:
        """What the form says about its preset: its examples, its description, its words."""
        with errors_shown():
            return self._form.described(find_preset(self._presets, name))

    def choose_example(self, event: gr.SelectData) -> Updates:
        """The prompt of an example; with a picture, all that the picture depends on.

        Args:
            event: with the place of the example and the preset that it belongs to: the form may
                have another one by now.
        """
        with errors_shown():
            chosen = find_preset(self._presets, event.value)
        example = preset_examples(chosen)[event.index]
        if example.config is None:
            return {self._form.settings["prompt"]: example.prompt}
        return self._form.repeated(example.config, chosen)

    def choose_length(self, seconds: Any, preset: Any) -> Any:
        """The fewest chunks that make at least this much video."""
        with errors_shown():
            chosen = find_preset(self._presets, preset)
        try:
            return chunks_for(max(0.0, seconds), chosen)
        except (TypeError, ValueError, OverflowError):  # it is still being typed
            return gr.skip()

    def length_of(self, num_chunks: Any, preset: Any, seconds: Any) -> Any:
        """The seconds for a number of chunks; those that are there stay if they fit."""
        with errors_shown():
            length = length_of(num_chunks, find_preset(self._presets, preset))
        fits = self.choose_length(seconds, preset) == num_chunks
        return gr.skip() if length is None or fits else length

    def estimate(
        self, num_chunks: Any, preset: Any, refine: Any, num_steps: Any, size: Any = ""
    ) -> str:
        """How long the video gets; how long it takes here and what it needs, if that is known."""
        with errors_shown():
            chosen = find_preset(self._presets, preset)
        text = describe_length(num_chunks, chosen, self._access.max_chunks)
        if length_of(num_chunks, chosen) is None or num_chunks > self._access.max_chunks:
            return text
        is_own_size = size in ("", None, size_text(chosen.frame_size))
        memory = describe_memory(chosen, bool(refine)) if is_own_size else ""
        seconds = self._seconds_for(num_chunks, chosen, refine, num_steps)
        return sentences(text, describe_time(seconds), memory)

    def estimate_later(
        self, num_chunks: Any, preset: Any, refine: Any, num_steps: Any, size: Any
    ) -> tuple[str, gr.Timer]:
        """The estimate, and a timer that asks again until the time of a chunk has been measured."""
        text = self.estimate(num_chunks, preset, refine, num_steps, size)
        seconds = self._seconds_for(1, find_preset(self._presets, preset), refine, num_steps)
        return text, gr.Timer(active=seconds is None)

    def _seconds_for(
        self, num_chunks: Any, preset: Preset, refine: Any, num_steps: Any
    ) -> float | None:
        """How long a video takes here; None if that is not known."""
        try:
            key = preset.name, int(num_steps), bool(refine)
        except (TypeError, ValueError, OverflowError):  # it is still being typed
            return None
        return self._worker.queue.throughput.estimate_for(key, num_chunks)

    def restore(self, last_run: Any, request: gr.Request) -> Updates:
        """The settings of the run that is shown, so that they can be seen and used again."""
        try:
            settings = self._worker.record(run_to_show(last_run, request) or "").settings
        except RunError:
            return gr.skip()
        return self._form.filled(settings.config, self._presets.get(settings.preset))

    def use_settings(self, run_id: Any) -> Updates:
        """The settings of a run, with its seed."""
        with errors_shown():
            settings = self._worker.record(run_id).settings
        if settings.begins_with:
            tell(tr(CHOOSE_AGAIN))
        return self._form.repeated(settings.config, self._presets.get(settings.preset))
