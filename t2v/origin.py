"""Where a video comes from: what its file says, the JSON beside it, and how to make it again.

Frames are told by the SHA-256 of their pixels as the model drew them, chunk by chunk. The same
settings, weights and versions on the same kind of device give the same ones.
"""

import hashlib
import json
import platform
import shlex
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from t2v import __version__
from t2v.atomic import atomic_write
from t2v.config import GenerationConfig
from t2v.errors import CheckpointError, ConfigError, MediaError
from t2v.media.video import read_metadata


MAX_BYTES = 5_000_000  # of a JSON file: 10,000 chunks need less than one million
LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "av")
REFINING = ("prompt", "negative_prompt", "seed", "blending", "preset", "version")
SETTINGS = {field.name for field in fields(GenerationConfig)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """How a video was made."""

    config: GenerationConfig
    preset: str
    version: str = __version__

    def to_json(self) -> dict[str, Any]:
        """Plain values, all on one level, for the tags of a file."""
        return asdict(self.config) | {"preset": self.preset, "version": self.version}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Origin":
        """Settings that this version does not have are left out: a later one may have written.

        Raises:
            ConfigError: the values are no settings, or out of range.
        """
        preset, version = values.get("preset"), values.get("version")
        if values.get("is_refined_file") is True:
            settings = ", ".join(f"{name} {values.get(name)!r}" for name in REFINING)
            raise ConfigError(
                "this file is another video, made sharper by `t2v refine`, and cannot be made from "
                f"settings alone; they were: {settings[:400]}"
            )
        if not isinstance(preset, str) or not isinstance(version, str) or "prompt" not in values:
            raise ConfigError("this file does not say how it was made")
        config = GenerationConfig(**{k: values[k] for k in values.keys() & SETTINGS})
        return cls(config=config, preset=preset, version=version)


def read_origin(path: Path) -> Origin:
    """How the video in a file was made; also from the JSON that was written beside it.

    Raises:
        MediaError: the file cannot be read, or comes from elsewhere.
        ConfigError: it holds settings that are out of range.
    """
    return Origin.from_json(_read(path))


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MediaError(f"there is no file {path}")
    if path.suffix.lower() != ".json":
        values = read_metadata(path)
    elif path.stat().st_size > MAX_BYTES:
        raise MediaError(f"{path.name} is too large: at most {MAX_BYTES // 10**6} MB are read")
    else:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise MediaError(f"{path.name} cannot be read as JSON") from error
    if not isinstance(values, dict) or not values:
        raise MediaError(f"{path.name} does not say how it was made: it was made elsewhere")
    return values


def describe(
    origin: Origin,
    name: str,
    weights: dict[str, str],
    chunks: Iterable[str],
    refined_chunks: Iterable[str] = (),
    versions: dict[str, str] | None = None,
) -> dict[str, Any]:
    """What the JSON beside a video says: nothing of the machine but its kind, no path, no name.

    Args:
        name: of the JSON file.
        weights: SHA-256 by file.
        chunks, refined_chunks: of the frames; see `hash_frames`.
        versions: that made the video; None: those of this process. See `versions_here`.
    """
    return origin.to_json() | {
        "command": again_command(name),
        "versions": versions_here() if versions is None else versions,
        "weights": weights,
        "chunks": list(chunks),
        "refined_chunks": list(refined_chunks),
    }


def describe_refined(config: GenerationConfig, preset: str) -> dict[str, Any]:
    """What the file of a video says that was made from another one by refining it."""
    values = Origin(config=config, preset=preset).to_json()
    return {name: values[name] for name in REFINING} | {"is_refined_file": True}


def versions_here() -> dict[str, str]:
    """What, besides settings and weights, a video may depend on."""
    return {"python": platform.python_version(), "machine": platform.machine()} | {
        name: version_of(name) for name in LIBRARIES
    }


def again_command(name: str) -> str:
    """The command line that makes the same video again, in the folder where its JSON is."""
    return shlex.join(["python", "-m", "t2v", "generate", "--like", name, "--out", "again.mp4"])


def to_json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=1) + "\n"


def write_json(values: dict[str, Any], path: Path) -> None:
    """
    Raises:
        MediaError: the disk refuses it.
    """
    try:
        with atomic_write(path) as part:
            part.write_text(to_json(values), encoding="utf-8")
    except OSError as error:
        raise MediaError(f"cannot write {path.name}: {error.strerror}") from error


def hash_weights(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of weights in a folder, by its path there.

    Raises:
        CheckpointError: a file cannot be read.
    """
    return {
        path.relative_to(folder).as_posix(): _hash_file(path)
        for path in sorted(folder.rglob("*.safetensors"))
    }


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
