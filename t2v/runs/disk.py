"""The disk under the runs: whether there is room, and what it refuses in words for the user."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from t2v.errors import RunError


MIN_FREE = 300_000_000  # bytes that the disk must have left when a run begins


@contextmanager
def disk_errors() -> Iterator[None]:
    """Turns an OSError into a sentence for the user.

    Raises:
        RunError: the disk refused something.
    """
    try:
        yield
    except OSError as error:
        raise RunError(f"the run cannot be kept on disk: {error.strerror}") from error


def check_disk(runs_dir: Path) -> None:
    """Refuses a run before the work starts if its video would not fit on the disk.

    Raises:
        RunError: the disk has too little room.
    """
    place = next(path for path in (runs_dir, *runs_dir.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < MIN_FREE:
        raise RunError(
            f"the disk is almost full: {free / 1e6:.0f} MB are free, and a video needs "
            f"{MIN_FREE / 1e6:.0f} MB; delete some videos"
        )
