"""Scene cuts: the paper's count, and the count at chunk boundaries."""

import subprocess
import sys

import numpy as np
import pytest

from t2v.errors import ConfigError
from t2v.evaluation.metrics.cuts import find_cuts, find_seam_cuts, scuts, scuts_boundary
from tests.support.clips import noisy, with_cuts


def test_cuts_are_first_frames_of_scenes():
    frames = with_cuts(48, every=16)
    assert find_cuts(frames) == [16, 32]
    assert scuts(frames).value == 2


def test_the_papers_count_skips_every_second_of_eight_frame_chunks():
    frames = with_cuts(48, every=8)
    boundaries = [8, 16, 24, 32, 40]
    assert find_cuts(frames) == [16, 32]
    assert scuts_boundary(frames, boundaries).value == 5


def test_cuts_elsewhere_do_not_count_at_boundaries():
    assert scuts_boundary(with_cuts(24, every=10), [8, 16]).value == 0
    assert scuts_boundary(with_cuts(24, every=10), [8, 10]).value == 1


def test_brightness_finds_a_cut_that_the_hue_of_grey_hides():
    def grey(seed):
        picture = np.full((20, 64, 64, 3), 100 + 40 * seed, np.uint8)
        return noisy(picture, 3, seed)

    frames = np.concatenate([grey(0), grey(1)])
    assert find_cuts(frames) == []
    assert find_seam_cuts(frames) == [20]


def test_the_paper_needs_18_frames():
    frames = with_cuts(18, every=15)
    assert scuts(frames).value == 1
    assert scuts(frames[:17]).reason == "fewer than 18 frames"


def test_the_count_at_boundaries_needs_six_frames_and_a_boundary():
    frames = with_cuts(6, every=3)
    assert scuts_boundary(frames, [3]).value == 1
    assert scuts_boundary(frames[:5], [3]).reason == "fewer than 6 frames"
    assert scuts_boundary(frames, []).reason == "no chunk boundaries"
    with pytest.raises(ConfigError, match=r"1\.\.5"):
        scuts_boundary(frames, [6])


def test_large_pictures_are_shrunk_as_pyscenedetect_shrinks_them():
    frames = with_cuts(32, every=16, size=160)
    large = frames.repeat(2, axis=1).repeat(2, axis=2)
    assert find_cuts(large) == find_cuts(frames) == [16]


def test_a_file_has_the_cuts_of_its_frames(tmp_path):
    from scenedetect import AdaptiveDetector, detect

    from t2v.media.video import VideoWriter

    frames = with_cuts(48, every=16, size=96)
    with VideoWriter(tmp_path / "cuts.mp4", fps=8) as writer:
        writer.write(frames)
    scenes = detect(str(tmp_path / "cuts.mp4"), AdaptiveDetector())
    assert [start.frame_num for start, _ in scenes[1:]] == find_cuts(frames)


def test_metrics_import_without_torch():
    code = "import sys; import t2v.evaluation.metrics.video; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
