"""start.npz in the folder of a run: the frames that its video begins with, without loss."""

from pathlib import Path

import numpy as np

from t2v.atomic import atomic_write
from t2v.errors import RunError
from t2v.events import Start
from t2v.provenance import describe_start
from t2v.runs.frame_store import load_arrays


def write_start(path: Path, start: Start) -> None:
    """Writes what a video begins with.

    Raises:
        OSError: the disk refuses it.
    """
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez_compressed(file, anchor=start.anchor, frames=start.frames)


def read_start(path: Path, begins_with: str) -> Start:
    """Reads it.

    Args:
        begins_with: what the record of the run says of these frames; see `describe_start`.

    Raises:
        RunError: the file is missing or damaged, or has other frames.
    """
    values = load_arrays(path)
    anchor, frames = (values.get(name, np.empty(0)) for name in ("anchor", "frames"))
    is_whole = frames.ndim == 4 and len(frames) > 0 and anchor.shape == frames.shape[1:]
    is_video = frames.shape[-1:] == (3,) and frames.dtype == anchor.dtype == np.uint8
    if is_whole and is_video:
        start = Start(anchor=anchor, frames=frames)
        if describe_start(start) == begins_with:
            return start
    raise RunError("what this video begins with cannot be read any more: start.npz is damaged")
