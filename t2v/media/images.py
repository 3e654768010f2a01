"""Pictures: frames in other sizes, thumbnails, contact sheets."""

import hashlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from t2v.errors import MediaError
from t2v.events import Frames
from t2v.media.video import reason


Picture = UInt8[np.ndarray, "h w 3"]


def resize(frames: Frames, size: tuple[int, int]) -> UInt8[np.ndarray, "f new_h new_w 3"]:
    """Frames at (height, width), by Lanczos; the same array if they have that size already."""
    height, width = size
    if frames.shape[1:3] == (height, width):
        return frames
    resized = [
        np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.LANCZOS))
        for frame in frames
    ]
    return np.stack(resized) if resized else np.empty((0, height, width, 3), np.uint8)


def write_thumbnail(path: Path, frame: Picture, *, max_side: int = 256) -> None:
    """A JPEG whose longer side has at most `max_side` pixels.

    Raises:
        MediaError: the disk refuses it.
    """
    picture = Image.fromarray(frame)
    picture.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    try:
        picture.save(path, format="JPEG", quality=88)
    except OSError as error:
        raise MediaError(f"cannot write {path.name}: {reason(error)}") from error


def contact_sheet(
    frames: Frames, *, columns: int, gap: int = 2
) -> UInt8[np.ndarray, "sheet_h sheet_w 3"]:
    """Frames side by side in reading order on white, `gap` pixels apart."""
    num_frames, height, width, _ = frames.shape
    if not num_frames or columns < 1:
        raise MediaError("a contact sheet needs frames and at least one column")
    rows = -(-num_frames // columns)
    columns = min(columns, num_frames)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap, 3)
    sheet = np.full(shape, 255, np.uint8)
    for number, frame in enumerate(frames):
        top = number // columns * (height + gap)
        left = number % columns * (width + gap)
        sheet[top : top + height, left : left + width] = frame
    return sheet


def hash_frames(frames: Frames) -> str:
    """SHA-256 of the pixels, as hexadecimal digits: tells whether frames are the same."""
    return hashlib.sha256(np.ascontiguousarray(frames).data).hexdigest()
