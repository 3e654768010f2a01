"""Output files: named, checked before the work, and visible only when complete."""

import errno
import hashlib
import os
import re
import secrets
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from t2v.errors import ConfigError, MediaError


MAX_NAME_BYTES = 255  # of a file, on most systems
MAX_NAME_LENGTH = 60  # of the words in a file name

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


def check_output(name: str, path: Path, suffix: str, overwrite: bool) -> None:
    """Finds before the work what would fail after it.

    Args:
        name: what the user calls the path.

    Raises:
        ConfigError: the path has another suffix.
        MediaError: the file exists already, is a link or no ordinary file, or its folder accepts
            no files.
    """
    if path.suffix.lower() != suffix:
        raise ConfigError(f"{name} must end in {suffix}, got {str(path)!r}")
    try:
        if path.is_dir():
            raise MediaError(f"{path} is a folder")
        if path.is_symlink():  # it would be replaced, and not the file that it means
            raise MediaError(f"{path} is a link; give the name of the file itself")
        if path.exists() and not path.is_file():
            raise MediaError(f"{path} is no ordinary file")
        if path.exists() and not overwrite:
            raise MediaError(f"{path} exists; --force overwrites it")
        if not path.parent.is_dir():
            raise MediaError(f"the folder {path.parent} does not exist")
        with NamedTemporaryFile(dir=path.parent, prefix=".longtake-"):
            pass
    except OSError as error:
        raise MediaError(f"cannot write to {path}: {error.strerror}") from error


def name_of(prompt: str, seed: int) -> str:
    """A file name without ending that people recognise: words of the prompt, and the seed.

    Empty if no word of the prompt can be written in ASCII.
    """
    ascii_text = unicodedata.normalize("NFKD", prompt).encode("ascii", "ignore").decode()
    words = "-".join(re.findall("[a-z0-9]+", ascii_text.lower()))
    if len(words) > MAX_NAME_LENGTH:
        words = words[: max(0, words.rfind("-", 0, MAX_NAME_LENGTH + 1))]
    return f"{words}-seed-{seed}" if words else ""


def free_path(path: Path, beside: tuple[str, ...] = ()) -> Path:
    """`path`, with the first number that makes it a new file: a.mp4, a-2.mp4, a-3.mp4, ...

    Args:
        beside: endings of files that will be written beside it and must be new too: ".json" for
            a.json, "-refined.mp4" for a-refined.mp4.
    """
    for stem in (path.stem, *(f"{path.stem}-{number}" for number in range(2, 10_000))):
        names = (f"{stem}{ending}" for ending in (path.suffix, *beside))
        if not any(os.path.lexists(path.with_name(name)) for name in names):
            return path.with_name(f"{stem}{path.suffix}")
    raise MediaError(f"{path} and all its numbers exist; give another name")
