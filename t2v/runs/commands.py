"""Commands on a run that waits, is being made, or has ended: stop, pause, resume, extend, ..."""

from dataclasses import asdict
from pathlib import Path

from t2v.runs.commands_here import CommandsHere
from t2v.runs.queue import RunQueue
from t2v.runs.sharing.desk import CommandDesk
from t2v.runs.sharing.folder import WorkFolder
from t2v.settings.config import RefinerSettings


class RunCommands:
    """The commands of runs. What they do appears in the events of the run.

    A command to a run that another process makes is carried out there. They read and write files of
    the run, so call them from a thread that may wait. All raise RunError if there is no such run or
    it cannot do this now, and ConfigError if a value is out of range; nothing has changed then.
    """

    def __init__(self, queue: RunQueue, runs_dir: Path, work: WorkFolder, desk: CommandDesk):
        self._desk = desk
        carried_out = CommandsHere(queue, runs_dir, work)
        for command in ("stop", "pause", "resume", "extend", "change_prompt", "redo", "refine"):
            desk.commands[command] = getattr(carried_out, command)

    def stop(self, run_id: str) -> None:
        """Ends a run within one denoising step and keeps its chunks.

        A run that waits never starts; for a run that has ended, nothing happens.
        """
        self._desk.give(run_id, "stop")

    def pause(self, run_id: str) -> None:
        """Ends a run like `stop`, and marks it as paused. The device is free for other runs."""
        self._desk.give(run_id, "pause")

    def resume(self, run_id: str) -> None:
        """Continues a paused, stopped, interrupted or failed run at its next chunk."""
        self._desk.give(run_id, "resume")

    def extend(self, run_id: str, num_chunks: float) -> None:
        """Adds chunks to a video, whether it is being made or complete."""
        self._desk.give(run_id, "extend", num_chunks=num_chunks)

    def change_prompt(self, run_id: str, prompt: str, blend: float = 0) -> int:
        """Changes the prompt from the next chunk on that has not been started; returns that chunk.

        Args:
            blend: over how many chunks the old prompt fades into the new one.
        """
        return int(self._desk.give(run_id, "change_prompt", prompt=prompt, blend=blend))

    def redo(
        self, run_id: str, chunk: float, *, seed: float | None = None, prompt: str | None = None
    ) -> None:
        """Makes a chunk and all after it again, with another seed, prompt, or both."""
        self._desk.give(run_id, "redo", chunk=chunk, seed=seed, prompt=prompt)

    def refine(self, run_id: str, refiner: RefinerSettings) -> None:
        """Refines a run that has ended, as far as it was made: its other chunks are given up.

        The frames are those of a run that was asked for like that from the start.

        Args:
            refiner: of the run's preset, at the size of its frames.
        """
        self._desk.give(run_id, "refine", refiner=asdict(refiner))
