"""The outer structure of GIFs: enough to find those that are cut or damaged.

Decoders take a GIF whose lengths are damaged for one that ends there, without a word.
"""

from io import BufferedReader
from pathlib import Path


def is_whole_gif(path: Path) -> bool:
    """Whether every block of a GIF follows the one before, up to its end mark (GIF89a, 17 to 27).

    Reads the lengths only. Pixels have no checksum: not all damage is found.
    """
    with path.open("rb") as file:
        header = file.read(13)
        if len(header) < 13:
            return False
        _skip_colours(file, header[10])
        while True:
            match file.read(1):
                case b"!":  # an extension
                    file.read(1)
                    has_data = _skip_data(file) is not None
                case b",":  # an image
                    place = file.read(9)
                    if len(place) < 9:
                        return False
                    _skip_colours(file, place[8])
                    file.read(1)  # the size of its codes
                    lengths = _skip_data(file)
                    # All but the last are equally long: those of damaged data are not.
                    has_data = lengths is not None and len({*lengths[:-1]}) < 2
                case b";":
                    return True
                case _:
                    return False
            if not has_data:
                return False


def _skip_colours(file: BufferedReader, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 * 2 ** ((flags & 7) + 1), 1)


def _skip_data(file: BufferedReader) -> list[int] | None:
    """Skips blocks of data up to an empty one; their lengths, or None if there is no end."""
    lengths: list[int] = []
    while length := file.read(1):
        if length == b"\0":
            return lengths
        lengths.append(length[0])
        file.seek(length[0], 1)
    return None
