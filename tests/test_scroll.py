"""The way that a wall's pattern goes, told from pixels; the renderer knows the truth."""

import numpy as np
import pytest

from t2v.evaluation import render
from t2v.metrics.scroll import scroll_direction
from t2v.training.captions import DIRECTIONS
from t2v.training.world import sample_scene


def videos(count, **fixed):
    fixed = {"motion": "fading"} | fixed
    return [
        render(sample_scene(np.random.default_rng(i), pair=False, **fixed), 13)
        for i in range(count)
    ]


@pytest.mark.parametrize("pattern", ["striped", "checkered"])
@pytest.mark.parametrize("way", DIRECTIONS)
def test_a_pattern_goes_where_it_scrolls(way, pattern):
    told = [scroll_direction(video) for video in videos(7, scroll=way, pattern=pattern)]
    assert told == [way] * 7


@pytest.mark.parametrize("motion, way", [("pan left", "right"), ("pan right", "left")])
def test_when_the_camera_pans_the_wall_goes_the_other_way(motion, way):
    assert {scroll_direction(video) for video in videos(9, motion=motion)} == {way}


@pytest.mark.parametrize("motion", ["left", "circling"])
def test_an_object_that_moves_before_a_resting_wall_is_no_scrolling(motion):
    resting = videos(9, motion=motion, pattern="checkered", scroll="none")
    assert {scroll_direction(video) for video in resting} == {"none"}


def test_noise_does_not_hide_it():
    rng = np.random.default_rng(3)
    for video in videos(5, scroll="down", pattern="checkered"):
        noisy = (video + rng.normal(0, 8, video.shape)).clip(0, 255).astype(np.uint8)
        assert scroll_direction(noisy) == "down"


def test_a_plain_wall_does_not_scroll():
    assert {scroll_direction(video) for video in videos(5, pattern="plain")} == {"none"}
