"""Scroll direction of patterns, measured on pixels, against the renderer's ground truth."""

import numpy as np
import pytest

from t2v.evaluation.metrics.scroll import scroll_direction
from t2v.evaluation.samples import render
from t2v.worlds import find_world
from t2v.worlds.world import DIRECTIONS


WORLD = find_world("shapes")


def videos(count, **fixed):
    fixed = {"motion": "fading"} | fixed
    return [
        render(WORLD, WORLD.sample(np.random.default_rng(i), pair=False, **fixed), 13)
        for i in range(count)
    ]


@pytest.mark.parametrize("pattern", ["striped", "checkered"])
@pytest.mark.parametrize("way", DIRECTIONS)
def test_direction_of_a_scrolling_pattern(way, pattern):
    measured = [scroll_direction(video) for video in videos(7, scroll=way, pattern=pattern)]
    assert measured == [way] * 7


@pytest.mark.parametrize("motion, way", [("pan left", "right"), ("pan right", "left")])
def test_the_background_moves_opposite_to_a_camera_pan(motion, way):
    assert {scroll_direction(video) for video in videos(9, motion=motion)} == {way}


@pytest.mark.parametrize("motion", ["left", "circling"])
def test_a_moving_object_on_a_still_background_is_not_scrolling(motion):
    still = videos(9, motion=motion, pattern="checkered", scroll="none")
    assert {scroll_direction(video) for video in still} == {"none"}


def test_direction_is_found_in_noise():
    rng = np.random.default_rng(3)
    for video in videos(5, scroll="down", pattern="checkered"):
        noisy = (video + rng.normal(0, 8, video.shape)).clip(0, 255).astype(np.uint8)
        assert scroll_direction(noisy) == "down"


def test_a_plain_background_does_not_scroll():
    assert {scroll_direction(video) for video in videos(5, pattern="plain")} == {"none"}
