"""`longtake download`: the weights of a preset."""

import argparse
from pathlib import Path

from t2v.cli.arguments import Commands
from t2v.settings.presets import named_preset
from t2v.weights.request import check_request


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "download", help="install the weights of a preset", description=run.__doc__
    )
    command.add_argument("preset", help="The preset; see `longtake presets`.")
    command.add_argument(
        "--weights-dir",
        type=Path,
        help="A folder of files that you have already: NAME, REPOSITORY/NAME or "
        "OWNER/REPOSITORY/NAME in it are not downloaded.",
    )
    command.add_argument("--offline", action="store_true", help="Download nothing.")
    command.add_argument(
        "--no-refiner",
        dest="refiner",
        action="store_false",
        help="Leave out the refiner. The same command without this option adds it later.",
    )
    command.add_argument(
        "--dtype",
        default="float16",
        help="float16, bfloat16 or float32: the type of the stored weights, and of the "
        "computation on a GPU (default: %(default)s).",
    )
    command.add_argument("--force", action="store_true", help="Install them once more.")
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Downloads weights from their public homes, checks them and converts them to safetensors.

    They are installed in LONGTAKE_HOME; in a checkout, by default in the checkout. HF_HOME is the
    folder of downloads. An interrupted download continues with the same command.
    """
    preset = named_preset(options.preset)
    check_request(preset, options.weights_dir, options.dtype)

    from t2v.weights.install import install

    install(
        preset,
        weights_dir=options.weights_dir,
        offline=options.offline,
        refiner=options.refiner,
        dtype=options.dtype,
        force=options.force,
    )
    return 0
