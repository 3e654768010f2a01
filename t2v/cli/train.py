"""`t2v train`: the shapes stack from nothing."""

from pathlib import Path

from t2v.errors import MediaError


def add(commands) -> None:
    command = commands.add_parser(
        "train", help="train the shapes stack from nothing", description=run.__doc__
    )
    command.add_argument(
        "--out", type=Path, required=True, help="folder of weights; assets/shapes has the bundled"
    )
    command.add_argument(
        "--work", type=Path, default=Path("training"), help="folder of checkpoints, logs, samples"
    )
    command.add_argument("--until", help="stop after this stage (default: the last)")
    command.add_argument(
        "--steps",
        nargs="*",
        action="extend",
        default=[],
        metavar="STAGE=N",
        help="other numbers of steps",
    )
    command.add_argument(
        "--processes", type=int, help="that train together (1 to 4; default: one a core)"
    )
    command.set_defaults(run=run)


def run(options) -> int:
    """Rebuilds the embedded stack. Stopped at any moment, the same command goes on from there."""
    from t2v.training.recipe import num_training_processes, train, training_steps

    num_processes = num_training_processes(options.processes)
    steps, until = training_steps(options.steps, options.until)
    for folder in (options.out, options.work):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(f"cannot write to {folder}: {error.strerror}") from error
    train(options.out, options.work, steps, num_processes, until)
    return 0
