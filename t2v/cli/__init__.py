"""Long videos from text: arguments in, words out. `python -m t2v COMMAND --help` says more."""

import argparse
import sys

from t2v import __version__
from t2v.cli import compare, download, evaluate, generate, gif, presets, refine, show, train
from t2v.errors import OUT_OF_MEMORY, T2VError, is_out_of_memory


COMMANDS = (generate, refine, show, gif, compare, presets, download, evaluate, train)


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0; 2 after one sentence about what is wrong; 130 after Ctrl-C."""
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options)
    except T2VError as error:
        print(f"t2v {options.command}: {error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:  # torch's is one of the latter
        if not is_out_of_memory(error):
            raise
        print(f"t2v {options.command}: {OUT_OF_MEMORY}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"t2v {options.command}: stopped", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="t2v", description=__doc__)
    parser.add_argument("--version", action="version", version=f"longtake {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
