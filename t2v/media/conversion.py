"""Pictures as they are seen: upright, with square pixels, in the colours of the screen.

The work is done by ffmpeg's filters; here is decided what they are told. Colours become 8-bit RGB
with the primaries of BT.709 (those of sRGB). A matrix that is not tagged is taken as players take
it: BT.709 from 1280 pixels of width or more than 576 of height on, else BT.601. Transparency is
left out unless it is asked for.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.filter import Graph
from av.sidedata.sidedata import SideDataContainer, Type
from jaxtyping import UInt8

from t2v.errors import MediaError


# Codes of the tags are those of ITU-T H.273.
UNKNOWN = 2
MATRICES = {
    0: "auto",  # RGB
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    9: "bt2020",
    10: "bt2020",
}
RANGES = {1: "tv", 2: "pc"}
PQ, HLG, LINEAR = 16, 18, 8
HDR_NAMES = {PQ: "PQ", HLG: "HLG"}
LARGEST_SAR = 16  # a pixel that is still longer is a wrong tag
MAX_KINDS = 64  # of side data: ffmpeg 8 has 35


@dataclass(frozen=True, slots=True)
class Orientation:
    """How stored pictures become what is seen: transposed first, then mirrored."""

    is_transposed: bool = False  # rows become columns
    is_mirrored: bool = False  # left to right
    is_flipped: bool = False  # top to bottom

    @property
    def filters(self) -> list[tuple[str, str]]:
        """The filters of ffmpeg that do it, with their options."""
        transposed = [("transpose", "cclock_flip")] * self.is_transposed
        return transposed + [("hflip", "")] * self.is_mirrored + [("vflip", "")] * self.is_flipped


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """The orientation that the display matrix of a frame says: the nearest with upright sides."""
    container = side_data_of(frame)
    for index in range(len(container)):
        data = container[index]
        if data.type == Type.DISPLAYMATRIX:
            # x on the screen = a x + c y, y = b x + d y, from the stored x and y.
            a, b, _, c, d = struct.unpack_from("5i", bytes(data))
            if abs(b) + abs(c) > abs(a) + abs(d):
                return Orientation(is_transposed=True, is_mirrored=c < 0, is_flipped=b < 0)
            return Orientation(is_mirrored=a < 0, is_flipped=d < 0)
    return Orientation()


def side_data_of(frame: av.VideoFrame) -> SideDataContainer:
    """What a frame says besides its pixels, as far as PyAV knows the kinds of it.

    PyAV lists nothing at all of a frame with a kind that is newer than PyAV, as EXIF is: those are
    taken away first.
    """
    try:
        return cast(SideDataContainer, frame.side_data)  # its annotation names another class
    except ValueError:
        pass
    new_kinds = set(range(MAX_KINDS)) - {kind.value for kind in Type}
    steps = [("sidedata", f"mode=delete:type={kind}") for kind in sorted(new_kinds)]
    graph = linked(frame, frame.time_base or Fraction(1), steps)
    graph.vpush(frame)
    return cast(SideDataContainer, graph.vpull().side_data)


def linked(frame: av.VideoFrame, tick: Fraction, steps: Iterable[tuple[str, str]]) -> Graph:
    """Filters for frames like this one, one after the other: (name, options)."""
    graph = Graph()
    graph.threads = 1  # handing small pictures to threads takes longer than the work
    last = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=tick
    )
    for name, options in (*steps, ("buffersink", "")):
        step = graph.add(name, options or None)
        last.link_to(step)
        last = step
    graph.configure()
    return graph


def square_size(frame: av.VideoFrame, sample_aspect_ratio: Fraction | None) -> tuple[int, int]:
    """Width and height with square pixels; the side that is short of pixels grows."""
    ratio = sample_aspect_ratio or Fraction(1)
    if not Fraction(1, LARGEST_SAR) <= ratio <= LARGEST_SAR:
        ratio = Fraction(1)
    if ratio >= 1:
        return round(frame.width * ratio), frame.height
    return frame.width, round(frame.height / ratio)


def matrix_of(frame: av.VideoFrame) -> str:
    """The matrix between RGB and the stored values, as ffmpeg names it.

    Raises:
        MediaError: ffmpeg cannot convert from it.
    """
    if frame.format.is_rgb:
        return "auto"
    if frame.colorspace in (UNKNOWN, 3):  # 3 is reserved
        return "bt709" if frame.width >= 1280 or frame.height > 576 else "bt601"
    if frame.colorspace not in MATRICES:
        raise MediaError(
            f"its colours are stored in a way (matrix {frame.colorspace}) that cannot be converted"
        )
    return MATRICES[frame.colorspace]


class Converter:
    """Turns frames of one stream into what is seen. Keeps one set of filters.

    Args:
        tick: the unit of the stream's times, in seconds.
        pixels: "rgb24", or "rgba" for a fourth channel that says how opaque a pixel is.
    """

    def __init__(self, tick: Fraction, sample_aspect_ratio: Fraction | None, pixels: str = "rgb24"):
        self._tick = tick
        self._pixels = pixels
        self._sample_aspect_ratio = sample_aspect_ratio
        self._key: tuple[object, ...] | None = None
        self._graph: Graph | None = None

    def size_of(self, frame: av.VideoFrame) -> tuple[int, int]:
        """Height and width of a frame, as it is seen."""
        width, height = square_size(frame, self._sample_aspect_ratio)
        return (width, height) if orientation_of(frame).is_transposed else (height, width)

    def convert(self, frame: av.VideoFrame) -> UInt8[np.ndarray, "h w channels"]:
        """The pixels of a frame, as it is seen.

        Raises:
            MediaError: ffmpeg cannot convert its colours.
        """
        key = (
            *(frame.format.name, frame.width, frame.height, orientation_of(frame)),
            *(frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc),
        )
        if self._graph is None or key != self._key:
            self._graph, self._key = self._build(frame), key
        self._graph.vpush(frame)
        return self._graph.vpull().to_ndarray()

    def _build(self, frame: av.VideoFrame) -> Graph:
        width, height = square_size(frame, self._sample_aspect_ratio)
        options = {
            "w": str(width),
            "h": str(height),
            "flags": "bicubic",  # without more: sharp edges of colours stay sharp
            "in_color_matrix": matrix_of(frame),
            "in_range": RANGES.get(frame.color_range, "auto"),
            "out_range": "pc",
            "out_primaries": "bt709",
            "out_transfer": "bt709",
        }
        if frame.color_trc not in (PQ, HLG, LINEAR):
            # Curves for the standard range are all made for about the same screen.
            options["in_transfer"] = "bt709"
        scale = ":".join(f"{name}={value}" for name, value in options.items())
        steps = [("scale", scale), ("format", self._pixels), *orientation_of(frame).filters]
        return linked(frame, self._tick, steps)
