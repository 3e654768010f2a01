"""Two videos side by side."""

import numpy as np
import pytest

from t2v.errors import MediaError
from t2v.media.comparison import write_side_by_side
from t2v.media.reader import Video, read_frames
from t2v.media.video import VideoWriter


def write(path, colour, size, num_frames):
    frames = np.full((num_frames, *size, 3), colour, np.uint8)
    with VideoWriter(path, fps=8) as writer:
        writer.write(frames)
    return path


def test_both_videos_get_the_larger_height_and_the_shorter_length(tmp_path):
    left = write(tmp_path / "left.mp4", (200, 40, 40), (32, 48), 24)
    right = write(tmp_path / "right.mp4", (40, 40, 200), (64, 96), 16)
    write_side_by_side(Video(left), Video(right), tmp_path / "both.mp4")
    frames = read_frames(tmp_path / "both.mp4")
    assert frames.shape == (16, 64, 192, 3)
    for half, colour in ((frames[:, :, :90], (200, 40, 40)), (frames[:, :, 102:], (40, 40, 200))):
        assert np.abs(half.astype(int) - colour).max() < 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["both.mp4", "left.mp4", "right.mp4"]


def test_odd_sides_become_even(tmp_path):
    left = write(tmp_path / "left.mp4", (200, 40, 40), (60, 100), 8)
    right = write(tmp_path / "right.mp4", (40, 40, 200), (200, 352), 8)
    write_side_by_side(Video(left), Video(right), tmp_path / "both.mp4")
    height, width = read_frames(tmp_path / "both.mp4").shape[1:3]
    assert height == 200 and width % 2 == 0 and abs(width - (352 + 200 * 100 / 60)) < 2


def test_a_file_that_is_no_video_is_a_media_error(tmp_path):
    left = write(tmp_path / "left.mp4", (9, 9, 9), (32, 32), 8)
    (tmp_path / "right.mp4").write_text("no video")
    with pytest.raises(MediaError, match=r"right\.mp4 cannot be read as a video"):
        write_side_by_side(Video(left), Video(tmp_path / "right.mp4"), tmp_path / "both.mp4")
    assert not (tmp_path / "both.mp4").exists()
