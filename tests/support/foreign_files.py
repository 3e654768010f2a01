"""Makes small video files as other programs write them, with ffmpeg.

All show the same: a corner in each of four colours, and in the middle a square whose grey tells the
number of the frame. foreign_corpus.py lists the files.
"""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


WIDTH, HEIGHT, NUM_FRAMES, FPS = 64, 48, 12, 8
RED, GREEN, BLUE, YELLOW = (210, 40, 40), (40, 190, 70), (40, 60, 200), (220, 200, 50)
CORNERS = (RED, GREEN, BLUE, YELLOW)  # top left and right, bottom left and right
YUV420 = ("-vf", "scale=out_color_matrix=bt601:flags=accurate_rnd+full_chroma_int,format=yuv420p")
FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "10")
H264 = (*YUV420, *FAST)
VP8 = (*YUV420, "-c:v", "libvpx", "-b:v", "2M", "-deadline", "realtime")
VP9 = ("-c:v", "libvpx-vp9", "-b:v", "2M", "-deadline", "realtime", "-cpu-used", "8")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-crf", "10", "-x265-params", "log-level=none")
PALETTE = ("-filter_complex", "split[a][b];[a]palettegen[p];[b][p]paletteuse")
TONE = ("-f", "lavfi", "-i", "sine=duration=1.5")
BARE_HEADER = b"GIF89a" + (60000).to_bytes(2, "little") * 2 + b"\0\0\0"
Make = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class ForeignFile:
    """A file, how to make it, and what is right.

    Args:
        numbers: of the frames that are seen at a constant rate.
        corners: top left and right, bottom left and right; None: any.
        says: a part of the notice that must come; empty: there must be none.
        refused: a part of the sentence, where the file cannot be read.
        encoder: that is needed to make it.
        is_part: only the first ones of the numbers are there.
    """

    name: str
    what: str
    make: Make
    size: tuple[int, int] = (HEIGHT, WIDTH)
    fps: Fraction = Fraction(FPS)
    numbers: tuple[int, ...] = tuple(range(NUM_FRAMES))
    corners: tuple[tuple[int, int, int], ...] | None = CORNERS
    says: str = ""
    refused: str = ""
    encoder: str = ""
    is_part: bool = False

    @property
    def answer(self) -> str:
        """What Longtake does with it, in words."""
        if self.refused:
            return f"refused: “{self.refused}”"
        height, width = self.size
        number = "fewer" if self.is_part or not self.numbers else str(len(self.numbers))
        read = f"{number} frames of {width}x{height}, {float(self.fps):g} a second"
        return f"{read}; “{self.says}”" if self.says else read


def pictures(height: int = HEIGHT, width: int = WIDTH, num_frames: int = NUM_FRAMES) -> np.ndarray:
    """The frames, (f, h, w, 3)."""
    frames = np.empty((num_frames, height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    frames[:, :top, :left], frames[:, :top, left:] = RED, GREEN
    frames[:, top:, :left], frames[:, top:, left:] = BLUE, YELLOW
    for number, frame in enumerate(frames):
        frame[top - 8 : top + 8, left - 8 : left + 8] = 10 + 20 * number
    return frames


def run(*arguments: str, data: bytes = b"") -> None:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments]
    if data:
        command.remove("-nostdin")
    subprocess.run(command, input=data, check=True, stdout=subprocess.DEVNULL)


def encoded(*options: str, size: tuple[int, int] = (HEIGHT, WIDTH), num: int = NUM_FRAMES) -> Make:
    """Encodes the pictures with options of ffmpeg."""

    def make(path: Path) -> None:
        height, width = size
        raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FPS))
        data = pictures(height, width, num).tobytes()
        run(*raw, "-i", "-", *options, str(path), data=data)

    return make


def tagged(matrix: str, name: str, *options: str, pixels: str = "yuv420p") -> Make:
    scale = f"scale=out_color_matrix={matrix}:flags=accurate_rnd+full_chroma_int,format={pixels}"
    return encoded("-vf", scale, *FAST, "-colorspace", name, *options)


def copied(*options: str, before: tuple[str, ...] = ()) -> Make:
    """Makes a file of another one.

    Args:
        before: options for reading it.
    """

    def make(path: Path) -> None:
        first = path.with_name(f"source-of-{path.stem}.mp4")
        encoded(*H264)(first)
        run(*before, "-i", str(first), *options, str(path))
        first.unlink()

    return make


def damaged(source: Make, change: Callable[[bytes], bytes]) -> Make:
    def make(path: Path) -> None:
        source(path)
        path.write_bytes(change(path.read_bytes()))

    return make


def written(content: bytes) -> Make:
    return lambda path: (path.write_bytes(content), None)[1]


def cut(content: bytes) -> bytes:
    return content[: len(content) * 6 // 10]


def spoilt(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + b"\xa7" * 400 + content[middle + 400 :]


def turned(degrees: int, *, mirrored: bool = False, shape: Fraction = Fraction(1)) -> Make:
    """A display matrix: so many degrees to the left, mirrored left to right.

    Args:
        shape: width of a pixel by its height.
    """

    def make(path: Path) -> None:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=FPS, options={"crf": "10"})
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.codec_context.sample_aspect_ratio = shape
            stream.set_display_rotation(degrees, hflip=mirrored)
            for pixels in pictures():
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))

    return make


def joined(*parts: Make) -> Make:
    """Files one after the other, as `cat` makes them."""

    def make(path: Path) -> None:
        content = b""
        for part in parts:
            part(path)
            content += path.read_bytes()
        path.write_bytes(content)

    return make


def two_streams(path: Path) -> None:
    other = ("-f", "lavfi", "-i", f"color=gray:s=32x32:r={FPS}:d=1.5")
    copied(
        *(*other, "-map", "1:v", "-map", "0:v", *FAST, "-pix_fmt", "yuv420p"),
        *("-disposition:v:0", "0", "-disposition:v:1", "default"),
    )(path)


def with_cover(*options: str) -> Make:
    def make(path: Path) -> None:
        cover = path.with_name("cover.png")
        run("-f", "lavfi", "-i", "color=gray:s=32x32", "-frames:v", "1", str(cover))
        picture = ("-i", str(cover), *options, "-disposition:v:0", "attached_pic")
        run(*TONE, *picture, str(path))
        cover.unlink()

    return make


def video_with_cover(path: Path) -> None:
    cover = path.with_name("cover.png")
    run("-f", "lavfi", "-i", "color=gray:s=32x32", "-frames:v", "1", str(cover))
    copied(
        "-i", str(cover), "-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic"
    )(path)
    cover.unlink()


def still(path: Path) -> None:
    encoded("-frames:v", "1", num=1)(path)


def renamed(suffix: str, source: Make) -> Make:
    def make(path: Path) -> None:
        source(path.with_suffix(suffix))
        shutil.move(path.with_suffix(suffix), path)

    return make
