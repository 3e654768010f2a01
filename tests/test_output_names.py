"""Outputs that cannot be written are refused before the work."""

import os

import pytest

from t2v.errors import MediaError
from t2v.output_names import check_output


def test_a_name_that_is_too_long_is_refused_before_the_work(tmp_path):
    with pytest.raises(MediaError, match="File name too long"):
        check_output("--out", tmp_path / f"{'x' * 252}.mp4", ".mp4", overwrite=False)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("target", ["other.mp4", "nowhere.mp4"])
def test_a_link_is_not_replaced_by_a_video(tmp_path, overwrite, target):
    (tmp_path / "other.mp4").write_text("precious")
    (tmp_path / "link.mp4").symlink_to(target)
    with pytest.raises(MediaError, match=r"link\.mp4 is a link; give the name of the file"):
        check_output("--out", tmp_path / "link.mp4", ".mp4", overwrite)
    assert (tmp_path / "link.mp4").is_symlink()


def test_a_pipe_is_not_replaced_by_a_video(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaError, match=r"pipe\.mp4 is no ordinary file"):
        check_output("--out", tmp_path / "pipe.mp4", ".mp4", overwrite=True)
