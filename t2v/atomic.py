"""Files that appear under their names when they are complete, and not before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Gives the block another path to write to; what is there at its end takes the name `path`.

    After an exception, or where the block wrote nothing, what was at `path` stays as it was.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        if part.exists():
            os.replace(part, path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
