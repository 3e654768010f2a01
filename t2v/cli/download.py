"""`t2v download`: the weights of a stack."""

from pathlib import Path

from t2v.presets import named_preset


def add(commands) -> None:
    command = commands.add_parser(
        "download", help="install the weights of a stack", description=run.__doc__
    )
    command.add_argument("preset", help="the stack; `t2v presets` lists them")
    command.add_argument(
        "--weights-dir",
        type=Path,
        help="a folder of files that are here already: NAME, REPOSITORY/NAME, or "
        "OWNER/REPOSITORY/NAME in it are not downloaded",
    )
    command.add_argument("--offline", action="store_true", help="only with files that are here")
    command.add_argument(
        "--no-refiner",
        dest="refiner",
        action="store_false",
        help="without the refiner; the same command without this option adds it later",
    )
    command.add_argument(
        "--dtype",
        default="float16",
        help="float16, bfloat16 or float32: how weights are kept, and what the GPU computes in "
        "(default: %(default)s)",
    )
    command.add_argument("--force", action="store_true", help="even if they are installed")
    command.set_defaults(run=run)


def run(options) -> int:
    """Downloads weights from their public homes, checks them and converts them to safetensors.
    Stopped at any moment, the same command goes on from there. HF_HOME says where downloads go."""
    preset = named_preset(options.preset)

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
