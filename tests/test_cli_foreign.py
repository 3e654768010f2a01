"""`longtake refine`, `gif`, `compare` and `show` with videos of other programs."""

import re
from fractions import Fraction

import numpy as np
import pytest

from t2v import cli
from t2v.media.reader import Video, read_frames
from t2v.pipeline import refiner_loading
from tests.support.foreign_corpus import TS, UNEVEN
from tests.support.foreign_files import (
    H264,
    HEIGHT,
    NUM_FRAMES,
    WIDTH,
    cut,
    damaged,
    encoded,
    joined,
    tagged,
    turned,
)
from tests.support.small_refiner import new_refiner
from tests.test_foreign_files import corners_of, read_number


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder; the refiner is small and random."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(refiner_loading, "load_refiner", lambda *_, **__: new_refiner())
    return tmp_path


def refine(name, out="out.mp4"):
    return cli.main(["refine", name, "--prompt", "a red star", "--out", out])


def test_a_turned_video_with_long_pixels_is_upright_in_every_command(folder):
    turned(-90, shape=Fraction(1, 2))(folder / "a.mp4")
    expected = corners_of(read_frames(folder / "a.mp4")[0])
    assert cli.main(["gif", "a.mp4"]) == 0
    gif = read_frames(folder / "a.gif")
    assert gif.shape == (NUM_FRAMES, WIDTH, 2 * HEIGHT, 3)
    assert np.abs(corners_of(gif[0]) - expected).max() < 10
    assert cli.main(["compare", "a.mp4", "a.gif", "--out", "both.mp4"]) == 0
    both = read_frames(folder / "both.mp4")
    assert both.shape == (NUM_FRAMES, WIDTH, 4 * HEIGHT, 3)
    for half in np.split(both, 2, axis=2):
        assert np.abs(corners_of(half[0]) - expected).max() < 12
        assert [read_number(frame) for frame in half] == list(range(NUM_FRAMES))
    assert refine("a.mp4") == 0
    height, width = Video(folder / "out.mp4").size
    assert height / width == pytest.approx(WIDTH / (2 * HEIGHT), rel=0.05)


def test_the_same_picture_in_two_matrices_looks_the_same(folder):
    tagged("bt709", "bt709")(folder / "a.mp4")
    tagged("bt601", "smpte170m")(folder / "b.mp4")
    assert cli.main(["compare", "a.mp4", "b.mp4", "--out", "both.mp4"]) == 0
    left, right = np.split(read_frames(folder / "both.mp4")[0], 2, axis=1)
    assert np.abs(corners_of(left) - corners_of(right)).max() < 6


def test_frames_at_uneven_times_keep_their_times(folder, capsys):
    options = ("-vf", f"{H264[1]},{UNEVEN}", "-vsync", "passthrough", "-c:v", "libx264")
    encoded(*options)(folder / "a.mp4")
    assert cli.main(["gif", "a.mp4"]) == 0
    assert "a.mp4 has 12 frames at uneven times; it is read as 30 frames" in capsys.readouterr().err
    frames = read_frames(folder / "a.gif")
    shown_at = {read_number(frame): place / 8 for place, frame in reversed([*enumerate(frames)])}
    assert shown_at[5] == 0.625 and shown_at[6] == 0.75
    assert shown_at[7] == 1.25 and shown_at[11] == 3.25


def test_what_can_be_read_of_a_cut_video_is_refined_and_the_rest_is_told(folder, capsys):
    source = encoded(*H264, "-g", "1", "-movflags", "+faststart")
    damaged(source, cut)(folder / "a.mp4")
    assert refine("a.mp4") == 0
    said = capsys.readouterr()
    number = int(
        re.search(r"^a\.mp4 is damaged: (\d+) of 12 frames could be read$", said.err, re.M)[1]
    )
    assert 2 <= number < 12
    assert len(read_frames(folder / "out.mp4")) == number
    assert f"out.mp4: {number} frames" in said.out


@pytest.mark.parametrize("command", ["refine", "gif", "compare", "show"])
def test_a_video_that_changes_its_size_gets_a_sentence_and_leaves_no_file(folder, capsys, command):
    joined(encoded(*TS), encoded(*TS, size=(80, 48)))(folder / "a.ts")
    rest = {
        "refine": ["a.ts", "--prompt", "a red star"],
        "compare": ["a.ts", "a.ts"],
    }.get(command, ["a.ts"])
    assert cli.main([command, *rest]) == 2
    assert "change their size from 64x48 to 48x80" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["a.ts"]
