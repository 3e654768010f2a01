"""Hints beside the form.

They name the words that the model does not know, and say when the form and the shown video have
different settings.
"""

import asyncio
import json
from typing import Any

import gradio as gr

from t2v.settings.presets import Preset
from t2v.settings.vocabulary import unknown_words
from t2v.ui.form import Form
from t2v.ui.form_events import FormEvents
from t2v.ui.labels import clean
from t2v.ui.parameters import PRIVATE, page_settings, parameter_name
from t2v.ui.stage import Stage
from t2v.ui.texts.catalogue import tr


class Hints:
    """Hints that the server works out.

    Args:
        presets: by name.
    """

    def __init__(self, presets: dict[str, Preset]):
        self._presets = presets

    async def mark_unknown_words(self, prompt: Any, preset: Any) -> dict[str, Any]:
        """The line under the prompt. Reads a file, on a thread."""
        text = clean(prompt)
        if not isinstance(text, str) or preset not in self._presets:
            return gr.update(value="", visible=False)
        words = await asyncio.to_thread(unknown_words, self._presets[preset], text)
        return gr.update(value=describe_unknown(words), visible=bool(words))


def describe_unknown(words: list[str]) -> str:
    """HTML-free Markdown that marks the words."""
    marked = ", ".join(f"`{word}`" for word in words)
    if not words:
        return ""
    return tr("This model does not know {words}, and draws the rest.", words=marked)


def connect_hints(form: Form, stage: Stage, presets: dict[str, Preset], events: FormEvents) -> None:
    hints = Hints(presets)
    prompt: Any = form.settings["prompt"]
    gr.on(
        [prompt.change, form.preset.change],
        hints.mark_unknown_words,
        [prompt, form.preset],
        form.unknown_words,
        trigger_mode="always_last",  # while one is being answered, only the last is kept
        **PRIVATE,
    )
    compared = compared_settings(form)
    gr.on(
        [stage.summary.change, *(part.change for part in compared.values())],
        None,
        [stage.summary, *compared.values()],
        None,
        js=f"(...values) => longtake.compare({json.dumps(list(compared))}, values)",
        **PRIVATE,
    )
    for button in (stage.use_settings, stage.share.use_settings):
        # In Gradio's queue: only from there a toast reaches the page.
        button.click(
            events.use_settings, stage.run_id, form.repeatable, **{**PRIVATE, "queue": True}
        )


def compared_settings(form: Form) -> dict[str, Any]:
    """The components that are compared with the shown video, by what a summary calls them."""
    names = {name: form.settings[parameter_name(name)] for name in page_settings()}
    return {**names, "preset": form.preset, "randomize_seed": form.settings["randomize_seed"]}
