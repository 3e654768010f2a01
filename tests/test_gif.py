"""GIFs of videos."""

import imageio.v3 as iio
import numpy as np
import pytest

from t2v.errors import MediaError
from t2v.media.gif import write_gif
from t2v.media.reader import Video
from t2v.media.video import VideoWriter
from tests.support.fakes import paint, read_numbers


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "video.mp4"
    with VideoWriter(path, fps=8) as writer:
        writer.write(np.stack([paint(number) for number in range(20)]))
    return path


def test_a_gif_has_every_frame_in_order_at_its_speed(video, tmp_path):
    write_gif(Video(video), tmp_path / "video.gif")
    frames = iio.imread(tmp_path / "video.gif", plugin="pillow", mode="RGB")
    assert read_numbers(frames) == list(range(20))
    facts = iio.immeta(tmp_path / "video.gif", plugin="pillow")
    assert (facts["loop"], facts["duration"]) == (0, pytest.approx(125, abs=10))


def test_colours_are_those_of_the_video(tmp_path):
    path, colour = tmp_path / "video.mp4", (230, 40, 90)
    with VideoWriter(path, fps=8) as writer:
        writer.write(np.full((3, 32, 48, 3), colour, np.uint8))
    write_gif(Video(path), tmp_path / "video.gif")
    frames = iio.imread(tmp_path / "video.gif", plugin="pillow", mode="RGB")
    assert frames.shape == (3, 32, 48, 3)
    assert np.abs(frames.astype(int) - colour).max() <= 8


def test_a_file_that_is_not_a_video_is_reported_and_leaves_no_file(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(MediaError, match=r"text\.mp4"):
        write_gif(Video(tmp_path / "text.mp4"), tmp_path / "video.gif")
    assert [path.name for path in tmp_path.iterdir()] == ["text.mp4"]
