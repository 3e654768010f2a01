"""Numbers about the newest chunk agree with those about whole videos."""

import numpy as np
import pytest

from t2v.evaluation.metrics.chunk import measure_chunk
from t2v.evaluation.metrics.flow import flow_magnitudes
from tests.support.clips import pan, with_cuts


def chunk_of(frames, start=8):
    return measure_chunk(frames[:start], frames[start:], frames[0])


def test_a_smooth_continuation_moves_and_has_no_seam():
    frames = pan(16, (2, 0), size=64)
    numbers = chunk_of(frames)
    assert numbers.motion.value == pytest.approx(flow_magnitudes(frames)[7:].mean())
    assert numbers.motion.value == pytest.approx(2, abs=0.1)
    assert numbers.seam_ratio.value == pytest.approx(1, abs=0.1)
    assert numbers.is_cut is False


def test_a_cut_between_chunks_is_seen():
    numbers = chunk_of(with_cuts(16, every=8, size=64))
    assert numbers.seam_ratio.value > 2
    assert numbers.is_cut is True


def test_a_cut_within_a_chunk_is_not_one_at_its_boundary():
    numbers = chunk_of(with_cuts(18, every=12, size=64))
    assert numbers.is_cut is False


def test_drift_is_against_the_anchor():
    anchor = np.full((31, 37, 3), (10, 50, 90), np.uint8)
    new = np.full((5, 31, 37, 3), (13, 50, 96), np.uint8)
    numbers = measure_chunk(new, new, anchor)
    assert numbers.drift_colour.value == 3
    assert numbers.drift_sharpness.value == 0
    assert (numbers.seam_ratio.value, numbers.seam_ratio.reason) == (None, "stagnant")
    assert numbers.motion.value == 0


def test_the_first_chunk_has_no_seam():
    frames = pan(16, size=64)
    numbers = measure_chunk(frames[:0], frames, frames[0])
    assert numbers.seam_ratio.reason == "no chunk boundaries"
    assert numbers.is_cut is None
    assert numbers.motion.value > 1


def test_whether_a_chunk_is_stagnant_is_decided_in_pixels_of_the_frames_before_they_were_shrunk():
    frames = pan(16, (2, 0), size=64)
    own, enlarged = (
        measure_chunk(frames[:8], frames[8:], frames[0], shrunk=shrunk) for shrunk in (1, 0.02)
    )
    assert enlarged.motion.value == pytest.approx(0.02 * own.motion.value)
    assert (own.stagnant_share.value, enlarged.stagnant_share.value) == (0, 1)


def test_far_frames_before_do_not_matter():
    frames = pan(40, size=64)
    assert measure_chunk(frames[:32], frames[32:], frames[0]) == measure_chunk(
        frames[24:32], frames[32:], frames[0]
    )


@pytest.mark.parametrize("before, new", [(0, 0), (0, 1), (8, 0), (8, 1), (1, 8), (2, 3)])
def test_few_frames_have_reasons_instead_of_numbers(before, new):
    frames = pan(16, size=64)
    numbers = measure_chunk(frames[:before], frames[before : before + new], frames[0])
    assert numbers.is_cut is None
    assert (numbers.drift_colour.reason == "no frames") == (new == 0)
    assert (numbers.motion.value is None) == (new == 0 or before + new < 2)
