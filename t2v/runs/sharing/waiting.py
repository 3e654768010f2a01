"""The list of runs that have not ended, for all processes that share a folder of runs.

One small file a run, `queue/<run>.json`: it is there from the moment when the run is asked for
until its end is written. Whether a run waits or is being made says its lease, and what it is says
its own folder. A file that got lost costs nothing: the next app that starts finds the run.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from t2v.atomic import Version, atomic_write, version_of
from t2v.json_reader import read_json
from t2v.runs.field_types import check_fields
from t2v.runs.record import DECODE_ERRORS


SUFFIX = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A run that has not ended."""

    since: float  # when it was asked for, in seconds since 1970; the order of the queue
    address: str = ""  # of whoever asked for it, as the page identifies addresses
    is_cut_off: bool = False  # it was being made when its app was closed


class WaitingList:
    """The entries of a folder. Nothing is kept in memory but what was read before."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._read: dict[str, tuple[Version, Entry | None]] = {}  # by run

    def put(self, run_id: str, entry: Entry, check: Callable[[], None] | None = None) -> None:
        """Adds a run, or replaces its entry.

        Args:
            check: see `atomic_write`.

        Raises:
            OSError: the disk refuses it.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(self._folder / (run_id + SUFFIX), check) as part:
            part.write_text(json.dumps(asdict(entry)), encoding="utf-8")

    def remove(self, run_id: str) -> None:
        (self._folder / (run_id + SUFFIX)).unlink(missing_ok=True)

    def has(self, run_id: str) -> bool:
        return (self._folder / (run_id + SUFFIX)).exists()

    def get(self, run_id: str) -> Entry | None:
        """The entry of a run; None if it has ended, or if its entry is damaged."""
        try:
            return parse(read_json((self._folder / (run_id + SUFFIX)).read_bytes()))
        except (OSError, ValueError):
            return None

    def read(self) -> dict[str, Entry]:
        """All entries, by run. Damaged ones are left out.

        Raises:
            OSError: the file system does not answer; that there are no runs is something else.
        """
        read: dict[str, tuple[Version, Entry | None]] = {}
        try:
            found = list(os.scandir(self._folder))
        except (FileNotFoundError, NotADirectoryError):
            found = []
        for file in found:
            run_id, suffix = os.path.splitext(file.name)
            if suffix != SUFFIX or file.name.startswith("."):
                continue
            try:
                version = version_of(file.stat())
            except OSError:
                continue
            before = self._read.get(run_id)
            read[run_id] = (
                before if before and before[0] == version else (version, self.get(run_id))
            )
        self._read = read
        return {run_id: entry for run_id, (_, entry) in read.items() if entry is not None}


def parse(values: Any) -> Entry | None:
    """An entry from what is in its file; None if it is damaged."""
    try:
        entry = Entry(**values)
        check_fields(entry)
    except DECODE_ERRORS:
        return None
    return entry
