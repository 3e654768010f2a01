"""Arguments that commands share. Options of settings are derived from their declarations."""

import argparse
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from t2v.errors import ConfigError, RunError
from t2v.resources import home
from t2v.settings.acceleration import Acceleration
from t2v.settings.declaration import Setting, on_surface, settings_of
from t2v.settings.memory_profiles import PROFILES, check_profile
from t2v.settings.sizes import parse_size


if TYPE_CHECKING:
    from t2v.runs.folder import RunFolder


Commands = argparse._SubParsersAction  # what `add` of every command adds its parser to
MEMORY_HELP = f"How much of the GPU to use: {', '.join(PROFILES)} (default: the fastest that fits)."


def number(text: str) -> int | float:
    """Reads 8, 8.0, 1e9 or nan. The range is checked later, with the settings."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a number: {text!r}") from None


def frame_size(text: str) -> tuple[int, int]:
    """Reads 320x576. The range is checked later, with the settings."""
    try:
        return parse_size(text)
    except ConfigError:
        raise argparse.ArgumentTypeError(f"not HEIGHTxWIDTH, like 256x448: {text!r}") from None


def add_settings(
    command: argparse.ArgumentParser,
    config: Any,
    names: Collection[str] | None = None,
) -> None:
    """Adds an option for every setting of a config class that the command line can set.

    Args:
        names: only these settings.
    """
    for declared in on_surface(config, "cli"):
        if names is None or declared.name in names:
            command.add_argument(
                option_of(declared),
                dest=declared.name,
                help=help_of(declared).replace("%", "%%"),
                **reader_of(declared),
            )


def option_of(declared: Setting) -> str:
    """The option of a setting. A switch has its positive form: the parser adds --no-NAME."""
    option = declared.option or f"--{declared.name.replace('_', '-')}"
    return option.replace("--no-", "--") if declared.kind == "switch" else option


def help_of(declared: Setting) -> str:
    """What the setting does, and its range or choices."""
    if declared.kind in ("whole", "number") and declared.range:
        low, high = declared.range
        return f"{declared.help} ({low} to {high})"
    if declared.kind == "choice":
        return f"{declared.help} ({', '.join(declared.choices)})"
    return declared.help


def reader_of(declared: Setting) -> dict[str, Any]:
    """How argparse reads the setting: the arguments of `add_argument` for its kind."""
    match declared.kind:
        case "switch":
            return {"action": argparse.BooleanOptionalAction, "default": None}
        case "whole" | "number":
            return {"type": number, "metavar": "N"}
        case "size":
            return {"type": frame_size, "metavar": "HEIGHTxWIDTH"}
        case "choice":
            return {"metavar": "NAME"}
        case _:
            return {"metavar": "TEXT"}


def given(options: argparse.Namespace, config: Any) -> dict[str, Any]:
    """The settings of a config class that were given on the command line."""
    values = {name: getattr(options, name, None) for name in settings_of(config)}
    return {name: value for name, value in values.items() if value is not None}


@contextmanager
def naming_options(config: Any, others: Mapping[str, str] | None = None) -> Iterator[None]:
    """Errors about a setting name the option that the user typed: --steps, not its Python name.

    Args:
        others: options of values that are no settings.
    """
    try:
        yield
    except ConfigError as error:
        name, _, rest = str(error).partition(" ")
        options = {one.name: option_of(one) for one in on_surface(config, "cli")}
        options.update(others or {})
        if name not in options:
            raise
        raise ConfigError(f"{options[name]} {rest}") from error


def acceleration(options: argparse.Namespace) -> Acceleration:
    """How the networks run, as the options say.

    Raises:
        ConfigError: there is no such attention.
    """
    with naming_options(Acceleration):
        return Acceleration(**given(options, Acceleration))


def check_runs_dir(path: Path | None) -> None:
    """Checks that the folder of runs is one, or can become one.

    Raises:
        ConfigError: it is a file, or lies in one.
    """
    for folder in (path, *path.absolute().parents) if path else ():
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"--runs-dir must be a folder, and {folder} is a file")


def check_memory(profile: str | None) -> None:
    """Checks the value of --memory.

    Raises:
        ConfigError: there is no such memory profile.
    """
    if profile is not None:
        with naming_options(Acceleration, {"memory": "--memory"}):
            check_profile(profile)


def runs_dir(options: argparse.Namespace) -> Path:
    check_runs_dir(options.runs_dir)
    return (options.runs_dir or home() / "runs").absolute()


def find_folder(options: argparse.Namespace) -> "RunFolder":
    """The folder of the run whose id begins as given.

    Raises:
        RunError: there is none, or more than one.
    """
    from t2v.runs.folder import iter_folders

    found = [one for one in iter_folders(runs_dir(options)) if one.id.startswith(options.id)]
    if not options.id or not found:
        raise RunError(f"there is no run {options.id!r} in {runs_dir(options)}")
    if len(found) > 1:
        raise RunError(f"{len(found)} ids of runs begin with {options.id!r}; give more of the id")
    return found[0]
