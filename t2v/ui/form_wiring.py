"""What the events of the form call."""

from functools import partial
from typing import Any

import gradio as gr

from t2v.settings.presets import Preset
from t2v.ui.downloads import Downloads
from t2v.ui.endpoints import documented, for_the_page
from t2v.ui.form import Form
from t2v.ui.form_events import FormEvents
from t2v.ui.handlers import Handlers
from t2v.ui.parameters import PRIVATE
from t2v.ui.render import RunView, shows_run
from t2v.ui.server import MAX_VIEWERS
from t2v.ui.stage import Stage
from t2v.ui.texts.catalogue import tr_message


MEASURING = 8.0  # seconds between two looks whether the time of a video is known by now


def connect_generation(form: Form, view: RunView, handlers: Handlers) -> None:
    # More than once: the run that was asked for before continues without being watched.
    form.generate.click(
        for_the_page(handlers.generation, form.settings),
        inputs_kwargs=form.settings,
        api_name="generate",
        trigger_mode="multiple",
        **shows_run(view),
    )
    with gr.Row(visible=False):  # an endpoint for programs, without a place on the page
        event = gr.JSON(label="Event")
        files = gr.File(label="Files", file_count="multiple")
        gr.Button().click(
            documented(handlers.generation, form.api_settings),
            outputs=[event, files],
            inputs_kwargs=form.api_settings,
            api_name="make",
            concurrency_limit=MAX_VIEWERS,
        )


def connect_preset(
    form: Form, presets: dict[str, Preset], default: str, reason: str, events: FormEvents
) -> None:
    """The parts of the form that depend on each other."""
    preset = form.preset
    # More than once: the first click may still be showing the run that it has made.
    form.examples.select(
        events.choose_example, None, form.repeatable, trigger_mode="multiple", **PRIVATE
    ).success(None, None, None, js="() => longtake.makeExample()", **PRIVATE)
    preset.input(events.choose_preset, [preset, form.applied], form.with_defaults, **PRIVATE)
    # However it changes: a page that is reloaded, or takes the settings of a run, sets it, too.
    preset.change(events.describe_preset, preset, form.descriptions, **PRIVATE)
    preset.change(
        lambda name: (
            gr.update(interactive=not presets[name].unavailable),
            gr.update(info=tr_message(reason) if name == default else ""),
        ),
        preset,
        [form.generate, preset],
        **PRIVATE,
    )


def connect_length(page: gr.Blocks, form: Form, stage: Stage, events: FormEvents) -> None:
    """Seconds and chunks follow each other, and the estimate follows both."""
    preset, length = form.preset, form.length
    settings: dict[str, Any] = dict(form.settings)
    refine, num_steps, size = (settings[name] for name in ("refine", "num_inference_steps", "size"))
    last: dict[str, Any] = {"trigger_mode": "always_last", **PRIVATE}
    length.seconds.input(events.choose_length, [length.seconds, preset], length.num_chunks, **last)
    for seconds, button in length.buttons.items():
        button.click(partial(events.choose_length, seconds), preset, length.num_chunks, **PRIVATE)
    gr.on(
        [length.num_chunks.change, preset.change],
        events.length_of,
        [length.num_chunks, preset, length.seconds],
        length.seconds,
        **last,
    )
    changes = [part.change for part in (length.num_chunks, preset, refine, num_steps, size)]
    gr.on(
        # The end of a run may have taught how long the next will take.
        [page.load, *changes, stage.summary.change],
        events.estimate,
        [length.num_chunks, preset, refine, num_steps, size],
        form.estimate,
        **last,
    )
    timer = gr.Timer(MEASURING)
    timer.tick(
        events.estimate_later,
        [length.num_chunks, preset, refine, num_steps, size],
        [form.estimate, timer],
        **PRIVATE,
    )


def connect_settings_files(view: RunView, downloads: Downloads) -> None:
    form = view.form
    # In Gradio's queue: only from there a toast reaches the page.
    options: dict[str, Any] = {"show_progress": "hidden", "concurrency_limit": MAX_VIEWERS}
    named: dict[str, Any] = {"api_name": "settings"}
    unnamed: dict[str, Any] = {"api_visibility": "private"}
    for file, access in ((form.settings_file, named), (view.stage.dropped_file, unnamed)):
        file.upload(downloads.take_settings, file, form.repeatable, **access, **options).then(
            lambda: None, None, file, **PRIVATE
        )
