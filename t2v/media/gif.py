"""GIFs of videos, each in 256 colours chosen for it."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph
from av.filter.context import FilterContext

from t2v.atomic import atomic_write
from t2v.errors import MediaError
from t2v.media.reader import Video
from t2v.media.video import MEDIA_FAILURES, location, reason


# Smaller than ffmpeg's own choice (sierra2_4a) and nearer to the video: docs/log.md.
DITHER = "dither=burkes"


def write_gif(video: Video, path: Path) -> None:
    """Writes a GIF that repeats for ever, with every frame of a video.

    Reads the video twice, frame by frame: for its colours, then to draw with them. GIFs count in
    hundredths of a second, so speeds are rounded. What cannot be read is in the video's notices.

    Raises:
        MediaError: the video cannot be read, or the disk refuses the file.
    """
    try:
        palette = _choose_palette(video)
        with atomic_write(path) as part, av.open(location(part), "w", format="gif") as target:
            stream = target.add_stream("gif", rate=video.fps)
            (stream.height, stream.width), stream.pix_fmt = video.size, "pal8"
            stream.codec_context.time_base = Fraction(1, 100)
            graph, pictures = _drawing_graph(video, palette)
            for frame in _frames_of(video):
                pictures.push(frame)
                for drawn in _ready(graph):
                    target.mux(stream.encode(drawn))
            pictures.push(None)
            for drawn in _ready(graph):
                target.mux(stream.encode(drawn))
            target.mux(stream.encode(None))
    except MEDIA_FAILURES as error:
        raise MediaError(f"cannot make a GIF of {video.path.name}: {reason(error)}") from error


def _frames_of(video: Video) -> Iterator[av.VideoFrame]:
    for number, pixels in enumerate(video.frames()):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = number, 1 / video.fps
        yield frame


def _add_pictures(graph: Graph, video: Video) -> FilterContext:
    height, width = video.size
    return graph.add_buffer(
        width=width, height=height, format=av.VideoFormat("rgb24"), time_base=1 / video.fps
    )


def _choose_palette(video: Video) -> av.VideoFrame:
    graph = Graph()
    pictures, chooser = _add_pictures(graph, video), graph.add("palettegen")
    pictures.link_to(chooser)
    chooser.link_to(graph.add("buffersink"))
    graph.configure()
    for frame in _frames_of(video):
        pictures.push(frame)
    pictures.push(None)
    return graph.vpull()


def _drawing_graph(video: Video, palette: av.VideoFrame) -> tuple[Graph, FilterContext]:
    """Draws pictures with a palette; the palette is there from the start."""
    graph = Graph()
    pictures, drawing = _add_pictures(graph, video), graph.add("paletteuse", DITHER)
    colours = graph.add_buffer(
        width=palette.width,
        height=palette.height,
        format=palette.format,
        time_base=1 / video.fps,
    )
    pictures.link_to(drawing, 0, 0)
    colours.link_to(drawing, 0, 1)
    drawing.link_to(graph.add("buffersink"))
    graph.configure()
    palette.pts, palette.time_base = 0, 1 / video.fps
    colours.push(palette)
    colours.push(None)
    return graph, pictures


def _ready(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
