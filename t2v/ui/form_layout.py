"""Builds the settings form from the declarations of the settings.

A setting of `GenerationConfig` that is declared for the page appears here by itself, and as a
parameter of the endpoints. Only the three settings that are not part of the config are built by
hand: the preset, whether the seed is random, and whether files say how they were made.
"""

from typing import Any, cast

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from t2v.settings.presets import Preset
from t2v.ui.examples import describe_schedule, examples_html
from t2v.ui.form import Form, Length
from t2v.ui.labels import (
    LABELS,
    describe_hint,
    describe_length,
    describe_preset,
    describe_refiner,
    length_of,
    preset_choice,
    round_length,
    vocabulary_html,
)
from t2v.ui.parameters import (
    SETTINGS_FILES,
    build_setting,
    declared_settings,
    in_parameter_order,
    parameter_name,
    text_box,
    unchanged,
)
from t2v.ui.server import STATIC
from t2v.ui.start import build_start_panel
from t2v.ui.texts.catalogue import tr, tr_message


LENGTHS = (3, 9, 30, 120)  # in seconds, each a button
# Built where the layout puts them; all others follow in the order of the config.
MEMORY_SETTINGS = ("use_cam", "apm_strength", "history_length", "use_anchor")
PLACED_BY_HAND = ("prompt", "refine", "num_chunks", "seed", *MEMORY_SETTINGS)


def build_form(presets: dict[str, Preset], default: str, reason: str = "") -> Form:
    """Builds the form: first what everyone needs, then the rest, folded.

    Args:
        default: name of the preset that is selected at first.
        reason: why it is, one sentence.
    """
    preset = presets[default]
    builder = FormBuilder(preset)
    with gr.Column(elem_id="compose"):
        builder.add("prompt", lines=2, max_lines=8, autofocus=True, info=None, elem_id="prompt")
        hint = gr.Markdown(describe_hint(preset), elem_id="hint", elem_classes="quiet")
        vocabulary = gr.HTML(vocabulary_html(preset), elem_id="vocabulary")
        unknown_words = gr.Markdown(visible=False, elem_id="unknown-words")
        length = build_length(builder, preset)
        script = (STATIC / "examples.js").read_text(encoding="utf-8")
        examples = gr.HTML(examples_html(preset), elem_id="examples", js_on_load=script)
        with gr.Row(elem_id="buttons"):
            generate = gr.Button(
                tr("Generate"),
                variant="primary",
                scale=2,
                min_width=120,
                interactive=not preset.unavailable,
                elem_id="generate",
            )
            stop = gr.Button(tr("Stop"), variant="stop", interactive=False, scale=1, min_width=80)
        estimate = gr.Markdown(
            describe_length(builder.defaults.num_chunks, preset),
            elem_id="estimate",
            elem_classes="quiet",
        )
    with gr.Column(elem_id="settings-column"):
        builder.add_others(is_advanced=False)
        with gr.Accordion(tr("Model"), open=False, elem_id="model"):
            chosen = gr.Dropdown(
                [(preset_choice(item), name) for name, item in presets.items()],
                value=default,
                label=tr(LABELS["preset"]),
                info=tr_message(reason) or None,
            )
            builder.settings["preset"] = unchanged(chosen)
            description = gr.Markdown(describe_preset(preset), elem_classes="quiet")
        with gr.Accordion(tr("Memory: CAM and APM"), open=False, elem_id="memory"), gr.Row():
            for name in MEMORY_SETTINGS:
                builder.add(name, min_width=120)
        start = build_start_panel(preset)
        builder.settings |= {"start": start.file, "fit": start.fit}
        schedule, settings_file = build_more_settings(builder, preset)
        hidden = builder.hidden_settings()
    settings = in_parameter_order(builder.settings)
    return Form(
        settings=settings,
        api_settings=in_parameter_order(builder.api_settings() | hidden),
        preset=chosen,
        applied=text_box(visible=False, label="Applied preset", value=default),
        length=length,
        generate=generate,
        stop=stop,
        estimate=estimate,
        examples=examples,
        description=description,
        hint=hint,
        vocabulary=vocabulary,
        schedule=schedule,
        unknown_words=unknown_words,
        start=start,
        settings_file=settings_file,
    )


