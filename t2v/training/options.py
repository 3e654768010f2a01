"""What `longtake train` is asked for, checked before anything heavy is loaded."""

from typing import Literal, get_args

from t2v.errors import ConfigError


BaseModelName = Literal["unet", "transformer"]

# Steps of every stage, on a GPU.
STEPS = {
    "autoencoder": 1900,
    "probe": 2000,
    "encoders": 900,
    "images": 1400,
    "clips": 625,
    "cam": 300,
    "apm": 475,
    "world": 1500,
    "guidance": 560,
    "refiner": 1700,
}
# By a denoiser that begins with trained weights.
SKIPPABLE = ("images", "clips", "cam", "apm", "world", "guidance")
MAX_BATCHES = 16
MAX_PROCESSES = 4  # every one takes its share of every batch, and the smallest has 4 clips


def parse_steps(changes: list[str]) -> dict[str, int]:
    """Reads STAGE=N texts.

    Raises:
        ConfigError: a stage is unknown, or a number of steps is no whole number from 1; `SKIPPABLE`
            stages may have 0.
    """
    steps = {}
    for change in changes:
        name, _, number = change.partition("=")
        least = 0 if name in SKIPPABLE else 1
        if name not in STEPS or not number.isdecimal() or int(number) < least:
            raise ConfigError(
                f"--steps takes STAGE=N with N from 1 and a stage of {', '.join(STEPS)}; "
                f"N may be 0 for {', '.join(SKIPPABLE)}; got {change!r}"
            )
        steps[name] = int(number)
    return steps


def check_until(until: str | None) -> str:
    """The stage to stop after, by default the last.

    Raises:
        ConfigError: there is no such stage.
    """
    until = until or list(STEPS)[-1]
    if until not in STEPS:
        raise ConfigError(f"--until must be one of {', '.join(STEPS)}, got {until!r}")
    return until


def check_processes(asked: int | None) -> None:
    """Checks how many processes are to train; None is a number that suits the machine.

    Raises:
        ConfigError: fewer than one, or more than can share a batch.
    """
    if asked is not None and not 1 <= asked <= MAX_PROCESSES:
        raise ConfigError(f"--processes must be from 1 to {MAX_PROCESSES}, got {asked}")


def check_batches(asked: int | None) -> None:
    """Checks how many batches a step has; None is a number that suits the device.

    Raises:
        ConfigError: it is out of range.
    """
    if asked is not None and not 1 <= asked <= MAX_BATCHES:
        raise ConfigError(f"--batches must be from 1 to {MAX_BATCHES}, got {asked}")


def check_base(name: str) -> BaseModelName:
    """The base model of that name.

    Raises:
        ConfigError: there is none.
    """
    for known in get_args(BaseModelName):
        if name == known:
            return known
    raise ConfigError(f"--base must be one of {', '.join(get_args(BaseModelName))}, got {name!r}")
