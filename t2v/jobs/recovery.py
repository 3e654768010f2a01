"""Runs that the last app left unfinished: which of them go on, and which are left alone."""

import fcntl
import logging
import os
from contextlib import suppress
from pathlib import Path

from t2v.errors import JobError
from t2v.events import Notice
from t2v.jobs.reopening import reopen
from t2v.jobs.run_folder import RunFolder, RunRecord, iter_folders
from t2v.jobs.turn import MAX_TRIES


log = logging.getLogger(__name__)


class RunsLock:
    """Says that the runs of a folder belong to this process; the system ends it with the process,
    however that ends."""

    def __init__(self, runs_dir: Path):
        self._runs_dir = runs_dir
        self._folder = None

    def take(self) -> bool:
        """Whether they do now; not while there is no such folder."""
        if self._folder is None:
            with suppress(OSError):
                folder = os.open(self._runs_dir, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    os.close(folder)
                    raise
                self._folder = folder
        return self._folder is not None

    def release(self) -> None:
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None


def find_interrupted(runs_dir: Path) -> list[RunRecord]:
    """Marks the runs that were cut off as interrupted, and returns them: first those that were
    being made, then those that waited, in the order in which they came."""
    found = []
    for folder in iter_folders(runs_dir):
        try:
            record = folder.read()
            if record.state in ("queued", "running", "interrupted"):
                was_waiting = record.state == "queued"
                record = folder.update(state="interrupted")
                found.append((was_waiting, record.created, record.id, record))
        except (JobError, OSError):
            log.warning("run %s cannot be read; it is left alone", folder.id)
    return [record for *_, record in sorted(found, key=lambda entry: entry[:3])]


def may_go_on(record: RunRecord) -> bool:
    """Whether it is worth another try: a chunk that has killed the app again and again is not."""
    return record.num_tries < MAX_TRIES


def prepare(folder: RunFolder, *, is_asked_for: bool) -> int:
    """Makes a run ready to go on, and returns the number of its chunks. Whoever watches it is told
    why, where nobody has asked for it."""
    start = reopen(folder)
    num_chunks = start.num_chunks if start else 0
    if num_chunks and not is_asked_for:
        total = folder.read().settings.config.num_chunks
        folder.append(
            Notice(
                f"This video was interrupted after {num_chunks} of {total} chunks, and was taken "
                "up again from there."
            )
        )
    return num_chunks
