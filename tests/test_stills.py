"""Still pictures of anybody: kinds, turns and transparent parts, and which decoder sees them."""

import re
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import t2v
from t2v.errors import FileError
from t2v.media.reader import Video
from t2v.media.stills import READERS, read_still, read_transparent


RED, BLUE = (200, 30, 40), (30, 40, 200)
KINDS = {
    "png": 0,
    "jpg": 4,
    "webp": 6,
    "gif": 0,
    "bmp": 0,
    "tiff": 0,
}  # how far off a colour may be
ORIENTATION = 0x0112
# Where the top left pixel of the sensor is seen, and whether rows are columns; EXIF 2.3, 4.6.4.
CORNERS = {
    1: ("top", "left", False),
    2: ("top", "right", False),
    3: ("bottom", "right", False),
    4: ("bottom", "left", False),
    5: ("top", "left", True),
    6: ("top", "right", True),
    7: ("bottom", "right", True),
    8: ("bottom", "left", True),
}


def marked(height=40, width=72):
    """Blue, with a red top left quarter."""
    pixels = np.full((height, width, 3), BLUE, np.uint8)
    pixels[: height // 2, : width // 2] = RED
    return pixels


def is_red(pixel, tolerance=6):
    return bool((abs(pixel.astype(int) - RED) <= tolerance).all())


@pytest.mark.parametrize("kind, tolerance", KINDS.items())
def test_pictures_of_the_usual_kinds_are_read_in_their_colours(tmp_path, kind, tolerance):
    path = tmp_path / f"a.{kind}"
    Image.fromarray(marked()).save(path, **({"quality": 95} if tolerance else {}))
    picture = read_still(path)
    assert picture.shape == (40, 72, 3) and picture.dtype == np.uint8
    assert np.allclose(picture[5, 5], RED, atol=tolerance)
    assert np.allclose(picture[30, 60], BLUE, atol=tolerance)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", CORNERS)
def test_a_picture_is_turned_as_its_camera_says(tmp_path, kind, orientation):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"a.{kind}"
    Image.fromarray(marked()).save(path, exif=exif)
    picture = read_still(path)
    vertical, horizontal, is_turned = CORNERS[orientation]
    assert picture.shape[:2] == ((72, 40) if is_turned else (40, 72))
    row, column = (4 if vertical == "top" else -4), (4 if horizontal == "left" else -4)
    assert is_red(picture[row, column], 12)
    assert not is_red(picture[-row, column], 60) and not is_red(picture[row, -column], 60)


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_half_transparent_parts_are_darker_and_transparent_ones_black(tmp_path, kind):
    layer = np.full((16, 30, 4), 255, np.uint8)
    layer[:, 10:20, 3], layer[:, 20:, 3] = 102, 0
    Image.fromarray(layer).save(tmp_path / f"a.{kind}", lossless=True)
    row = read_still(tmp_path / f"a.{kind}")[7, :, 0]
    assert np.allclose(row[[4, 14, 24]], [255, 102, 0], atol=1)


def test_a_colour_of_a_palette_may_be_transparent(tmp_path):
    picture = Image.new("P", (12, 8), 1)
    picture.putpalette([250, 250, 250, *RED])
    picture.paste(0, (6, 0, 12, 8))
    picture.save(tmp_path / "a.png", transparency=0)
    pixels = read_transparent(tmp_path / "a.png")
    assert tuple(pixels[3, 2]) == (*RED, 255) and pixels[3, 9, 3] == 0


@pytest.mark.parametrize("mode, level", [("L", 90), ("LA", 90), ("I;16", 90), ("1", 255)])
def test_pictures_in_grey_keep_their_brightness(tmp_path, mode, level):
    grey = np.full((10, 14), level, np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(grey).convert(mode)
    picture.save(tmp_path / "a.png")
    assert np.allclose(read_still(tmp_path / "a.png"), level, atol=1)


def test_the_name_of_a_file_does_not_choose_its_decoder(tmp_path):
    Image.fromarray(marked()).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert is_red(read_still(tmp_path / "a.jpg")[3, 3])


OTHERS = {
    "a.ppm": b"P6\n2 2\n255\n" + bytes(12),
    "a.psd": b"8BPS\x00\x01" + bytes(40),
    "a.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "a.m3u8": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "a.ffconcat": b"ffconcat version 1.0\nfile a.png\n",
    "a.ico": b"\x00\x00\x01\x00\x01\x00" + bytes(40),
    "a.mp4": b"\x00\x00\x00\x18ftypisom" + bytes(40),
    "a.avi": b"RIFF\x00\x00\x00\x00AVI " + bytes(40),
    "a.jp2": b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40),
    "a.txt": b"hello",
    "empty.png": b"",
}


@pytest.mark.parametrize("name", OTHERS)
def test_no_decoder_sees_a_file_of_another_kind(tmp_path, monkeypatch, name):
    monkeypatch.setattr(av, "open", lambda *_, **__: pytest.fail("it was opened"))
    (tmp_path / name).write_bytes(OTHERS[name])
    with pytest.raises(FileError, match=f"^{name} cannot be read as an image; PNG, JPEG, WebP"):
        read_still(tmp_path / name)


@pytest.mark.parametrize("first_bytes", READERS)
def test_a_decoder_that_is_cheated_says_so_in_a_sentence(tmp_path, first_bytes):
    (tmp_path / "a.jpg").write_bytes(first_bytes + b"#EXTM3U\nfile:///etc/passwd\n" * 9)
    with pytest.raises(FileError, match=r"^a\.jpg cannot be read as an image: "):
        read_still(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", KINDS)
def test_pillow_never_decodes_a_picture(tmp_path, monkeypatch, kind):
    Image.fromarray(marked()).save(tmp_path / f"a.{kind}")
    monkeypatch.setattr(Image, "open", lambda *_, **__: pytest.fail("pillow decodes"))
    assert read_still(tmp_path / f"a.{kind}").shape == (40, 72, 3)


def test_no_other_code_of_ours_decodes_pictures():
    """One function reads stills, `media/reader.py` reads videos; others only write pictures."""
    calls = {
        call
        for file in Path(t2v.__file__).parent.rglob("*.py")
        for call in re.findall(
            r"\b(?:Image|imageio|iio|cv2)\.\w+", file.read_text(encoding="utf-8")
        )
    }
    assert "Image.fromarray" in calls and "imageio.imwrite" in calls  # calls are found
    assert not {call for call in calls if re.search(r"\.(open|im(read|decode|iter|open)\w*)", call)}


def test_a_video_of_a_camera_with_more_to_say_than_pixels_is_read(tmp_path):
    """Frames with EXIF, which PyAV cannot list."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(marked()).save(tmp_path / "a.jpg", exif=exif)
    jpeg = (tmp_path / "a.jpg").read_bytes()
    with av.open(str(tmp_path / "a.avi"), "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=5)
        stream.height, stream.width, stream.pix_fmt = 40, 72, "yuvj420p"
        for number in range(3):
            packet = av.Packet(jpeg)
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.is_keyframe = True
            container.mux(packet)
    video = Video(tmp_path / "a.avi")
    frames = list(video.frames())
    assert len(frames) == 3 and video.size == (72, 40)
    assert is_red(frames[1][4, -4], 12)
