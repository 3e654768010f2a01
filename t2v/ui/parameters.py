"""Settings as the page and the endpoints offer them: names, order, components."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.components import Component

from t2v.errors import ConfigError, PresetError
from t2v.settings.bases import BASES
from t2v.settings.config import SETTINGS
from t2v.settings.declaration import Setting, brief
from t2v.settings.presets import Preset
from t2v.ui.labels import chosen_size, clean, refine_switch, size_choice, size_choices
from t2v.ui.texts.catalogue import tr


# Options of an event that is not in the API and answers at once.
PRIVATE: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
SETTINGS_FILES = [".mp4", ".json", ".zip"]  # that say how a video was made
PARAMETER_NAMES = {"frame_size": "size"}  # where the endpoints' name is not the config's
# Programs may give the parameters by position: new ones come at the end.
PARAMETER_ORDER = (
    "prompt",
    "preset",
    "num_chunks",
    "apm_strength",
    "seed",
    "randomize_seed",
    "num_inference_steps",
    "guidance_scale",
    "scheduler",
    "use_cam",
    "negative_prompt",
    "refine",
    "blending",
    "write_metadata",
    "size",
    "reseed",
    "history_length",
    "use_anchor",
    "start",
    "fit",
)
# Settings that the page shows only with presets that use them.
OF_SOME_PRESETS = frozenset().union(*(base.unused for base in BASES.values()))


def declared_settings() -> dict[str, Setting]:
    """The settings as the app offers them: without joint blending.

    It needs the whole video in memory, so it cannot refine while the preview grows.
    """
    blending = SETTINGS["blending"]
    choices = tuple(choice for choice in blending.choices if choice != "joint")
    help = "How refined chunks are joined. Causal is seamless."
    return {**SETTINGS, "blending": replace(blending, choices=choices, help=help)}


def page_settings() -> dict[str, Setting]:
    return {
        name: declared
        for name, declared in declared_settings().items()
        if "page" in declared.surfaces
    }


def parameter_name(name: str) -> str:
    """What the endpoints call a setting of the config."""
    return PARAMETER_NAMES.get(name, name)


def in_parameter_order(components: Mapping[str, Block]) -> dict[str, Block]:
    known = {name: components[name] for name in PARAMETER_ORDER if name in components}
    return known | dict(components)


def setting_update(name: str, value: Any, preset: Preset | None) -> Any:
    """The update of a setting's component; those that depend on the preset stay without one."""
    if name in ("refine", "frame_size"):
        if preset is None:
            return gr.skip()
        return refine_switch(preset, value) if name == "refine" else size_choice(preset, value)
    if name in OF_SOME_PRESETS and preset is not None:
        return visibility(name, preset) | {"value": value}
    return value


def visibility(name: str, preset: Preset) -> dict[str, Any]:
    """The update that shows a setting, or hides it where it means nothing to the preset."""
    return gr.update(visible=is_used(name, preset))


def is_used(name: str, preset: Preset) -> bool:
    """Whether a setting means something to the preset, with what is installed here."""
    if name == "blending" and preset.refiner_unavailable is not None:
        return False
    return name not in preset.abilities.unused


def unchanged(component: Component) -> Component:
    """A component that passes on what it gets.

    Gradio's own turn values into other types, even {} into text, or fail without a sentence; the
    config checks them in words.
    """
    component.preprocess = lambda payload: payload  # type: ignore[method-assign]  # no hook for this
    return component


def build_setting(
    declared: Setting, value: Any, preset: Preset, layout: dict[str, Any]
) -> Component:
    """The component of a setting. The config checks its value, in words.

    It is not shown where it means nothing to the preset, except the refine switch, which says why.
    """
    if declared.name != "refine" and not is_used(declared.name, preset):
        layout = {**layout, "visible": False}
    return unchanged(component_of(declared, value, preset, layout))


def component_of(
    declared: Setting, value: Any, preset: Preset, layout: dict[str, Any]
) -> Component:
    """The component of a setting, by its kind."""
    options: dict[str, Any] = {
        "label": tr(declared.label),
        "info": tr(declared.help),
        "value": value,
    }
    component: type[Component] | Callable[..., Component]
    match declared.kind:
        case "text":
            component = text_box
            options |= {"placeholder": tr(declared.placeholder), "max_length": declared.max_length}
            if declared.is_required:
                options["value"] = None  # so that the parameter is required
        case "whole":
            component = gr.Number
            options["step"] = 1
        case "number" if declared.range:
            component = gr.Slider
            low, high = declared.range
            options |= {"minimum": low, "maximum": high, "step": 0.05 if high - low < 10 else 0.5}
        case "number":
            component = gr.Number
        case "switch":
            component = gr.Checkbox
        case "choice":
            component = gr.Dropdown
            options["choices"] = list(declared.choices)
        case "size":
            component = gr.Dropdown
            options |= {"choices": size_choices(preset), "value": "", "allow_custom_value": True}
    return component(**options | layout)


def text_box(**options: Any) -> gr.Textbox:
    """A Textbox that passes on what it gets."""
    box = gr.Textbox(**options)
    unchanged(box)
    return box


def find_preset(presets: Mapping[str, Preset], name: Any) -> Preset:
    """The preset of the name that a program or the page gives.

    Raises:
        PresetError: there is no such preset.
    """
    if not isinstance(name, str) or name not in presets:
        names = ", ".join(presets)
        raise PresetError(f"preset must be one of {names}, got {brief(name)}")
    return presets[name]


def parsed(values: Mapping[str, Any], preset: Preset) -> dict[str, Any]:
    """Parameters of the endpoints as settings of the config, which checks them."""
    parsed: dict[str, Any] = {}
    config_names = {parameter: name for name, parameter in PARAMETER_NAMES.items()}
    for parameter, value in values.items():
        name = config_names.get(parameter, parameter)
        declared = SETTINGS.get(name)
        if declared is None:
            raise ConfigError(f"unknown settings {brief(name)}")
        match declared.kind:
            case "text":
                parsed[name] = clean("" if value is None and not declared.is_required else value)
            case "size":
                parsed[name] = chosen_size(value, preset)
            case _:
                parsed[name] = value
    return parsed
