"""`longtake train`: an embedded stack from scratch."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from t2v.cli.arguments import Commands
from t2v.errors import ConfigError, MediaError
from t2v.settings.conditionings import CONDITIONINGS, arm_folder, find_conditioning
from t2v.training.options import (
    BaseModelName,
    check_base,
    check_batches,
    check_processes,
    check_until,
    parse_steps,
)


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "train", help="train an embedded stack from scratch", description=run.__doc__
    )
    command.add_argument(
        "--world",
        help="What the stack learns: shapes or storybook (default: shapes).",
    )
    command.add_argument(
        "--out",
        type=Path,
        help="Folder of the weights (bundled: assets/shapes, assets/storybook). Of an --arm by "
        "default the one in which `longtake benchmark` looks for it.",
    )
    command.add_argument(
        "--work",
        type=Path,
        default=Path("training"),
        help="Folder of checkpoints, logs and samples (default: %(default)s).",
    )
    command.add_argument(
        "--start-from",
        metavar="PRESET",
        help="The embedded preset whose weights the denoiser begins with, wherever its layers have "
        "the same size; with 0 steps, stages that these weights have already learnt are skipped.",
    )
    command.add_argument(
        "--trained",
        type=Path,
        metavar="FOLDER",
        help="Weights of this world whose autoencoder, probe and encoders are taken as they are.",
    )
    command.add_argument(
        "--base",
        help="The base model: unet, as in the paper, or transformer (default: unet).",
    )
    command.add_argument("--until", help="Stop after this stage (default: the last).")
    command.add_argument(
        "--steps",
        nargs="*",
        action="extend",
        default=[],
        metavar="STAGE=N",
        help="Other numbers of steps.",
    )
    command.add_argument(
        "--processes",
        type=int,
        help="Processes that train together (1 to 4; default: one per core).",
    )
    command.add_argument(
        "--batches",
        type=int,
        help="Batches per step, shared by the processes (default: 1, on a GPU 4). Where steps are "
        "short, as with single images, one for each process is fastest.",
    )
    command.add_argument(
        "--arm",
        metavar="NAME",
        help="Train only another way to condition chunks, on the frozen weights of the preset "
        f"shapes: {', '.join(CONDITIONINGS)}. Of the options only --out, --work and --steps cam=N "
        "go with it.",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Rebuilds the embedded stack. An interrupted training continues with the same command."""
    steps = parse_steps(options.steps)
    check_until(options.until)
    check_processes(options.processes)
    check_batches(options.batches)
    base = check_base("unet" if options.base is None else options.base)

    if options.arm is not None:
        find_conditioning(options.arm)
        check_goes_with_arm(options, steps)
    if options.out is None and options.arm is None:
        raise ConfigError("--out is missing: the folder of the weights")
    out: Path = options.out or arm_folder(options.arm)

    from t2v.worlds import find_world

    world = find_world("shapes" if options.world is None else options.world).name
    check_warm_start(options, steps, world, base)
    for folder in (out, options.work):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(f"cannot write to {folder}: {error.strerror}") from error

    if options.arm is not None:
        from t2v.training.arms import train_arm

        train_arm(options.arm, out, options.work, steps.get("cam"))
        return 0
    from t2v.training.processes import num_training_processes, train
    from t2v.training.recipe import Training, training_steps

    num_processes = num_training_processes(options.processes)
    steps, until = training_steps(options.steps, options.until)
    training = Training(
        world=world,
        out=out,
        work=options.work,
        steps=steps,
        until=until,
        base=base,
        start_from=options.start_from,
        trained=options.trained,
        batches=options.batches,
    )
    train(training, num_processes)
    return 0


def check_warm_start(
    options: argparse.Namespace, steps: Mapping[str, int], world: str, base: BaseModelName
) -> None:
    """Checks that --start-from and --trained suit each other, and what is left out.

    Args:
        steps: those of --steps, by stage.

    Raises:
        ConfigError: they do not.
        PresetError: there is no such preset.
    """
    from t2v.models.networks import base_class
    from t2v.settings.presets import find_preset
    from t2v.worlds import world_of

    started_world = None
    if options.start_from is not None:
        started = find_preset(options.start_from)
        started_world = world_of(started.weights_folder).name
        if started.conditioning is not None:
            raise ConfigError(f"--start-from {options.start_from} has no CAM")
        if base_class(started.weights_folder).kind != base:
            raise ConfigError(f"the base model of --start-from {options.start_from} is no {base}")
    if options.trained is not None and world_of(options.trained).name != world:
        raise ConfigError(f"the weights in {options.trained} are of another world than {world}")
    left_out = [f"{name}=0" for name, number in steps.items() if not number]
    if left_out and options.start_from is None:
        raise ConfigError(
            f"{' '.join(left_out)} needs --start-from with a preset that was trained so far"
        )
    if steps.get("images") == 0 and (options.trained is None or started_world != world):
        raise ConfigError(
            "images=0 needs --start-from with a preset of the same world, and --trained with its "
            "weights"
        )


def check_goes_with_arm(options: argparse.Namespace, steps: Mapping[str, int]) -> None:
    """Checks that only options were given that --arm uses.

    Args:
        steps: those of --steps, by stage.

    Raises:
        ConfigError: names the others.
    """
    others = [
        f"--{name.replace('_', '-')}"
        for name in ("world", "start_from", "trained", "base", "until", "processes", "batches")
        if getattr(options, name) is not None
    ]
    others += [
        f"--steps {name}={number}" for name, number in steps.items() if name != "cam" or not number
    ]
    if others:
        raise ConfigError(
            f"--arm must not go with {', '.join(others)}: one stage is trained, named cam, on the "
            "weights of the preset shapes"
        )
