"""The parser of commands: what it refuses, it explains with the usage of that command."""

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any


class CommandParser(argparse.ArgumentParser):
    """An ArgumentParser whose commands themselves refuse options that they do not have.

    argparse lets the outermost parser refuse them, whose usage does not show the options of the
    command.
    """

    def parse_known_args(  # type: ignore[override]  # of many overloads
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unknown arguments: {' '.join(unknown)}{self._suggestion(unknown)}")
        return options, unknown

    def _suggestion(self, unknown: Sequence[str]) -> str:
        for argument in unknown:
            name = argument.partition("=")[0]
            near = get_close_matches(name, self._option_string_actions, n=1)
            if name.startswith("-") and near:
                return f"; did you mean {near[0]}?"
        return ""
