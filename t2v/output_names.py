"""Names of output files: made of the prompt, free, and checked before the work."""

import os
import re
import unicodedata
from pathlib import Path
from tempfile import NamedTemporaryFile

from t2v.errors import ConfigError, MediaError


MAX_NAME_LENGTH = 60  # of the words in a file name


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
