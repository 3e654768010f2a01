"""Files that are visible only when they are complete."""

import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


MAX_NAME_BYTES = 255  # of a file, on most systems

Version = tuple[int, int, int]  # of a file: its number, when it was written (ns), its size


@contextmanager
def atomic_write(path: Path, check: Callable[[], None] | None = None) -> Iterator[Path]:
    """Gives the block another path to write to; what is there at its end takes the name `path`.

    The file is on the disk before it has its name, so that no power cut leaves half of it. After an
    exception, or where the block wrote nothing, what was at `path` stays as it was.

    Args:
        check: is called at the last moment before the file gets its name, and may raise. Writing to
            the disk takes long enough for another process to take over.
    """
    part = part_of(path)
    try:
        yield part
        if part.exists():
            publish(part, path, check)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def publish(part: Path, path: Path, check: Callable[[], None] | None = None) -> None:
    """Gives a complete file its name, once it is on the disk.

    Args:
        check: see `atomic_write`.
    """
    _sync(part)
    if check is not None:
        check()
    os.replace(part, path)
    _sync(path.parent)


def part_of(path: Path) -> Path:
    """Where a file is written before it takes its name: each time somewhere else.

    Another process may write the same file, or have been stopped while it did.
    """
    token = secrets.token_hex(4)
    name = f".{path.name}.{token}.part"
    if len(os.fsencode(name)) > MAX_NAME_BYTES:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()}.{token}.part"
    return path.with_name(name)


def version_of(status: os.stat_result) -> Version:
    """Another one whenever `atomic_write` has replaced the file.

    The time alone is not enough: clocks of file systems go in steps of some milliseconds.
    """
    return status.st_ino, status.st_mtime_ns, status.st_size


def _sync(path: Path) -> None:
    """Waits until a file or the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def sync(descriptor: int) -> None:
    """Waits until what was written to an open file is on the disk."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot
            raise
