"""Still pictures of anybody: PNG, JPEG, WebP, GIF, BMP and TIFF, decoded by ffmpeg.

picture = read_still(Path("dog.jpg"))

The first bytes of a file say what it is, and no other decoder than that one's sees it.
"""

from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from t2v.errors import FileError
from t2v.media.conversion import Converter
from t2v.media.scan import choose_stream, tick_of
from t2v.media.video import MEDIA_FAILURES, location, reason


# First bytes, and ffmpeg's reader of such files.
READERS = {
    b"\x89PNG\r\n\x1a\n": "png_pipe",
    b"\xff\xd8\xff": "jpeg_pipe",
    b"GIF87a": "gif",
    b"GIF89a": "gif",
    b"BM": "bmp_pipe",
    b"II*\x00": "tiff_pipe",
    b"MM\x00*": "tiff_pipe",
}
KINDS = "PNG, JPEG, WebP, GIF, BMP and TIFF"


def read_still(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """A picture, turned as its camera says, its transparent parts over black.

    Of several in one file, that is the first.

    Raises:
        FileError: there is none that can be read, or it is very large; the message says why.
    """
    rgba = read_transparent(path)
    opaque = rgba[..., 3:].astype(np.uint16)
    return ((rgba[..., :3] * opaque + 127) // 255).astype(np.uint8)


def read_transparent(path: Path) -> UInt8[np.ndarray, "h w 4"]:
    """A picture in red, green, blue and opacity, turned as its camera says.

    Raises:
        FileError: as `read_still`.
    """
    try:
        reader = reader_of(path)
        with av.open(location(path), format=reader) as container:
            stream = choose_stream(container, path.name)
            for frame in container.decode(stream):
                return Converter(tick_of(stream), None, "rgba").convert(frame)
    except FileNotFoundError as error:
        raise FileError(f"{path.name} is not there") from error
    except MEDIA_FAILURES as error:
        raise FileError(f"{path.name} cannot be read as an image: {reason(error)}") from error
    raise FileError(f"{path.name} cannot be read as an image: it has no picture")


def reader_of(path: Path) -> str:
    """The name of ffmpeg's reader for a file.

    Raises:
        FileError: it is of another kind.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(12)
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return "webp_pipe"
    for first_bytes, reader in READERS.items():
        if head.startswith(first_bytes):
            return reader
    raise FileError(f"{path.name} cannot be read as an image; {KINDS} can")
