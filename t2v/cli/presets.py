"""`t2v presets`: which stacks there are."""

from t2v.presets import Preset, list_presets


def add(commands) -> None:
    command = commands.add_parser("presets", help="list the stacks", description=run.__doc__)
    command.set_defaults(run=run)


def run(options) -> int:
    """Lists the stacks, what they need, and whether they can run here."""
    for preset in list_presets().values():
        print(f"{preset.name}: {preset.title}")
        print(f"    {preset.unavailable or 'installed'}")
        print(f"    {preset.needs}")
        print(f"    refiner: {preset.refiner_unavailable or 'installed'}")
        print(f"    {preset.description}")
        print(f"    defaults: {describe_defaults(preset)}")
        for prompt in preset.examples:
            print(f"    example: {prompt}")
    return 0


def describe_defaults(preset: Preset) -> str:
    return ", ".join(f"{name} {value}" for name, value in preset.defaults.items())
