"""SHA-256 of files of weights. A file is read once, and again after it has changed.

Reading 40 GB takes a minute or more, and every process that makes videos would do it at every load.
What is known of large files is kept beside them, in `.sha256.json`. A file counts as unchanged
while its number, size, times of change and of its last new attributes are the same; the last of
them cannot be set back.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from t2v.atomic import atomic_write, version_of
from t2v.errors import CheckpointError
from t2v.json_reader import read_json
from t2v.settings.conditionings import arm_folder
from t2v.settings.preset import Preset


KEPT_NAME = ".sha256.json"
KEPT_BYTES = 100_000_000  # of files whose hashes are kept on disk; smaller ones are read quickly
SETTLED_NS = 2 * 10**9  # a younger file could change without another time
Stamp = tuple[int, int, int, int]
Known = dict[str, tuple[Stamp, str]]  # by name: when it was hashed, the hash

_in_memory: dict[Path, Known] = {}


def hash_preset(preset: Preset) -> dict[str, str]:
    """SHA-256 of every file of weights that makes the videos of a preset.

    By the path in the preset's folder; of a trained conditioning, by that in the folder of arms.

    Raises:
        CheckpointError: a file cannot be read.
    """
    hashes = hash_weights(preset.weights_folder)
    if preset.conditioning is not None:
        arm = hash_weights(arm_folder(preset.conditioning))
        hashes |= {f"{preset.conditioning}/{name}": digest for name, digest in arm.items()}
    return hashes


def hash_weights(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of weights in a folder, by its path in the folder.

    Raises:
        CheckpointError: a file cannot be read.
    """
    kept = _read(folder)
    before = kept | _in_memory.get(folder, {})
    known: Known = {}
    hashes = {}
    for path in sorted(folder.rglob("*.safetensors")):
        name = path.relative_to(folder).as_posix()
        stamp, digest = before.get(name, (None, ""))
        now = _stamp(path)
        if stamp != now:
            digest = hash_file(path)
        hashes[name] = digest
        if stamp == now or (_stamp(path) == now and _is_settled(now)):
            known[name] = now, digest
    _in_memory[folder] = known
    large = {name: one for name, one in known.items() if one[0][2] >= KEPT_BYTES}
    if large != kept:
        _write(folder, large)
    return hashes


def hash_file(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error


def _stamp(path: Path) -> Stamp:
    """Another one whenever the content of a file has changed, unless it has just changed."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    return *version_of(status), status.st_ctime_ns


def _is_settled(stamp: Stamp) -> bool:
    """Whether a later change shows in the times: clocks of file systems go in steps."""
    _, written, _, changed = stamp
    return time.time_ns() - max(written, changed) > SETTLED_NS


def _read(folder: Path) -> Known:
    """What is kept beside the files; nothing if that is missing or damaged."""
    try:
        values = read_json((folder / KEPT_NAME).read_bytes())
        return {str(name): (_parse(stamp), str(digest)) for name, (stamp, digest) in values.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _parse(stamp: list[int]) -> Stamp:
    number, written, size, changed = map(int, stamp)
    return number, written, size, changed


def _write(folder: Path, known: Known) -> None:
    # A folder that cannot be written to: the next process reads all files again.
    with suppress(OSError), atomic_write(folder / KEPT_NAME) as part:
        part.write_text(json.dumps(known), encoding="utf-8")
