"""Commands to a run that another process is making: files that its maker reads between two steps.

    commands/<run>/<command>.json    asked; renamed to .taken by whoever carries it out
                   <command>.answer  what came of it, for whoever asked

A command is carried out once at most: renaming a file succeeds for one process only.
"""

import json
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2v.atomic import atomic_write
from t2v.errors import ConfigError, RunError, T2VError, describe_failure
from t2v.json_reader import read_json


PATIENCE = 20.0  # seconds until a maker that does not answer counts as stuck
POLL_SECONDS = 0.05
ERRORS: dict[str, type[T2VError]] = {"ConfigError": ConfigError, "RunError": RunError}
SILENT = (
    "the process that makes this run does not answer; it may be in a long step, so try again in a "
    "moment"
)


@dataclass(frozen=True, slots=True)
class Command:
    """A command that somebody asked for."""

    path: Path  # of its file, which is this process's to answer
    name: str
    values: dict[str, Any]

    def answer(self, carry_out: Callable[[], Any]) -> None:
        """Carries it out, and writes what came of it."""
        try:
            outcome: dict[str, Any] = {"value": carry_out()}
        except T2VError as error:
            kind = "ConfigError" if isinstance(error, ConfigError) else "RunError"
            outcome = {"error": kind, "message": str(error)}
        except Exception as error:
            outcome = {"error": "RunError", "message": describe_failure(error)}
        with suppress(OSError):
            with atomic_write(self.path.with_suffix(".answer")) as part:
                part.write_text(json.dumps(outcome), encoding="utf-8")
            self.path.unlink(missing_ok=True)


class Mailbox:
    """Sends commands to the makers of runs, and finds those that were sent to this process."""

    def __init__(self, folder: Path):
        self._folder = folder

    def send(self, run_id: str, name: str, values: dict[str, Any]) -> "Sent":
        """Asks the maker of a run for something.

        Raises:
            OSError: the disk refuses it.
        """
        folder = self._folder / run_id
        folder.mkdir(parents=True, exist_ok=True)
        # In the order in which they were asked for, as far as clocks agree.
        path = folder / f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
        with atomic_write(path) as part:
            part.write_text(json.dumps({"name": name, "values": values}), encoding="utf-8")
        return Sent(path)

    def take(self, run_id: str) -> list[Command]:
        """The commands to a run that nobody has taken, in order. The caller has to answer them."""
        taken = []
        try:
            paths = sorted((self._folder / run_id).glob("[0-9]*.json"))
        except OSError:
            return []
        for path in paths:
            mine = path.with_suffix(".taken")
            try:
                path.rename(mine)
                values = read_json(mine.read_bytes())
                taken.append(Command(mine, str(values["name"]), dict(values["values"])))
            except OSError:  # withdrawn, or taken by another process
                continue
            except (ValueError, TypeError, KeyError):
                mine.unlink(missing_ok=True)
        return taken

    def clear(self, run_id: str) -> None:
        """Removes what was left behind by processes that have ended."""
        shutil.rmtree(self._folder / run_id, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Sent:
    """A command that was sent, and that has not been answered yet."""

    path: Path

    def await_answer(self, is_over: Callable[[], bool], patience: float) -> bool:
        """Waits for the answer.

        Args:
            is_over: whether nobody makes the run any more.

        Returns:
            False if nobody has taken the command, and nobody will: it is withdrawn.

        Raises:
            RunError: the maker does not answer, or has ended before it could.
        """
        end = time.monotonic() + patience
        while not self._answer_path.exists():
            is_late = time.monotonic() > end
            if is_late or is_over():
                if self._withdraw():
                    if is_late:
                        raise RunError(SILENT)
                    return False
                if self._answer_path.exists():
                    break
                if is_late or not self.path.with_suffix(".taken").exists():
                    raise RunError(
                        "the process that made this run has ended; look at the run and try again"
                    )
            time.sleep(POLL_SECONDS)
        return True

    def result(self) -> Any:
        """What came of it.

        Raises:
            T2VError: it was refused.
        """
        try:
            outcome = read_json(self._answer_path.read_bytes())
        except (OSError, ValueError) as error:
            raise RunError("the answer to this command cannot be read") from error
        with suppress(OSError):
            self._answer_path.unlink()
        if "error" in outcome:
            raise ERRORS.get(outcome["error"], RunError)(outcome["message"])
        return outcome.get("value")

    @property
    def _answer_path(self) -> Path:
        return self.path.with_suffix(".answer")

    def _withdraw(self) -> bool:
        """Whether nobody had taken the command; nobody can from now on."""
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        return True
