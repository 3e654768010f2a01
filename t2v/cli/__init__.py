"""Longtake: long videos from text. `longtake COMMAND --help` explains a command."""

import argparse
import sys
from io import TextIOWrapper
from typing import NoReturn

from t2v import __version__
from t2v.cli import (
    app,
    benchmark,
    download,
    evaluate,
    files,
    generate,
    presets,
    refine,
    runs,
    show,
    train,
    work,
)
from t2v.cli.ending import run_and_exit
from t2v.cli.parsing import CommandParser
from t2v.cli.terminal import say
from t2v.errors import OUT_OF_MEMORY, T2VError, is_out_of_memory


COMMANDS = (
    app,
    work,
    generate,
    refine,
    show,
    files,
    runs,
    presets,
    download,
    evaluate,
    benchmark,
    train,
)


def run() -> NoReturn:
    """The program `longtake`: runs a command, and ends the process with its exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # names that the terminal cannot print, with escapes
            stream.reconfigure(errors="backslashreplace")
    run_and_exit(main)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command that `arguments` name, and returns the exit status.

    It is 0; 2 after one sentence about what is wrong; 130 after Ctrl-C; 141 if nobody reads the
    output.
    """
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options)
    except T2VError as error:
        say(f"longtake {options.command}: {error}", error=True)
        return 2
    except (MemoryError, RuntimeError) as error:  # torch's is a RuntimeError
        if not is_out_of_memory(error):
            raise
        say(f"longtake {options.command}: {OUT_OF_MEMORY}", error=True)
        return 2
    except BrokenPipeError:  # `longtake presets | head`: the reader has ended
        return 141
    except KeyboardInterrupt:
        say(f"longtake {options.command}: stopped", error=True)
        return 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = CommandParser(prog="longtake", description=__doc__)
    parser.add_argument("-V", "--version", action="version", version=f"longtake {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
