"""Ends of runs that a disk refuses, told to other processes without needing room on that disk.

`refused/<run>.<number>` is an empty file, and the number is that of the error: a full disk still
takes names.
"""

import os
from contextlib import suppress
from pathlib import Path

from t2v.errors import describe_failure


class RefusedEnds:
    """The runs that have ended, and whose maker waits for room to write it."""

    def __init__(self, folder: Path):
        self._folder = folder

    def tell(self, run_id: str, error: OSError) -> None:
        """The disk refuses the end of a run. Without a word if it refuses this as well."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / f"{run_id}.{error.errno or 0}").touch()

    def withdraw(self, run_id: str) -> None:
        """The end of a run is written, or the run goes on."""
        for path in self._paths(run_id):
            with suppress(OSError):
                path.unlink()

    def message(self, run_id: str) -> str:
        """Why the end of a run is not on the disk, for the user; "" if that is not known."""
        for path in self._paths(run_id):
            number = path.name.rpartition(".")[2]
            if number.isascii() and number.isdigit():
                return describe_failure(OSError(int(number), os.strerror(int(number))))
        return ""

    def _paths(self, run_id: str) -> list[Path]:
        try:
            return list(self._folder.glob(f"{run_id}.*"))
        except OSError:
            return []
