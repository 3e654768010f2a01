"""Videos of other programs: each is read as players show it, or refused with a sentence."""

import re
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from t2v.errors import MediaError
from t2v.media.reader import Video
from tests.support.foreign_corpus import FILES
from tests.support.foreign_files import FAST, NUM_FRAMES, ForeignFile, run


TABLE = Path(__file__).parent.parent / "docs" / "files.md"
COLOUR_TOLERANCE, GREY_TOLERANCE = 10, 8


@cache
def encoders() -> str:
    return subprocess.run(
        ["ffmpeg", "-v", "error", "-encoders"], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("foreign")


def read_number(frame: np.ndarray) -> int:
    """The number of a frame, from the grey of its middle."""
    height, width = frame.shape[0] // 2, frame.shape[1] // 2
    grey = frame[height - 5 : height + 5, width - 5 : width + 5].mean()
    number = round((grey - 10) / 20)
    assert abs(grey - 10 - 20 * number) < GREY_TOLERANCE, grey
    return number


def corners_of(frame: np.ndarray) -> np.ndarray:
    """The mean colours of the corners: top left and right, bottom left and right."""
    height, width = frame.shape[0] // 4, frame.shape[1] // 4
    parts = [
        frame[rows, columns]
        for rows in (slice(height), slice(-height, None))
        for columns in (slice(width), slice(-width, None))
    ]
    return np.array([part.reshape(-1, 3).mean(axis=0) for part in parts])


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_of_another_program_is_read_as_players_show_it(folder, file: ForeignFile):
    if file.encoder and not re.search(rf" {re.escape(file.encoder)} ", encoders()):
        pytest.skip(f"this ffmpeg has no {file.encoder}")
    path = folder / file.name
    file.make(path)
    if file.refused:
        with pytest.raises(MediaError) as error:
            list(Video(path).frames())
        assert str(error.value).startswith(file.name) and file.refused in str(error.value)
        assert str(folder) not in str(error.value)
        return
    video = Video(path)
    frames = np.stack(list(video.frames()))
    assert (video.size, video.fps) == (file.size, file.fps)
    assert frames.shape[1:] == (*file.size, 3)
    if file.says:
        assert file.says in " ".join(video.notices)
    else:
        assert not video.notices and video.num_frames == len(frames)
    if file.is_part:
        assert 2 <= len(frames) < NUM_FRAMES
        assert tuple(map(read_number, frames)) == file.numbers[: len(frames)]
    elif file.numbers:
        assert tuple(map(read_number, frames)) == file.numbers
    else:
        assert 0 < len(frames) <= NUM_FRAMES
    if file.corners is not None:
        assert np.abs(corners_of(frames[0]) - file.corners).max() < COLOUR_TOLERANCE


def test_the_table_in_the_docs_names_the_files_of_the_corpus():
    rows = re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \|$", TABLE.read_text(), re.MULTILINE)
    assert rows == [(file.name, file.what, file.answer) for file in FILES]


@pytest.mark.slow
@pytest.mark.parametrize("curve, white", [("smpte2084", 148), ("arib-std-b67", 191)])
def test_the_white_of_a_page_in_hdr_becomes_white(folder, curve, white):
    """203 candelas in PQ and 75 % in HLG are what a sheet of paper has (ITU-R BT.2408)."""
    path = folder / f"{curve}.mkv"
    run(
        *("-f", "lavfi", "-i", f"color=0x{white:02x}{white:02x}{white:02x}:s=64x48:r=8:d=0.5"),
        *("-vf", "scale=out_color_matrix=bt2020,format=yuv420p10le", *FAST),
        *("-colorspace", "bt2020nc", "-color_primaries", "bt2020", "-color_trc", curve),
        str(path),
    )
    frames = np.stack(list(Video(path).frames()))
    assert frames.min() > 240
