"""What was drawn, kept without loss: all that a run needs to go on with the same frames.

memory/00000016.npz          the frames of the chunk that begins at frame 16. Those of the last
                             chunk are the short-term memory, the first of all is the anchor
       refiner-00000040.npz  what a refined chunk needs that begins after 40 frames were read
"""

import zipfile
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np

from t2v.atomic import atomic_write
from t2v.config import NUM_COND_FRAMES, chunk_of, first_frame_of
from t2v.errors import JobError
from t2v.state import Frames, Memory, RefinerState


REFINERS_KEPT = 3  # the newest: enough to redo the last chunks without refining all again


class MemoryFiles:
    """The memory of one run on disk. Files appear under their names when they are complete."""

    def __init__(self, folder: Path):
        self.folder = folder

    def has(self, start_frame: int) -> bool:
        return self._path(start_frame).exists()

    def keep(self, start_frame: int, frames: Frames) -> None:
        self._save(self._path(start_frame), {"frames": frames})

    def read(self, start_frame: int) -> Frames:
        """
        Raises:
            JobError: the file is not there, or damaged.
        """
        return load(self._path(start_frame))["frames"]

    def read_from(self, frame: int, end: int) -> Iterator[Frames]:
        """Frames from a number on, chunk by chunk, up to `end`, where a chunk begins."""
        while frame < end:
            start = first_frame_of(chunk_of(frame))
            piece = self.read(start)[frame - start :]
            yield piece
            frame += len(piece)

    def memory_after(self, num_chunks: int) -> Memory:
        """What the chunk that comes after so many has to know."""
        last = self.read(first_frame_of(num_chunks - 1))
        return Memory(last[-NUM_COND_FRAMES:].copy(), self.read(0)[0].copy())

    def keep_refiner(self, state: RefinerState) -> None:
        values = {field.name: getattr(state, field.name) for field in fields(state)}
        path = self.folder / f"refiner-{state.num_frames:08d}.npz"
        # Noise does not get smaller: it is not worth the time.
        self._save(path, {k: v for k, v in values.items() if v is not None}, compress=False)
        for old in self._refiners()[:-REFINERS_KEPT]:
            old.unlink()

    def refiner_before(self, num_frames: int, num_refined_frames: int, overlap: int):
        """The newest state of the refiner that has read at most `num_frames`, and has finished at
        most `num_refined_frames`; None if there is none."""
        for path in reversed(self._refiners()):
            num_read = int(path.stem.removeprefix("refiner-"))
            if num_read <= num_frames and num_read - overlap <= num_refined_frames:
                return read_refiner(path)
        return None

    def forget_from(self, frame: int) -> None:
        """Removes what belongs to frames from this one on, and what comes of them."""
        for path in self.folder.glob("*.npz"):
            name = path.stem
            is_late = int(name) >= frame if name.isdigit() else _number(name) > frame
            if is_late:
                path.unlink()

    def _refiners(self) -> list[Path]:
        return sorted(self.folder.glob("refiner-*.npz"))

    def _path(self, start_frame: int) -> Path:
        return self.folder / f"{start_frame:08d}.npz"

    def _save(self, path: Path, values: dict, *, compress: bool = True) -> None:
        self.folder.mkdir(exist_ok=True)
        with atomic_write(path) as part, part.open("wb") as file:
            (np.savez_compressed if compress else np.savez)(file, **values)


def read_refiner(path: Path) -> RefinerState:
    values = load(path)
    return RefinerState(
        num_chunks=int(values["num_chunks"]),
        num_frames=int(values["num_frames"]),
        frame_size=tuple(values["frame_size"].tolist()),
        encoded=values["encoded"],
        latents=values["latents"],
        x0s=values.get("x0s"),
    )


def load(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as values:
            return dict(values)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise JobError(f"the memory of this run cannot be read: {path.name}") from error


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])
