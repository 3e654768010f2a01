"""The frame store: the frames of a run without loss, so that it can resume with the same frames.

memory/00000016.npz          the frames of the chunk that starts at frame 16. The last chunk holds
                             the conditioning frames, the first one the anchor frame. Where the
                             memory is latents (Helios, FramePack), also that after the chunk
       refiner-00000040.npz  the state of the refiner after it has read 40 frames
"""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from t2v.atomic import atomic_write
from t2v.errors import RunError
from t2v.events import Frames, LatentMemory, Memory, RefinerState
from t2v.settings.chunking import Chunking


FRAMES_NAME = r"[0-9]{8,12}\.npz"
REFINER_NAME = r"refiner-[0-9]{8,12}\.npz"
MAX_REFINER_STATES = 3  # the newest: enough to redo the last chunks without refining all again
# What numpy may raise for a file that is not there, cut, or filled with something else.
LOAD_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    SyntaxError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


class FrameStore:
    """The frames of one run on disk. Files appear under their names when they are complete.

    Args:
        check: see `atomic_write`.
    """

    def __init__(self, folder: Path, chunking: Chunking, check: Callable[[], None] | None = None):
        self.folder = folder
        self._check = check
        self._chunking = chunking

    def has(self, start_frame: int) -> bool:
        return self._path(start_frame).exists()

    def save(self, start_frame: int, frames: Frames, memory: LatentMemory | None = None) -> None:
        """Saves the frames of a chunk, and the memory after it if its frames do not hold that."""
        remembered = {} if memory is None else array_fields(memory)
        self._save(self._path(start_frame), {"frames": frames} | remembered)

    def read(self, start_frame: int) -> Frames:
        """The frames of the chunk that begins at `start_frame`.

        Raises:
            RunError: the file is not there, or damaged.
        """
        path = self._path(start_frame)
        frames = load_arrays(path).get("frames", np.empty(0))
        chunk = self._chunking.chunk_at(start_frame)
        num_frames = self._chunking.num_frames(chunk + 1) - start_frame
        is_video = frames.ndim == 4 and frames.shape[-1] == 3 and frames.dtype == np.uint8
        if not is_video or len(frames) != num_frames or not frames.size:
            raise RunError(damaged(path))
        return frames

    def is_whole(self, start_frame: int) -> bool:
        """Whether the frames of the chunk that starts there can be read."""
        try:
            self.read(start_frame)
        except RunError:
            return False
        return True

    def num_whole_chunks(self, num_chunks: int, first: int | None = None) -> int:
        """Of the first `num_chunks` chunks, as many as can be continued.

        These are all up to the last that can be read, if the anchor frame can.

        Args:
            first: chunk from which on all have to be readable, for the refiner.
        """
        for chunk in range(num_chunks if first is None else first, num_chunks):
            if not self.is_whole(self._chunking.num_frames(chunk)):
                num_chunks = chunk
                break
        while num_chunks and not self.is_whole(self._chunking.num_frames(num_chunks - 1)):
            num_chunks -= 1
        return num_chunks if num_chunks and self.is_whole(0) else 0

    def read_from(self, frame: int, end: int) -> Iterator[Frames]:
        """The frames from a number on, chunk by chunk, up to `end`, where a chunk starts."""
        while frame < end:
            start = self._chunking.num_frames(self._chunking.chunk_at(frame))
            frames = self.read(start)[frame - start :]
            yield frames
            frame += len(frames)

    def memory_after(self, num_chunks: int) -> Memory | LatentMemory:
        """What the next chunk after so many needs to know.

        Raises:
            RunError: a file is not there, or damaged.
        """
        start_frame = self._chunking.num_frames(num_chunks - 1)
        latents = read_latents(self._path(start_frame))
        if latents is not None:
            return latents
        last = self.read(start_frame)
        cond_frames = last[len(last) - self._chunking.overlap :]
        return Memory(cond_frames.copy(), self.read(0)[0].copy())

    def save_refiner(self, state: RefinerState) -> None:
        path = self.folder / f"refiner-{state.num_frames:08d}.npz"
        # Noise cannot be compressed: it is not worth the time.
        self._save(path, array_fields(state), compress=False)
        for old in self._refiner_paths()[:-MAX_REFINER_STATES]:
            old.unlink()

    def refiner_before(
        self, num_frames: int, num_refined_frames: int, overlap: int
    ) -> RefinerState | None:
        """The newest whole state of the refiner within these limits; None if there is none.

        It has read at most `num_frames`, and has finished at most `num_refined_frames`.
        """
        for path in reversed(self._refiner_paths()):
            num_read = _number(path.stem)
            if num_read <= num_frames and num_read - overlap <= num_refined_frames:
                with suppress(RunError):
                    return read_refiner(path)
        return None

    def delete_from(self, frame: int) -> None:
        """Deletes the frames from this one on, and the refiner states that have read any."""
        for path in self._paths(FRAMES_NAME):
            if _number(path.stem) >= frame:
                path.unlink()
        for path in self._refiner_paths():
            if _number(path.stem) > frame:
                path.unlink()

    def _refiner_paths(self) -> list[Path]:
        return self._paths(REFINER_NAME)

    def _paths(self, name: str) -> list[Path]:
        """Files of one kind, in order; others in the folder are not ours."""
        return sorted(path for path in self.folder.glob("*.npz") if re.fullmatch(name, path.name))

    def _path(self, start_frame: int) -> Path:
        return self.folder / f"{start_frame:08d}.npz"

    def _save(self, path: Path, values: dict, *, compress: bool = True) -> None:
        self.folder.mkdir(exist_ok=True)
        with atomic_write(path, self._check) as part, part.open("wb") as file:
            (np.savez_compressed if compress else np.savez)(file, **values)


