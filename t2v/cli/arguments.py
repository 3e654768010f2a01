"""What commands share: reading arguments, and checking files before the work."""

import argparse
from pathlib import Path
from tempfile import NamedTemporaryFile

from t2v.config import ATTENTIONS, BLENDINGS, Acceleration, parse_size
from t2v.errors import ConfigError, MediaError


BLENDING_HELP = f"how the refiner joins its chunks: {', '.join(BLENDINGS)}"
MEMORY_HELP = "of the GPU: full, balanced or low (default: the fastest that fits)"


def number(text: str) -> int | float:
    """8, 8.0, 1e9 or nan: whether it is allowed is for GenerationConfig to say."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a number: {text!r}") from None


def frame_size(text: str) -> tuple[int, int]:
    """320x576: whether it is allowed is for GenerationConfig to say."""
    try:
        return parse_size(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_acceleration(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--attention", default="torch", help=f"{' or '.join(ATTENTIONS)} (default: %(default)s)"
    )
    command.add_argument(
        "--compile",
        dest="compiled",
        action="store_true",
        help="compile the networks: minutes before the first chunk, then faster ones",
    )
    command.add_argument(
        "--channels-last", action="store_true", help="another layout of the networks' numbers"
    )


def acceleration(options) -> Acceleration:
    """
    Raises:
        ConfigError: there is no such attention.
    """
    return Acceleration(
        attention=options.attention,
        compiled=options.compiled,
        channels_last=options.channels_last,
    )


def given(options, names: tuple[str, ...]) -> dict:
    """The settings that were said on the command line."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def check_output(option: str, path: Path, suffix: str, force: bool) -> None:
    """Says before the work what would go wrong after it.

    Raises:
        ConfigError: the name does not end as it should.
        MediaError: the file exists, or its folder takes no files.
    """
    if path.suffix.lower() != suffix:
        raise ConfigError(f"{option} must end in {suffix}, got {str(path)!r}")
    try:
        if path.is_dir():
            raise MediaError(f"{path} is a folder")
        if path.exists() and not force:
            raise MediaError(f"{path} exists; --force overwrites it")
        if not path.parent.is_dir():
            raise MediaError(f"the folder {path.parent} does not exist")
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise MediaError(f"cannot write to {path}: {error.strerror}") from error
