"""All measures of a video together: which numbers there are, and what odd videos get."""

import json
import math
import re
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from t2v.errors import ConfigError, MediaError
from t2v.evaluation.metrics.catalogue import CATALOGUE
from t2v.evaluation.metrics.flow import DISFlow
from t2v.evaluation.metrics.frames import as_frames
from t2v.evaluation.metrics.mawe import Sizes
from t2v.evaluation.metrics.video import MEASURED, measure_video, measure_with_series, protocol
from t2v.media.reader import read_frames
from tests.support.clips import jumping, pan


SMALL = Sizes(flow=64, warp=96)


def measure(frames, boundaries=(), sizes=SMALL):
    return measure_video(frames, boundaries=boundaries, flow=DISFlow(), sizes=sizes)


def test_every_number_has_an_entry_in_the_catalogue():
    measured = measure(pan(3, size=40), [1])
    assert tuple(measured) == MEASURED
    assert set(MEASURED) <= set(CATALOGUE)


@pytest.mark.parametrize("count, reason", [(0, "no frames"), (1, "one frame")])
def test_without_pairs_every_number_is_absent_for_a_reason(count, reason):
    values = measure(pan(2, size=40)[:count])
    assert {(value.value, value.reason) for value in values.values()} == {(None, reason)}
    assert tuple(values) == MEASURED


@pytest.mark.parametrize("shape", [(20, 1, 1, 3), (20, 3, 2, 3), (20, 90, 31, 3), (20, 8, 130, 3)])
@pytest.mark.parametrize("kind", ["black", "noise"])
def test_tiny_tall_and_black_videos_have_finite_numbers_or_reasons(shape, kind):
    frames = np.zeros(shape, np.uint8)
    if kind == "noise":
        frames = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    values, series = measure_with_series(frames, boundaries=[8, 16], flow=DISFlow(), sizes=SMALL)
    for value in values.values():
        assert value.reason or math.isfinite(value.value)
    for numbers in [*series.per_pair.values(), *series.per_chunk.values()]:
        assert np.isfinite(numbers).all()
    json.dumps({name: asdict(value) for name, value in values.items()}, allow_nan=False)


@pytest.mark.parametrize("boundary", [0, 20, -1])
def test_a_boundary_outside_the_video_is_an_error(boundary):
    with pytest.raises(ConfigError, match=f"must lie in 1..19.*got {boundary}"):
        measure(pan(20, size=40), [8, boundary])


def test_a_still_video_is_stagnant_and_not_perfect():
    values = measure(np.repeat(pan(1, size=40), 20, axis=0), [8])
    assert values["stagnant_share"].value == 1
    for name in ("mawe_code", "mawe_ratio", "mawe_text", "seam_ratio", "flow_seam_ratio"):
        assert (values[name].value, values[name].reason) == (None, "stagnant")


def test_series_have_a_number_per_pair_and_per_chunk():
    values, series = measure_with_series(
        jumping(26, every=8, size=64), boundaries=[8, 16, 24], flow=DISFlow(), sizes=SMALL
    )
    assert {len(numbers) for numbers in series.per_pair.values()} == {25}
    assert {len(numbers) for numbers in series.per_chunk.values()} == {4}
    assert series.per_pair["motion"].mean() == pytest.approx(values["motion"].value)
    assert set(np.argsort(series.per_pair["motion"])[-3:] + 1) == {8, 16, 24}


def test_a_chunk_has_the_pairs_that_end_in_it():
    frames = np.stack([np.full((5, 7, 3), value, np.uint8) for value in (0, 2, 12, 13, 14, 20)])
    _, series = measure_with_series(frames, boundaries=[2, 5], flow=DISFlow(), sizes=SMALL)
    assert series.per_chunk["change"].tolist() == [2, 4, 6]
    assert series.per_chunk["drift_colour"].tolist() == [1, 13, 20]


def test_the_protocol_names_all_that_numbers_depend_on():
    assert protocol(DISFlow()) == {
        "flow": "dis-medium",
        "sizes": {"flow": 256, "warp": 720},
        "opencv": "5.0.0",
        "scenedetect": "0.7.2",
    }


def test_grey_and_transparent_arrays_become_frames():
    frames = pan(3, size=40)
    alpha = np.full((3, 40, 40, 1), 7, np.uint8)
    assert (as_frames(np.concatenate([frames, alpha], axis=-1)) == frames).all()
    grey = frames[..., 0]
    for array in (grey, grey[..., None]):
        assert (as_frames(array) == grey[..., None]).all()
    assert measure(grey) == measure(as_frames(grey))
    assert math.isfinite(measure(grey)["mawe_code"].value)


@pytest.mark.parametrize(
    "array, complaint",
    [
        (np.zeros((3, 5, 7, 3)), "uint8.*got float64"),
        (np.zeros((3, 5, 7, 2), np.uint8), "got an array of 3 x 5 x 7 x 2"),
        (np.zeros((3, 0, 7, 3), np.uint8), "got an array of 3 x 0 x 7 x 3"),
        (np.zeros((5, 7), np.uint8), "got an array of 5 x 7"),
    ],
)
def test_arrays_that_are_no_frames_are_refused(array, complaint):
    with pytest.raises(MediaError, match=complaint):
        as_frames(array)
    with pytest.raises(MediaError, match=complaint):
        measure(array)


def test_frames_that_stay_longer_in_a_file_are_stagnant_pairs(tmp_path):
    frames = pan(6, size=64)
    with av.open(str(tmp_path / "odd.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=24, options={"crf": "5"})
        stream.width = stream.height = 64
        stream.codec_context.time_base = Fraction(1, 24)
        for frame, pts in zip(frames, (0, 1, 2, 8, 9, 10), strict=True):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts, picture.time_base = pts, Fraction(1, 24)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    read = measure(read_frames(tmp_path / "odd.mp4"))
    assert read["stagnant_share"].value == pytest.approx(5 / 10)
    assert read["motion"].value == pytest.approx(measure(frames)["motion"].value / 2, rel=0.1)


def test_the_docs_have_a_row_for_every_number_with_its_unit():
    docs = Path(__file__).parents[2] / "docs" / "evaluation.md"
    table = docs.read_text(encoding="utf-8").partition("## Metrics of the paper")[2]
    table = table.partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|(.+)\|$", table, re.MULTILINE)
    cells = {name: [cell.strip() for cell in row.split("|")] for name, row in rows}
    assert {name: (cell[2], cell[3] or None) for name, cell in cells.items()} == {
        name: (metric.unit, metric.better) for name, metric in CATALOGUE.items()
    }
