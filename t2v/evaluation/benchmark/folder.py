"""The folder of a benchmark: videos without loss and their measures, each visible when complete.

manifest.json                            what all numbers depend on; see manifest.py
first/<prompt>-<seed>.npy                the first chunk that arms continue
first/<prompt>-<seed>.npz                on Helios, what that chunk leaves for the next one
videos/<chunks>/<arm>/<prompt>-<seed>.npy     frames, uint8 (f, h, w, 3)
measures/<chunks>/<arm>/<prompt>-<seed>.json  measures and series of that video
<suite>/report.json, table.md, ...       what is made of them; see report.py

Suites share videos of one length, so `all` makes each of them once.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import UInt8

from t2v.atomic import atomic_write
from t2v.errors import ConfigError, MediaError
from t2v.evaluation.benchmark.plan import Case
from t2v.events import LatentMemory


Frames = UInt8[np.ndarray, "_ _ _ 3"]
LOCK = ".lock"


class BenchmarkFolder:
    """Reads and writes the files of a benchmark."""

    def __init__(self, path: Path):
        self.path = path

    def first_chunk(self, case: Case) -> Path:
        return self.path / "first" / f"{case.name}.npy"

    def first_memory(self, case: Case) -> Path:
        return self.path / "first" / f"{case.name}.npz"

    def video(self, case: Case) -> Path:
        return self.path / "videos" / str(case.num_chunks) / case.arm / f"{case.name}.npy"

    def measures(self, case: Case) -> Path:
        return self.path / "measures" / str(case.num_chunks) / case.arm / f"{case.name}.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other commands out of the folder, and deletes what a killed one was writing.

        Raises:
            ConfigError: another command is at work in it.
            MediaError: the folder cannot be written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / LOCK).open("w")
        except OSError as error:
            raise MediaError(f"cannot write to {self.path}: {error.strerror}") from error
        with file:
            try:
                flock(file, LOCK_EX | LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"another benchmark is at work in {self.path}; wait for it, or give another "
                    "folder with --out"
                ) from None
            self._delete_parts()
            yield

    def _delete_parts(self) -> None:
        for name in ("first", "videos", "measures"):
            for part in (self.path / name).rglob(".*.part"):
                part.unlink(missing_ok=True)

    def suite(self, name: str) -> Path:
        """The folder for what is made of a suite's numbers."""
        folder = self.path / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def write_video(path: Path, pieces: Iterator[Frames], num_frames: int) -> None:
    """Writes frames as they come, in constant memory; what is longer is cut.

    Raises:
        MediaError: the disk refuses them, or there are too few.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part, part.open("wb") as file:
            written = 0
            for frames in pieces:
                frames = np.ascontiguousarray(frames[: num_frames - written])
                if not written:
                    shape = (num_frames, *frames.shape[1:])
                    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                    np.lib.format.write_array_header_1_0(file, header)
                file.write(frames.data)
                written += len(frames)
                if written == num_frames:
                    break
            if written < num_frames:
                raise MediaError(f"{path.name} has {written} frames, not {num_frames}")
    except OSError as error:
        raise MediaError(f"cannot write {path}: {error.strerror}") from error


def read_video(path: Path) -> Frames:
    """The frames of a video, read from the disk when they are looked at.

    Raises:
        MediaError: the file is not there, or damaged.
    """
    try:
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise MediaError(f"{path} cannot be read; delete it, and it is made again") from error
    if frames.ndim != 4 or frames.dtype != np.uint8 or frames.shape[-1] != 3:
        raise MediaError(f"{path} is no video; delete it, and it is made again")
    return frames


def write_memory(path: Path, memory: LatentMemory) -> None:
    """Writes latents as they are.

    Raises:
        MediaError: the disk refuses them.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part, part.open("wb") as file:
            np.savez(file, history=memory.history, anchor=memory.anchor)
    except OSError as error:
        raise MediaError(f"cannot write {path}: {error.strerror}") from error


def read_memory(path: Path) -> LatentMemory:
    """Reads what `write_memory` wrote.

    Raises:
        MediaError: the file is not there, or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return LatentMemory(arrays["history"], arrays["anchor"])
    except (OSError, ValueError, EOFError, KeyError, BadZipFile) as error:
        raise MediaError(
            f"{path} cannot be read; delete it and {path.stem}.npy, and both are made again"
        ) from error


def write_values(path: Path, values: dict[str, Any]) -> None:
    """Writes JSON without nan or infinity.

    Raises:
        MediaError: the disk refuses it.
    """
    write_text(path, json.dumps(values, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes a text that appears when it is complete.

    Raises:
        MediaError: the disk refuses it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part:
            part.write_text(text, encoding="utf-8")
    except OSError as error:
        raise MediaError(f"cannot write {path}: {error.strerror}") from error


def read_values(path: Path) -> dict[str, Any]:
    """Reads JSON.

    Raises:
        MediaError: the file is not there, or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise MediaError(f"{path} cannot be read; delete it, and it is made again") from error
