"""The presets, by name. One TOML file per stack, in `presets/`."""

from dataclasses import fields
from functools import cache
from pathlib import Path

from t2v.errors import ConfigError, PresetError
from t2v.resources import bundled
from t2v.settings.conditionings import ARM_WEIGHTS
from t2v.settings.config import GenerationConfig
from t2v.settings.declaration import brief
from t2v.settings.preset import Preset
from t2v.settings.preset_file import build, build_refiner, build_sources, read_values


PRESETS = bundled() / "presets"
DEFAULT_KEYS = {field.name for field in fields(GenerationConfig)} - {"prompt"}


def load_preset(path: Path) -> Preset:
    """Reads one preset.

    Raises:
        PresetError: the file is not TOML, or has missing, unknown or bad values, which it names.
    """
    values = read_values(path)
    if "refiner" in values:
        values["refiner"] = build_refiner(path.name, values["refiner"])
    values["sources"] = build_sources(path.name, values)
    preset = build(Preset, path.name, values, name=path.stem)
    if unknown := sorted(preset.defaults.keys() - DEFAULT_KEYS):
        raise PresetError(f"{path.name}: unknown defaults {', '.join(unknown)}")
    if preset.conditioning is not None and preset.weights != ARM_WEIGHTS:
        raise PresetError(f"{path.name}: conditioning needs the weights {ARM_WEIGHTS}")
    try:
        for prompt in preset.examples:
            preset.config(prompt=prompt)
    except ConfigError as error:
        raise PresetError(f"{path.name}: {error}") from error
    return preset


@cache
def list_presets() -> dict[str, Preset]:
    """All presets by name."""
    return {path.stem: load_preset(path) for path in sorted(PRESETS.glob("*.toml"))}


def named_preset(name: str) -> Preset:
    """The preset of that name, whether or not it can run here.

    Raises:
        PresetError: there is none; the message lists the names.
    """
    presets = list_presets()
    if name not in presets:
        raise PresetError(f"preset must be one of {', '.join(presets)}, got {brief(name)}")
    return presets[name]


def find_preset(name: str) -> Preset:
    """The preset of that name, if it can run here.

    Raises:
        PresetError: there is none, or it cannot run here; the message says what to do.
    """
    preset = named_preset(name)
    if preset.unavailable:
        raise PresetError(f"preset {name} cannot run here: {preset.unavailable}")
    return preset
