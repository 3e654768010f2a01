"""What a video begins with besides text: an image, or the end of a clip.

    start = read_image(Path("dog.jpg"), (384, 640), fit="crop")
    start, clip = read_clip(Path("dog.mp4"), (384, 640), fit="letterbox", fps=24, num_frames=99)

Pictures of another shape are cropped around their middle, or shown whole between black bars.
"""

from collections import deque
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from t2v.errors import ConfigError, FileError
from t2v.events import Start
from t2v.media.images import Picture
from t2v.media.reader import Video
from t2v.media.stills import read_still
from t2v.settings.declaration import brief


Fit = Literal["crop", "letterbox"]
FITS: tuple[Fit, ...] = ("crop", "letterbox")


def read_image(path: Path, size: tuple[int, int], fit: str = "crop") -> Start:
    """A still picture to begin with, turned as its camera says.

    Args:
        size: height, width of the video's frames.
        fit: "crop" or "letterbox".

    Raises:
        FileError: it is no image that can be read, or a very large one.
        ConfigError: there is no such fit.
    """
    check_fit(fit)
    frame = fitted(read_still(path), size, fit)
    return Start(anchor=frame, frames=frame[None])


def read_clip(
    path: Path, size: tuple[int, int], fit: str, fps: int, num_frames: int
) -> tuple[Start, Video]:
    """The end of a clip to go on from, and its first frame. Holds `num_frames` frames at most.

    Args:
        fps: of the video to make; a clip with more frames a second is thinned out, and of one with
            fewer, frames are repeated.

    Returns:
        What the video begins with, and the clip, whose notices say how it was read.

    Raises:
        MediaError: it is no video that can be read, or has no frames.
        ConfigError: there is no such fit.
    """
    check_fit(fit)
    clip = Video(path)
    ratio = fps / float(clip.fps)
    anchor: Picture | None = None
    last: deque[Picture] = deque(maxlen=num_frames)
    num_taken = 0
    for number, frame in enumerate(clip.frames(), start=1):
        num_due = max(1, round(number * ratio))  # of our rate, up to the end of this frame
        if num_due == num_taken:
            continue
        picture = fitted(frame, size, fit)
        anchor = picture if anchor is None else anchor
        last.extend([picture] * min(num_due - num_taken, num_frames))
        num_taken = num_due
    if anchor is None:
        raise FileError(f"{path.name} has no frames")
    return Start(anchor=anchor, frames=np.stack(last)), clip


def fitted(picture: Picture, size: tuple[int, int], fit: str) -> UInt8[np.ndarray, "new_h new_w 3"]:
    """A picture at (height, width) in its own proportions."""
    height, width = size
    image = Image.fromarray(picture)
    method = Image.Resampling.LANCZOS
    if fit == "crop":
        return np.asarray(ImageOps.fit(image, (width, height), method))
    return np.asarray(ImageOps.pad(image, (width, height), method, color=(0, 0, 0)))


def check_fit(fit: str) -> None:
    """Checks how pictures of another shape are fitted.

    Raises:
        ConfigError: there is no such way.
    """
    if fit not in FITS:
        raise ConfigError(f"fit must be one of {', '.join(FITS)}, got {brief(fit)}")
