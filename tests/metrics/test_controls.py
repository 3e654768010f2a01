"""Controls are made of the frames of a video, and slices show where chunks join."""

import numpy as np
import pytest

from t2v.errors import ConfigError
from t2v.evaluation.metrics.catalogue import CATALOGUE
from t2v.evaluation.metrics.controls import frozen_last_frame, ranked_above_real, shuffled_chunks
from t2v.evaluation.metrics.slices import INK, TICK, xt_picture, xt_slice


def numbered(count, height=5, width=7):
    """Frame i has the value i, plus the row, plus ten times the column."""
    y, x = np.mgrid[:height, :width]
    place = np.arange(count)[:, None, None] + 3 * y + 20 * x
    return np.repeat(place[..., None], 3, axis=-1).astype(np.uint8)


def order(frames):
    return frames[:, 0, 0, 0].tolist()


def test_a_frozen_video_repeats_the_last_frame_that_it_keeps():
    assert order(frozen_last_frame(numbered(7), 3)) == [0, 1, 2, 2, 2, 2, 2]
    assert order(frozen_last_frame(numbered(3), 3)) == [0, 1, 2]


@pytest.mark.parametrize("keep", [0, 8, -1])
def test_a_frozen_video_keeps_something(keep):
    with pytest.raises(ConfigError, match=f"1..7 frames, got {keep}"):
        frozen_last_frame(numbered(7), keep)


@pytest.mark.parametrize("seed", range(12))
def test_no_shuffled_chunk_follows_its_predecessor(seed):
    shuffled = shuffled_chunks(numbered(17), [5, 8, 11, 14], np.random.default_rng(seed))
    assert sorted(order(shuffled)) == list(range(17))
    assert order(shuffled)[:5] == [0, 1, 2, 3, 4]
    for boundary in (5, 8, 11, 14):
        first = order(shuffled)[boundary]
        assert order(shuffled)[boundary : boundary + 3] == [first, first + 1, first + 2]
        assert order(shuffled)[boundary - 1] != first - 1


def test_orders_differ_between_seeds():
    shuffled = [
        tuple(order(shuffled_chunks(numbered(17), [5, 8, 11, 14], np.random.default_rng(seed))))
        for seed in range(12)
    ]
    assert len(set(shuffled)) > 3


def test_two_chunks_swap_and_a_shorter_last_one_stays():
    rng = np.random.default_rng(0)
    assert order(shuffled_chunks(numbered(9), [3, 5, 7], rng)[:7]) != list(range(7))
    assert order(shuffled_chunks(numbered(8), [3, 5, 7], rng)) == [0, 1, 2, 5, 6, 3, 4, 7]


def test_a_single_chunk_cannot_be_shuffled():
    with pytest.raises(ConfigError, match="from three on, got 2"):
        shuffled_chunks(numbered(9), [4], np.random.default_rng(0))


@pytest.mark.parametrize(
    "metric, above", [("seam_ratio", ["frozen"]), ("clip_score", ["shuffled"]), ("motion", [])]
)
def test_controls_above_real_are_named(metric, above):
    controls = {"frozen": 0.5, "shuffled": 2.0, "same": 1.0, "absent": None}
    assert ranked_above_real(CATALOGUE[metric], 1.0, controls) == above


def test_where_real_has_no_value_every_control_that_has_one_is_above():
    controls = {"frozen": 0.5, "absent": None}
    assert ranked_above_real(CATALOGUE["mawe_code"], None, controls) == ["frozen"]


def test_a_slice_is_a_row_over_time():
    frames = numbered(4)
    assert (xt_slice(frames) == frames[:, 2]).all()
    assert (xt_slice(frames, 4) == frames[:, 4]).all()
    with pytest.raises(ConfigError, match=r"rows 0\.\.4, got 5"):
        xt_slice(frames, 5)


def test_a_picture_of_a_slice_has_ticks_at_boundaries():
    frames = numbered(6)
    picture = xt_picture(frames, [2, 5], scale=3)
    assert picture.shape == (18, 21 + 2 * TICK, 3)
    assert (picture[::3, TICK:-TICK:3] == frames[:, 2]).all()
    is_tick = (picture[:, [0, TICK - 1, -1]] == INK).all(axis=-1)
    assert np.flatnonzero(is_tick.all(axis=1)).tolist() == [6, 15]
    assert is_tick.any(axis=1).sum() == 2
