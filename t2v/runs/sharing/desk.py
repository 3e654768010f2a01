"""Where commands to runs are carried out: here, or by the process that makes the run."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from t2v.errors import RunError
from t2v.runs.disk import disk_errors
from t2v.runs.folder import RunFolder
from t2v.runs.sharing.folder import WorkFolder
from t2v.runs.sharing.lease import LeaseLostError
from t2v.runs.sharing.mailbox import PATIENCE, Command
from t2v.runs.sharing.sync import QueueSync


MAX_ROUNDS = 5  # a run that changes hands as often while one command waits


class CommandDesk:
    """Carries commands out with the lease of their run, or sends them to whoever has it.

    Attributes:
        commands: by name: what carries a command out in this process, given the run's id and the
            values of the command, which are plain JSON.
    """

    def __init__(self, runs_dir: Path, work: WorkFolder, sync: QueueSync):
        self.commands: dict[str, Callable[..., Any]] = {}
        self._runs_dir = runs_dir
        self._work = work
        self.refresh = sync.refresh

    def give(self, run_id: str, name: str, **values: Any) -> Any:
        """Carries a command out, and returns what came of it, which is plain JSON.

        Raises:
            T2VError: the command is refused, or whoever makes the run does not answer.
        """
        for _ in range(MAX_ROUNDS):
            RunFolder.open(self._runs_dir, run_id)  # a run that exists: ids come from links
            try:
                with disk_errors(), self._work.leases.hold(run_id) as lease:
                    if lease is not None:
                        self.refresh(run_id)
                        return self.commands[name](run_id, **values)
            except LeaseLostError:
                continue
            with disk_errors():
                sent = self._work.mailbox.send(run_id, name, values)
            if sent.await_answer(lambda: not self._is_held_elsewhere(run_id), PATIENCE):
                return sent.result()
        raise RunError("this run is passed from process to process; try again in a moment")

    def answer(self, run_id: str) -> list[Callable[[], None]]:
        """What carries out the commands that other processes sent to a run of this process."""
        return [
            partial(command.answer, partial(self._carry_out, run_id, command))
            for command in self._work.mailbox.take(run_id)
        ]

    def _carry_out(self, run_id: str, command: Command) -> Any:
        if command.name not in self.commands:
            raise RunError("the process that makes this run is of another version of Longtake")
        return self.give(run_id, command.name, **command.values)

    def _is_held_elsewhere(self, run_id: str) -> bool:
        return run_id in self._work.leases.ids_held_elsewhere()
