"""A first pass over a video file: what it holds, without decoding more than its key frames."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition

from t2v.errors import FileError
from t2v.media.conversion import HDR_NAMES, Converter
from t2v.media.gif_structure import is_whole_gif
from t2v.media.mp4 import is_whole_mp4


MAX_SIDE = 16384
MAX_PIXELS = 2**26  # of a frame: 8192 x 8192
COVERS = Disposition.attached_pic | Disposition.timed_thumbnails
STATE_DURATION = ("matroska", "flv")  # containers that say how long they are, and do not guess
MAX_MISSING = 0.25  # seconds at the end of such a container, which others round away
TS_PACKET = 188  # bytes
PNG_END = b"IEND\xaeB`\x82"


@dataclass(slots=True)
class Scan:
    """What was found.

    Args:
        times: of every frame that is shown, in ticks, in the order of the file.
        num_hidden: frames before the cut of an edit.
        last_duration: of the last frame, in ticks; 0 if that is not known.
        end: of the last packet of any stream, in seconds.
        runs_back: the clock does.
        size: height and width as they are seen; None if no key frame can be decoded.
        hdr: "PQ", "HLG" or nothing.
    """

    times: list[int] = field(default_factory=list)
    num_hidden: int = 0
    last_duration: int = 0
    end: float = 0.0
    runs_back: bool = False
    size: tuple[int, int] | None = None
    hdr: str = ""


def choose_stream(container: InputContainer, name: str) -> av.VideoStream:
    """The stream that players show: the default one, else the first. Covers are none.

    Raises:
        FileError: there is none, or its pictures are too large.
    """
    streams = [one for one in container.streams.video if not one.disposition & COVERS]
    if not streams:
        cover = ", only a cover" if container.streams.video else ""
        raise FileError(f"{name} is no video: it has no pictures{cover}")
    stream = next((one for one in streams if one.disposition & Disposition.default), streams[0])
    context = stream.codec_context
    if context is None:
        raise FileError(f"{name} cannot be read as a video: its codec is not known here")
    width, height = context.width, context.height
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise FileError(
            f"{name} must have sides of at most {MAX_SIDE} pixels, and at most {MAX_PIXELS} pixels "
            f"in all, got {width}x{height}"
        )
    return stream


def tick_of(stream: av.VideoStream) -> Fraction:
    """The unit of a stream's times, in seconds."""
    return stream.time_base or Fraction(1, 1000)


def scan(container: InputContainer, stream: av.VideoStream, name: str) -> Scan:
    """Reads the times of all packets, and the size of every key frame.

    Raises:
        FileError: the size changes.
    """
    found = Scan()
    decoding_times: list[int] = []
    last_decoding_time = latest = None
    converter = Converter(tick_of(stream), stream.sample_aspect_ratio)
    stream.codec_context.skip_frame = "NONKEY"
    for packet in packets_of(container):
        if packet.pts is not None and packet.time_base:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            found.end = max(found.end, end)
        if packet.stream_index != stream.index:
            continue
        for frame in decode(packet):
            check_size(found, converter.size_of(frame), name)
            found.hdr = HDR_NAMES.get(frame.color_trc, "")
        found.num_hidden += packet.is_discard
        if not is_shown(packet, stream.codec_context.name):
            continue
        if packet.dts is not None:
            found.runs_back |= last_decoding_time is not None and packet.dts < last_decoding_time
            last_decoding_time = packet.dts
        if packet.pts is not None:
            found.times.append(packet.pts)
        else:
            decoding_times.append(packet.dts or 0)
        time = found.times[-1] if found.times else decoding_times[-1]
        if latest is None or time >= latest:
            latest, found.last_duration = time, packet.duration or 0
    # Some containers have times of decoding only. Others leave out times of half frames.
    found.times = found.times or decoding_times
    return found


def look_for_frame(container: InputContainer, stream: av.VideoStream, found: Scan) -> None:
    """Notes the size of the first frame that can be decoded: for files without key frames.

    Those may be damaged, or lie before the cut of an edit.
    """
    converter = Converter(tick_of(stream), stream.sample_aspect_ratio)
    for packet in packets_of(container, stream):
        for frame in decode(packet):
            found.size, found.hdr = converter.size_of(frame), HDR_NAMES.get(frame.color_trc, "")
            return


def packets_of(
    container: InputContainer, stream: av.VideoStream | None = None
) -> Iterator[av.Packet]:
    """The packets of a file, or of one of its streams, as far as they can be found."""
    packets: Iterator[av.Packet] = container.demux(stream) if stream else container.demux()
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:  # the rest is not there
            return
        if packet is None:
            return
        yield packet


def decode(packet: av.Packet) -> list[av.VideoFrame]:
    """The frames of a packet; none if it is damaged."""
    try:
        return packet.decode()
    except av.FFmpegError:
        return []


def is_shown(packet: av.Packet, codec: str) -> bool:
    """Whether a packet becomes a picture on the screen."""
    if not packet.size or packet.is_discard:  # the demuxer's end mark; before the cut of an edit
        return False
    return codec != "vp8" or bool(bytes(packet)[0] & 0x10)  # show_frame, RFC 6386, 9.1


def check_size(found: Scan, size: tuple[int, int], name: str) -> None:
    """Notes the size of a frame.

    Raises:
        FileError: it is not that of the frames before.
    """
    if found.size not in (None, size):
        (height, width), (new_height, new_width) = found.size or size, size
        raise FileError(
            f"{name} cannot be read as one video: its pictures change their size from "
            f"{width}x{height} to {new_width}x{new_height}"
        )
    found.size = size


def count_declared(
    container: InputContainer, stream: av.VideoStream, found: Scan, rate: Fraction
) -> int:
    """How many frames the file says that it has."""
    num_found = len(found.times)
    if stream.frames:
        return max(num_found, stream.frames - found.num_hidden)
    if container.duration and container.format.name.startswith(STATE_DURATION):
        missing = container.duration / av.time_base - found.end
        if missing > max(MAX_MISSING, float(2 / rate)):
            return num_found + round(missing * float(rate))
    return num_found


def is_cut(path: Path, container: InputContainer, num_declared: int, found: Scan) -> bool:
    """Whether a file goes on, or should go on, where its last packet ends.

    For containers that do not say how many frames there are.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - len(PNG_END)))
        tail = file.read()
    match container.format.name:
        case "gif":
            return not is_whole_gif(path)
        case "apng":
            return tail != PNG_END
        case "mpegts":
            return size % TS_PACKET != 0
        case name if "mp4" in name and num_declared <= 1 < len(found.times):  # in fragments
            return not is_whole_mp4(path)
    return False
