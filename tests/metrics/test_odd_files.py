"""Metrics of odd files: every number is finite or has a reason, or the file is refused."""

import math

import pytest

from t2v.errors import MediaError
from t2v.evaluation.metrics.flow import DISFlow
from t2v.evaluation.metrics.mawe import Sizes
from t2v.evaluation.metrics.video import MEASURED, measure_video
from t2v.media.reader import read_frames
from tests.support.foreign_corpus import FILES


ODD = (
    "empty.mp4",
    "one-frame.mp4",
    "portrait.mp4",
    "variable.mp4",
    "picture.png",
    "size-changes.ts",
)


@pytest.mark.parametrize("file", [file for file in FILES if file.name in ODD], ids=lambda f: f.name)
def test_an_odd_file_has_defined_numbers_or_is_refused(file, tmp_path):
    path = tmp_path / file.name
    file.make(path)
    if file.refused:
        with pytest.raises(MediaError, match=file.refused):
            read_frames(path)
        return
    frames = read_frames(path)
    boundaries = [len(frames) // 2] if len(frames) > 1 else []
    values = measure_video(
        frames, boundaries=boundaries, flow=DISFlow(), sizes=Sizes(flow=48, warp=48)
    )
    assert values.keys() == set(MEASURED)
    for name, one in values.items():
        assert one.reason if one.value is None else math.isfinite(one.value), name
    if file.name == "one-frame.mp4":
        assert {one.reason for one in values.values()} == {"one frame"}
