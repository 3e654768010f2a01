"""Provenance: the metadata of a video file, its sidecar JSON, and the command that makes it again.

Frames are identified by the SHA-256 of their pixels as the model drew them, chunk by chunk. The
same settings, weights and versions on the same kind of device give the same hashes.
"""

import json
import platform
import shlex
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from t2v import __version__
from t2v.atomic import atomic_write
from t2v.errors import ConfigError, FileError, MediaError
from t2v.events import Start
from t2v.json_reader import read_json
from t2v.media.images import hash_frames
from t2v.media.video import read_metadata
from t2v.settings.config import GenerationConfig
from t2v.settings.declaration import settings_of


SIDECAR_NAME = "video.json"  # in the folder of a run, and in its bundle
# What zipfile may raise for a file that is no zip, cut, encrypted, or without a sidecar.
BUNDLE_ERRORS = (
    zipfile.BadZipFile,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
MAX_BYTES = 5_000_000  # of a sidecar: 10,000 chunks need less than one million
LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "av")
REFINING = ("prompt", "negative_prompt", "seed", "blending", "preset", "version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How a video was made."""

    config: GenerationConfig
    preset: str
    version: str = __version__
    # "image" or "clip", and the SHA-256 of its frames, if it began with one; see `t2v.starting`
    begins_with: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values, all on one level, for the metadata of a file."""
        begins_with = {"begins_with": self.begins_with} if self.begins_with else {}
        return asdict(self.config) | {"preset": self.preset, "version": self.version} | begins_with

    @classmethod
    def from_json(
        cls, values: dict[str, Any], kind: type[GenerationConfig] = GenerationConfig
    ) -> "Provenance":
        """Settings that `kind` does not have are ignored: a later version may have written them.

        Raises:
            ConfigError: the values are not settings, or out of range.
        """
        preset, version = values.get("preset"), values.get("version")
        if values.get("is_refined_file") is True:
            settings = ", ".join(f"{name} {values.get(name)!r}" for name in REFINING)
            raise ConfigError(
                "this file is another video, made sharper by `longtake refine`, and cannot be made "
                f"from settings alone; they were: {settings[:400]}"
            )
        if not isinstance(preset, str) or not isinstance(version, str) or "prompt" not in values:
            raise ConfigError("this file does not say how it was made")
        config = kind(**{name: values[name] for name in values.keys() & settings_of(kind).keys()})
        begins_with = str(values.get("begins_with") or "")
        return cls(config=config, preset=preset, version=version, begins_with=begins_with)


def read_provenance(path: Path, kind: type[GenerationConfig] = GenerationConfig) -> Provenance:
    """How a video was made, from its file or its sidecar.

    Args:
        kind: the config class to read.

    Raises:
        MediaError: the file cannot be read, or was not made by Longtake.
        ConfigError: its settings are out of range.
    """
    return Provenance.from_json(read_values(path), kind)


def read_values(path: Path) -> dict[str, Any]:
    """What a video's tags or its sidecar say, unchecked.

    Raises:
        MediaError: the file cannot be read, or says nothing.
    """
    if not path.is_file():
        raise MediaError(f"there is no file {path}")
    match path.suffix.lower():
        case ".json":
            values = read_sidecar(path.name, path.read_bytes, path.stat().st_size)
        case ".zip":
            values = read_bundle(path)
        case _:
            values = read_metadata(path)
    if not isinstance(values, dict) or not values:
        raise FileError(f"{path.name} does not say how it was made: it was made elsewhere")
    return values


def read_sidecar(name: str, read: Callable[[], bytes], num_bytes: int) -> Any:
    """The values of a sidecar.

    Args:
        name: of its file.
        read: gives its bytes.
        num_bytes: its size, checked before it is read.

    Raises:
        FileError: it is too large, or not JSON.
    """
    if num_bytes > MAX_BYTES:
        raise FileError(f"{name} is too large: at most {MAX_BYTES // 10**6} MB are read")
    try:
        return read_json(read(), may_go_on=True)
    except UnicodeDecodeError as error:
        raise FileError(
            f"{name} cannot be read as JSON: it must be saved as UTF-8, UTF-16 or UTF-32"
        ) from error
    except (OSError, ValueError) as error:
        raise FileError(f"{name} cannot be read as JSON") from error


def read_bundle(path: Path) -> Any:
    """The values of the sidecar in a reproducibility bundle; nothing else of it is unpacked.

    Raises:
        FileError: it is no bundle of Longtake, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            info = bundle.getinfo(SIDECAR_NAME)
            if info.compress_type != zipfile.ZIP_STORED:  # a small file may unpack to a huge one
                raise FileError(f"{path.name} is not a bundle of Longtake: it was packed elsewhere")
            return read_sidecar(path.name, lambda: bundle.read(info), info.file_size)
    except BUNDLE_ERRORS as error:
        raise FileError(f"{path.name} is not a reproducibility bundle of Longtake") from error


def find_values(video: Path) -> dict[str, Any]:
    """What a video's tags say; without any, what the sidecar beside it says; empty without both.

    Raises:
        MediaError: there is no such file, or it cannot be read.
    """
    if not video.is_file():
        raise MediaError(f"there is no file {video}")
    sidecar = video.with_suffix(".json")
    if values := read_metadata(video):
        return values
    with suppress(MediaError):
        return read_values(sidecar)
    return {}


def describe_start(start: Start | None) -> str:
    """What a video began with, as its files say it: no name of a file, but which frames."""
    if start is None:
        return ""
    return f"{'image' if start.is_image else 'clip'} {hash_frames(start.frames)}"


def describe(
    provenance: Provenance,
    name: str,
    weights: dict[str, str],
    chunks: Iterable[str],
    refined_chunks: Iterable[str] = (),
    versions: dict[str, str] | None = None,
) -> dict[str, Any]:
    """The contents of a sidecar. It names the kind of the machine, but no path and no person.

    Args:
        name: file name of the sidecar.
        weights: SHA-256 by file.
        chunks, refined_chunks: hashes of the frames; see `hash_frames`.
        versions: software that made the video; by default `versions_here`.
    """
    return provenance.to_json() | {
        "command": again_command(name),
        "versions": versions_here() if versions is None else versions,
        "weights": weights,
        "chunks": list(chunks),
        "refined_chunks": list(refined_chunks),
    }


def describe_refined(config: GenerationConfig, preset: str) -> dict[str, Any]:
    """The metadata of a video that `longtake refine` made from another one."""
    values = Provenance(config=config, preset=preset).to_json()
    return {name: values[name] for name in REFINING} | {"is_refined_file": True}


def versions_here() -> dict[str, str]:
    """Versions of software and kind of machine: a video may depend on them, too."""
    return {"python": platform.python_version(), "machine": platform.machine()} | {
        name: version_of(name) for name in LIBRARIES
    }


def again_command(name: str) -> str:
    """The command that makes the same video again, in the folder of its sidecar."""
    return shlex.join(["longtake", "generate", "--like", name, "--out", "again.mp4"])


def dumps(values: dict[str, Any]) -> str:
    """The text of a sidecar."""
    return json.dumps(values, indent=1) + "\n"


def write_json(values: dict[str, Any], path: Path) -> None:
    """Writes a sidecar.

    Raises:
        MediaError: the disk refuses it.
    """
    try:
        with atomic_write(path) as part:
            part.write_text(dumps(values), encoding="utf-8")
    except OSError as error:
        raise MediaError(f"cannot write {path.name}: {error.strerror}") from error
