"""GIFs: a video for places that show no videos, in 256 colours chosen for it."""

from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph

from t2v.atomic import atomic_write
from t2v.errors import MediaError
from t2v.media.video import MEDIA_FAILURES, reason


def write_gif(video: Path, path: Path) -> None:
    """Writes a GIF that repeats for ever, with every frame of a video.

    Reads the video twice, frame by frame: for its colours, then to draw with them. GIFs count in
    hundredths of a second, so speeds are rounded.

    Raises:
        MediaError: the video cannot be read, or the disk refuses the file.
    """
    try:
        palette = _choose_palette(video)
        with (
            atomic_write(path) as part,
            av.open(str(video)) as source,
            av.open(str(part), "w", format="gif") as target,
        ):
            original = source.streams.video[0]
            stream = target.add_stream("gif", rate=original.average_rate)
            stream.width, stream.height, stream.pix_fmt = original.width, original.height, "pal8"
            stream.codec_context.time_base = Fraction(1, 100)
            graph, pictures = _drawing_graph(original, palette)
            for frame in source.decode(original):
                pictures.push(frame)
                for drawn in _ready(graph):
                    target.mux(stream.encode(drawn))
            pictures.push(None)
            for drawn in _ready(graph):
                target.mux(stream.encode(drawn))
            target.mux(stream.encode(None))
    except (*MEDIA_FAILURES, IndexError) as error:
        raise MediaError(f"cannot make a GIF of {video.name}: {reason(error)}") from error


def _choose_palette(video: Path) -> av.VideoFrame:
    with av.open(str(video)) as source:
        stream = source.streams.video[0]
        graph = Graph()
        pictures, chooser = graph.add_buffer(template=stream), graph.add("palettegen")
        pictures.link_to(chooser)
        chooser.link_to(graph.add("buffersink"))
        graph.configure()
        for frame in source.decode(stream):
            pictures.push(frame)
        pictures.push(None)
        return graph.vpull()


def _drawing_graph(stream: av.VideoStream, palette: av.VideoFrame):
    """Draws pictures with a palette; the palette is there from the start."""
    graph = Graph()
    pictures, drawing = graph.add_buffer(template=stream), graph.add("paletteuse")
    colours = graph.add_buffer(
        width=palette.width,
        height=palette.height,
        format=palette.format,
        time_base=stream.time_base,
    )
    pictures.link_to(drawing, 0, 0)
    colours.link_to(drawing, 0, 1)
    drawing.link_to(graph.add("buffersink"))
    graph.configure()
    palette.pts, palette.time_base = 0, stream.time_base
    colours.push(palette)
    colours.push(None)
    return graph, pictures


def _ready(graph: Graph):
    while True:
        try:
            yield graph.vpull()
        except (av.BlockingIOError, av.EOFError):
            return