def array_fields(state: LatentMemory | RefinerState) -> dict[str, Any]:
    """What is stored of a state, by the names of its fields."""
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    return {name: value for name, value in values.items() if value is not None}


def read_latents(path: Path) -> LatentMemory | None:
    """Reads the memory after a chunk, where it was stored; None if its frames hold it.

    Raises:
        RunError: the file is not there, or damaged.
    """
    values = load_arrays(path)
    if "history" not in values:
        return None
    history, anchor = values["history"], values.get("anchor", np.empty(0))
    is_whole = all(array.ndim == 5 and array.dtype == np.float32 for array in (history, anchor))
    image = values.get("image")
    if image is not None and (image.ndim != 3 or image.dtype != np.uint8 or image.shape[-1] != 3):
        is_whole = False
    if not is_whole:
        raise RunError(damaged(path))
    return LatentMemory(history, anchor, image)


def read_refiner(path: Path) -> RefinerState:
    """Reads a state of the refiner.

    Raises:
        RunError: the file is not there, or damaged.
    """
    values = load_arrays(path)
    try:
        height, width = values["frame_size"].tolist()
        state = RefinerState(
            num_chunks=int(values["num_chunks"]),
            num_frames=int(values["num_frames"]),
            frame_size=(int(height), int(width)),
            encoded=values["encoded"],
            latents=values["latents"],
            x0s=values.get("x0s"),
        )
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise RunError(damaged(path)) from error
    arrays = [(state.encoded, 5), (state.latents, 5)]
    arrays += [] if state.x0s is None else [(state.x0s, 6)]
    has_arrays = all(x.ndim == ndim and x.dtype == np.float32 for x, ndim in arrays)
    if not has_arrays or state.num_chunks < 1 or state.num_frames != _number(path.stem):
        raise RunError(damaged(path))
    return state


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Reads a file of arrays.

    Raises:
        RunError: the file is not there, or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as values:
            return dict(values)
    except LOAD_ERRORS as error:
        raise RunError(damaged(path)) from error


def damaged(path: Path) -> str:
    return f"the memory of this run cannot be read: {path.name}"


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])
