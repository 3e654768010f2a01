"""Finished video files: H.264 in mp4, written chunk by chunk in constant memory, and read back.

with VideoWriter(path, fps=8, metadata={"prompt": "a red star"}) as writer:
    for chunk in chunks:
        writer.write(chunk.frames)
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from jaxtyping import UInt8

from t2v.errors import MediaError


Frames = UInt8[np.ndarray, "f h w 3"]

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
        self._part = path.with_name(f".{path.name}.part")
        self._container = None
        self._stream = None

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
            if self._container is None:
                self._container = open_mp4(self._part, self._metadata)
                self._stream = add_h264_stream(
                    self._container, self._fps, height, width, FILE_OPTIONS
                )
            if (self._stream.height, self._stream.width) != (height, width):
                raise MediaError(
                    f"all frames of a video must have one size: it began with "
                    f"{self._stream.width}x{self._stream.height}, got {width}x{height}"
                )
            encode(self._container, self._stream, frames, first_frame=self.num_frames)
        except MEDIA_FAILURES as error:
            raise MediaError(f"cannot write {self.path.name}: {reason(error)}") from error
        self.num_frames += len(frames)

    def __exit__(self, *exception) -> None:
        if self._container is None:
            return
        try:
            finish(self._container, self._stream)
            if self.num_frames:
                os.replace(self._part, self.path)
        except MEDIA_FAILURES as error:
            raise MediaError(f"cannot write {self.path.name}: {reason(error)}") from error
        finally:
            with suppress(OSError):
                self._part.unlink(missing_ok=True)


def open_mp4(path: Path, metadata: dict[str, Any]) -> av.container.OutputContainer:
    """Opens an mp4 that players can start before they have all of it; tags hold the metadata."""
    container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
    if metadata:
        title = str(metadata.get("prompt", ""))
        container.metadata["title"] = "".join(c if c.isprintable() else " " for c in title)
        container.metadata["comment"] = json.dumps(metadata)  # ASCII: any text survives
    return container


def add_h264_stream(
    container: av.container.OutputContainer,
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


def encode(container, stream: av.VideoStream, frames: Frames, *, first_frame: int) -> None:
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


def finish(container, stream: av.VideoStream) -> None:
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


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What is known of a video file before it is read."""

    size: tuple[int, int]  # height, width
    fps: Fraction
    num_frames: int | None  # as its container says; None if it does not


def probe(path: Path) -> VideoInfo:
    """Looks at the first frame of a file.

    Raises:
        MediaError: it is no video, or none that can be decoded here; the message says why.
    """
    if not path.is_file():
        raise MediaError(f"there is no file {path}")
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise MediaError(f"{path.name} is no video: it has no pictures")
            stream = container.streams.video[0]
            fps = stream.average_rate or stream.guessed_rate
            frame = next(container.decode(stream), None)
            codec = stream.codec_context.name
    except (*MEDIA_FAILURES, AttributeError) as error:  # of a codec that it does not know
        raise MediaError(f"{path.name} cannot be read as a video: {reason(error)}") from error
    if frame is None:
        raise MediaError(f"{path.name} has no frames that can be decoded (codec {codec})")
    if not fps:
        raise MediaError(f"{path.name} does not say how many frames a second it has")
    return VideoInfo((frame.height, frame.width), fps, stream.frames or None)


def iter_pieces(path: Path, num_frames: int) -> Iterator[Frames]:
    """Decodes so many frames at a time; the last piece may have fewer."""
    frames = iter_frames(path)
    while piece := list(islice(frames, num_frames)):
        sizes = {frame.shape for frame in piece}
        if len(sizes) > 1:
            raise MediaError(f"the pictures in {path.name} change their size")
        yield np.stack(piece)


def iter_frames(path: Path) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Decodes one frame after the other.

    Raises:
        MediaError: there is no video to be read.
    """
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                rgb = frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709)
                yield rgb.to_ndarray()
    except (*MEDIA_FAILURES, IndexError) as error:
        raise MediaError(f"cannot read {path.name}: {reason(error)}") from error


def read_frames(path: Path) -> Frames:
    """All frames at once: for short videos."""
    frames = list(iter_frames(path))
    if not frames:
        raise MediaError(f"{path.name} has no frames")
    return np.stack(frames)


def read_metadata(path: Path) -> dict[str, Any]:
    """What `VideoWriter` was given as metadata; empty for a video from elsewhere."""
    try:
        with av.open(str(path)) as container:
            comment = container.metadata.get("comment", "")
    except MEDIA_FAILURES as error:
        raise MediaError(f"cannot read {path.name}: {reason(error)}") from error
    with suppress(ValueError):
        values = json.loads(comment)
        if isinstance(values, dict):
            return values
    return {}


def reason(error: Exception) -> str:
    """The system's words without the path, which is nobody else's business, and without a log."""
    words = getattr(error, "strerror", None) or str(error)
    return words.strip().partition("\n")[0]
