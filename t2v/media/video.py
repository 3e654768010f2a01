"""Finished video files: H.264 in mp4, written chunk by chunk in constant memory.

with VideoWriter(path, fps=8, metadata={"prompt": "a penguin in the snow"}) as writer:
    for chunk in chunks:
        writer.write(chunk.frames)
"""

import json
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from jaxtyping import UInt8

from t2v.atomic import part_of, publish
from t2v.errors import MediaError
from t2v.events import Frames
from t2v.json_reader import read_json


_OpenFile = tuple[OutputContainer, av.VideoStream]

# Without mbtree, whose choices depend on what else the process does: same frames, same file.
FILE_OPTIONS = {"preset": "medium", "crf": "16", "x264-params": "mbtree=0"}
MEDIA_FAILURES = (OSError, av.FFmpegError)
BT709 = 1  # the code of this colour space in H.264; named, because players guess when it is missing


class VideoWriter:
    """Writes a file that appears under its name only when it is complete and playable.

    Leaving the `with` block completes the file, also after an exception or Ctrl-C: whatever was
    written stays. Without a single frame there is no file.
    """

    def __init__(self, path: Path, *, fps: int | Fraction, metadata: dict[str, Any] | None = None):
        self.path = path
        self.num_frames = 0
        self._fps = fps
        self._metadata = metadata or {}
        self._part = part_of(path)
        self._file: _OpenFile | None = None

    @property
    def seconds(self) -> float:
        return float(self.num_frames / self._fps)

    def __enter__(self) -> "VideoWriter":
        return self

    def write(self, frames: Frames) -> None:
        """Appends frames, all of the size of the first ones. Odd sides grow by one pixel.

        Raises:
            MediaError: the frames have another size, or the disk refuses them.
        """
        frames = pad_to_even(frames)
        height, width = frames.shape[1:3]
        try:
            if self._file is None:
                container = open_mp4(self._part, self._metadata)
                stream = add_h264_stream(container, self._fps, height, width, FILE_OPTIONS)
                self._file = container, stream
            container, stream = self._file
            if (stream.height, stream.width) != (height, width):
                raise MediaError(
                    f"all frames of a video must have one size: it began with "
                    f"{stream.width}x{stream.height}, got {width}x{height}"
                )
            encode(container, stream, frames, first_frame=self.num_frames)
        except MEDIA_FAILURES as error:
            raise MediaError(f"cannot write {self.path.name}: {reason(error)}") from error
        self.num_frames += len(frames)

    def __exit__(self, *exception: object) -> None:
        if self._file is None:
            return
        try:
            finish(*self._file)
            if self.num_frames:
                publish(self._part, self.path)
        except MEDIA_FAILURES as error:
            raise MediaError(f"cannot write {self.path.name}: {reason(error)}") from error
        finally:
            with suppress(OSError):
                self._part.unlink(missing_ok=True)


def location(path: Path) -> str:
    """The name of a file for ffmpeg and its libraries.

    An absolute path, because they take `take:2.mp4` for an address and `-a.mp4` for an option.
    """
    return str(path.absolute())


def open_mp4(path: Path, metadata: dict[str, Any]) -> OutputContainer:
    """Opens an mp4 that players can start before they have all of it; tags hold the metadata."""
    container = av.open(location(path), "w", format="mp4", options={"movflags": "+faststart"})
    if metadata:
        title = str(metadata.get("prompt", ""))
        container.metadata["title"] = "".join(c if c.isprintable() else " " for c in title)
        container.metadata["comment"] = json.dumps(metadata)  # ASCII: any text survives
    return container


def add_h264_stream(
    container: OutputContainer,
    fps: int | Fraction,
    height: int,
    width: int,
    options: dict[str, str],
) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=fps, options=options)
    stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
    stream.codec_context.time_base = Fraction(1, fps)
    stream.codec_context.thread_count = 1  # the same bytes everywhere, and no fight with the model
    stream.codec_context.colorspace = BT709
    stream.codec_context.color_primaries = BT709
    stream.codec_context.color_trc = BT709
    stream.codec_context.color_range = ColorRange.MPEG
    return stream


def encode(
    container: OutputContainer, stream: av.VideoStream, frames: Frames, *, first_frame: int
) -> None:
    for number, pixels in enumerate(frames, start=first_frame):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame = frame.reformat(
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )
        frame.pts = number
        frame.time_base = stream.codec_context.time_base
        container.mux(stream.encode(frame))


def finish(container: OutputContainer, stream: av.VideoStream) -> None:
    """Flushes the encoder and closes the file; closes it also when the disk is full."""
    try:
        container.mux(stream.encode(None))
    finally:
        container.close()


def pad_to_even(frames: Frames) -> UInt8[np.ndarray, "f even_h even_w 3"]:
    """Repeats the last row or column where a side is odd: yuv420p has one colour per 2x2 pixels."""
    height, width = frames.shape[1:3]
    if not (height and width):
        raise MediaError(f"frames must have pixels, got {width}x{height}")
    return np.pad(frames, [(0, 0), (0, height % 2), (0, width % 2), (0, 0)], mode="edge")


def read_metadata(path: Path) -> dict[str, Any]:
    """What `VideoWriter` was given as metadata; empty for a video of another program."""
    try:
        with av.open(location(path)) as container:
            comment = container.metadata.get("comment", "")
    except MEDIA_FAILURES as error:
        raise MediaError(f"cannot read {path.name}: {reason(error)}") from error
    with suppress(ValueError):
        values = read_json(comment)
        if isinstance(values, dict):
            return values
    return {}


def reason(error: Exception) -> str:
    """The system's message without the path, which is private, and without a log."""
    words = getattr(error, "strerror", None) or str(error)
    return words.strip().partition("\n")[0]