class FormBuilder:
    """Builds the components of the declared settings, with the defaults of a preset."""

    def __init__(self, preset: Preset):
        self.declared = declared_settings()
        self.defaults = preset.config(prompt="any")
        self.settings: dict[str, Block] = {}
        self._preset = preset

    def add(self, name: str, **layout: Any) -> Component:
        """Builds the component of a setting; `layout` are further options of it."""
        component = build_setting(
            self.declared[name], getattr(self.defaults, name), self._preset, layout
        )
        self.settings[parameter_name(name)] = component
        return component

    def add_others(self, *, is_advanced: bool) -> None:
        """Builds the settings that the layout has no special place for."""
        for name, declared in self.declared.items():
            is_shown = "page" in declared.surfaces and declared.is_advanced == is_advanced
            if is_shown and name not in PLACED_BY_HAND:
                self.add(name)

    def api_settings(self) -> dict[str, Block]:
        """Those settings of the page that programs may set. They have no use for a random seed."""
        for_page_only = {
            parameter_name(name)
            for name, declared in self.declared.items()
            if "api" not in declared.surfaces
        }
        names = self.settings.keys() - for_page_only - {"randomize_seed"}
        return {name: part for name, part in self.settings.items() if name in names}

    def hidden_settings(self) -> dict[str, Block]:
        """Components of the settings that programs may set, but not visitors of the page."""
        return {
            parameter_name(name): build_setting(
                declared, getattr(self.defaults, name), self._preset, {"visible": False}
            )
            for name, declared in self.declared.items()
            if "api" in declared.surfaces and "page" not in declared.surfaces
        }


def build_length(builder: FormBuilder, preset: Preset) -> Length:
    """The length in seconds and in chunks, each of which follows the other, and the refiner."""
    with gr.Group(elem_id="length"):
        with gr.Row():
            seconds = gr.Number(
                label=tr("Length in seconds"),
                value=length_of(builder.defaults.num_chunks, preset),
                minimum=0,
                min_width=90,
                elem_id="seconds",
            )
            num_chunks = builder.add("num_chunks", info=None, min_width=70, elem_id="chunks")
        with gr.Row(elem_id="lengths"):
            buttons = {
                seconds: gr.Button(round_length(seconds), size="sm", min_width=40)
                for seconds in LENGTHS
            }
    builder.add(
        "refine",
        value=builder.defaults.refine and preset.refiner_unavailable is None,
        info=describe_refiner(preset),
        interactive=preset.refiner_unavailable is None,
        elem_id="refine",
    )
    return Length(
        seconds=cast(gr.Number, unchanged(seconds)),
        num_chunks=cast(gr.Number, num_chunks),
        buttons=buttons,
    )


def build_more_settings(builder: FormBuilder, preset: Preset) -> tuple[gr.Markdown, gr.File]:
    """Everything else. Returns (how a prompt changes, where a video is dropped to load it)."""
    with gr.Accordion(tr("More settings"), open=False, elem_id="more-settings"):
        schedule = gr.Markdown(describe_schedule(preset), elem_classes="quiet")
        with gr.Row(elem_id="seeds"):
            builder.add("seed", min_width=120, info=None)
            random_seed = gr.Checkbox(label=tr(LABELS["randomize_seed"]), value=True, min_width=120)
            builder.settings["randomize_seed"] = unchanged(random_seed)
        builder.add_others(is_advanced=True)
        metadata = gr.Checkbox(
            label=tr(LABELS["write_metadata"]),
            value=True,
            info=tr("Anyone who has a file can then make the same video again."),
        )
        builder.settings["write_metadata"] = unchanged(metadata)
        file = gr.File(
            label=tr("Load settings from a video (mp4), its settings (json) or its bundle (zip)"),
            file_types=SETTINGS_FILES,
            height=110,
            elem_id="settings-file",
        )
    return schedule, file
