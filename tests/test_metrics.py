import cv2
import numpy as np
import pytest

from t2v.evaluation.metrics.flow import flow_magnitudes
from t2v.evaluation.metrics.intervals import mean, ratio_of_means, with_interval
from t2v.evaluation.metrics.seams import frame_changes, seam_and_within_change
from t2v.evaluation.metrics.sharpness import outline_gradient


def texture(height=70, width=90):
    """A smooth texture that optical flow can track."""
    y, x = np.mgrid[:height, :width]
    waves = np.sin(x / 3.1) + np.sin(y / 4.3) + np.sin((x + 2 * y) / 7.7) + np.sin((x - y) / 5.3)
    grey = ((waves + 4) / 8 * 255).astype(np.uint8)
    return np.stack([grey] * 3, axis=-1)


def moving(steps):
    """The texture, moved by (dx, dy) more in every frame."""
    places = np.cumsum([(0, 0), *steps], axis=0)
    return np.stack([np.roll(texture(), (y, x), axis=(0, 1)) for x, y in places])


def constant(values):
    """One grey frame per value."""
    return np.stack([np.full((5, 7, 3), value, np.uint8) for value in values])


@pytest.mark.parametrize("step, length", [((3, 0), 3), ((0, -2), 2), ((-3, 4), 5)])
def test_flow_has_the_length_of_a_known_shift(step, length):
    assert flow_magnitudes(moving([step] * 3)) == pytest.approx([length] * 3, abs=0.4)


def test_flow_differs_between_pairs():
    assert flow_magnitudes(moving([(1, 0), (4, 0)])) == pytest.approx([1, 4], abs=0.4)


def test_a_still_video_has_no_flow():
    assert flow_magnitudes(moving([(0, 0)] * 2)).tolist() == [0, 0]


def test_one_frame_has_no_flow():
    assert flow_magnitudes(moving([])).shape == (0,)


def test_change_is_the_mean_difference_between_frames():
    assert frame_changes(constant([10, 13, 13, 6])).tolist() == [3, 0, 7]


def test_change_of_a_part_counts_by_its_area():
    frames = constant([0, 0])
    frames[1, 2, 3, 1] = 105
    assert frame_changes(frames).tolist() == [1]


def test_boundary_changes_are_separated_from_changes_within_chunks():
    values = [0, 1, 2, 3, 43, 44, 45, 95, 96]
    assert seam_and_within_change(constant(values), [4, 7]) == (45, 1)


def test_an_even_video_has_no_seam():
    seam, within = seam_and_within_change(constant(range(24)), [16])
    assert seam == within == 1


def test_the_value_is_the_statistic_of_all_values():
    result = with_interval(mean, np.array([1.0, 2.0, 6.0]))
    assert (result["value"], result["count"]) == (3, 3)


def test_most_intervals_contain_the_true_mean():
    rng = np.random.default_rng(0)
    intervals = [with_interval(mean, rng.normal(5, 2, 40)) for _ in range(40)]
    hits = sum(interval["low"] < 5 < interval["high"] for interval in intervals)
    assert 34 <= hits < 40


def test_interval_width_follows_the_spread():
    result = with_interval(mean, np.random.default_rng(0).normal(0, 3, 100))
    assert result["high"] - result["low"] == pytest.approx(2 * 1.96 * 3 / 10, rel=0.2)


def test_equal_values_have_an_interval_of_zero_width():
    result = with_interval(mean, np.full(7, 0.25))
    assert result["low"] == result["high"] == 0.25


def test_the_same_values_have_the_same_interval():
    values = np.array([1.0, 4.0, 9.0, 16.0])
    assert with_interval(mean, values) == with_interval(mean, values)


def test_pairs_are_resampled_together():
    pairs = np.array([[2.0, 1.0], [20.0, 10.0], [200.0, 100.0]])
    result = with_interval(ratio_of_means, pairs)
    assert result["value"] == result["low"] == result["high"] == 2


def test_a_ratio_of_means_weighs_pairs_by_their_size():
    assert ratio_of_means(np.array([[1.0, 1.0], [90.0, 10.0]])) == pytest.approx(91 / 11)


def disc(blur=0, size=(61, 83), radius=20):
    """A white disc on dark blue, with an optionally soft outline."""
    y, x = np.mgrid[: size[0], : size[1]]
    inside = np.hypot(y - 30, x - 45) < radius
    frame = np.where(inside[..., None], 240, (10, 10, 60)).astype(np.uint8)
    return cv2.GaussianBlur(frame, (0, 0), blur) if blur else frame


def test_a_hard_outline_is_as_steep_as_its_contrast():
    assert outline_gradient(disc()) == pytest.approx(230 * 2**0.5, rel=0.2)


def test_a_soft_outline_is_less_steep_by_its_width():
    steepness = [outline_gradient(disc(blur)) for blur in (1, 2)]
    # Maximum gradient of a blurred edge: contrast / (sigma sqrt(2 pi)).
    expected = [230 / (sigma * (2 * np.pi) ** 0.5) for sigma in (1, 2)]
    assert steepness == pytest.approx(expected, rel=0.1)


def test_an_empty_picture_has_no_outline():
    assert np.isnan(outline_gradient(constant([7])[0]))
