"""Segments: one small H.264 file per chunk for the browser, joined without encoding them again.

Every segment starts with a key frame and has no B-frames: a player that waits for the next one can
show all of this one. Its clock starts at 0; `join_segments` shifts it.
"""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer, OutputContainer

from t2v.atomic import atomic_write
from t2v.errors import MediaError
from t2v.media.video import (
    MEDIA_FAILURES,
    Frames,
    add_h264_stream,
    encode,
    finish,
    location,
    open_mp4,
    pad_to_even,
    reason,
)


SEGMENT_OPTIONS = {
    "preset": "veryfast",
    "crf": "16",
    "tune": "zerolatency",
    "bf": "0",
    "sc_threshold": "0",
}


def write_segment(
    path: Path, frames: Frames, *, fps: int, check: Callable[[], None] | None = None
) -> None:
    """Writes the frames of one chunk; the file appears under its name when it is complete.

    Args:
        check: see `atomic_write`.

    Raises:
        MediaError: there are no frames, or the disk refuses them.
    """
    if not len(frames):
        raise MediaError("a segment needs at least one frame")
    frames = pad_to_even(frames)
    options = SEGMENT_OPTIONS | {"g": str(len(frames))}
    try:
        with atomic_write(path, check) as part:
            container = open_mp4(part, {})
            height, width = frames.shape[1:3]
            stream = add_h264_stream(container, fps, height, width, options)
            try:
                encode(container, stream, frames, first_frame=0)
            finally:
                finish(container, stream)
    except MEDIA_FAILURES as error:
        raise MediaError(f"cannot write {path.name}: {reason(error)}") from error


def join_segments(
    segments: Iterable[Path],
    path: Path,
    *,
    metadata: dict[str, Any] | None = None,
    check: Callable[[], None] | None = None,
) -> int:
    """Puts segments of the same size and rate one after the other into one mp4.

    Reads one segment at a time and copies it as it is. Returns the number of frames; without
    segments that is 0, and no file is written.

    Args:
        check: see `atomic_write`.

    Raises:
        MediaError: a segment cannot be read, or the file cannot be written.
    """
    joined: OutputContainer | None = None
    stream: av.VideoStream | None = None
    num_frames = 0
    try:
        with atomic_write(path, check) as part, ExitStack() as opened:
            for segment in segments:
                with av.open(location(segment)) as source:
                    original = source.streams.video[0]
                    if joined is None or stream is None:
                        joined = opened.enter_context(open_mp4(part, metadata or {}))
                        stream = joined.add_stream_from_template(original)
                        frame_ticks = _ticks_per_frame(original)
                    num_frames += _append(source, joined, stream, num_frames * frame_ticks)
    except (*MEDIA_FAILURES, IndexError) as error:
        raise MediaError(f"cannot join the segments: {reason(error)}") from error
    return num_frames


def _ticks_per_frame(stream: av.VideoStream) -> int:
    if not (stream.average_rate and stream.time_base):
        raise MediaError("a segment does not say how many frames a second it has")
    return round(1 / (stream.average_rate * stream.time_base))


def _append(
    source: InputContainer, joined: OutputContainer, stream: av.VideoStream, start: int
) -> int:
    """Copies the packets of one segment, `start` ticks later. Returns how many there were."""
    num_frames = 0
    for packet in source.demux(video=0):
        if packet.dts is None:  # the demuxer's end mark
            continue
        packet.pts = start + (packet.dts if packet.pts is None else packet.pts)
        packet.dts += start
        packet.stream = stream
        joined.mux(packet)
        num_frames += 1
    return num_frames
