"""`longtake presets`: the presets and whether they can run here."""

import argparse

from t2v.cli.arguments import Commands
from t2v.cli.terminal import say
from t2v.device import default_preset
from t2v.errors import PresetError
from t2v.settings.presets import Preset, list_presets


def add(commands: Commands) -> None:
    command = commands.add_parser("presets", help="list the presets", description=run.__doc__)
    command.add_argument("name", nargs="?", metavar="NAME", help="Tell all about this preset.")
    command.add_argument("--examples", action="store_true", help="Also print example prompts.")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Lists the presets and whether they can run here, those that can first."""
    presets = list_presets()
    if options.name is not None:
        if options.name not in presets:
            raise PresetError(f"NAME must be one of {', '.join(presets)}, got {options.name!r}")
        explain(presets[options.name])
        return 0
    try:
        default = default_preset()[0].name
    except PresetError:  # the bundled weights are missing: that is what the list says
        default = None
    for preset in sorted(presets.values(), key=lambda preset: preset.unavailable is not None):
        say(f"{preset.name}: {preset.title}")
        used = "; the default of app and generate" if preset.name == default else ""
        say(f"    {preset.unavailable or 'installed'}{used}")
        if options.examples:
            print_examples(preset)
    return 0


def explain(preset: Preset) -> None:
    """Prints what a preset shows, needs and can begin with, its defaults and its examples."""
    say(f"{preset.name}: {preset.title}")
    say(f"    {preset.unavailable or 'installed'}")
    say(f"    {preset.needs}")
    say(f"    refiner: {preset.refiner_unavailable or 'installed'}")
    say(f"    begins with: {describe_start(preset)}")
    say(f"    {preset.description}")
    say(f"    defaults: {describe_defaults(preset)}")
    print_examples(preset)


def describe_start(preset: Preset) -> str:
    """What the preset's videos can begin with."""
    kinds = ["text"]
    if preset.takes_image:
        kinds.append("an image")
    if preset.abilities.clip_frames is not None:
        fewest, _ = preset.abilities.clip_frames
        kinds.append(f"the end of a clip of at least {fewest} frames ({fewest / preset.fps:.1f} s)")
    return ", or ".join(kinds)


def print_examples(preset: Preset) -> None:
    for prompt in preset.examples:
        say(f"    example: {prompt}")


def describe_defaults(preset: Preset) -> str:
    """The preset's default settings in one line."""
    return ", ".join(f"{name} {value}" for name, value in preset.defaults.items())
