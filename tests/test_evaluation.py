"""Rendered videos pass the measures; wrong videos fail them."""

import json
from dataclasses import replace

import imageio.v3 as imageio
import numpy as np
import pytest
import torch

from t2v.errors import ConfigError
from t2v.evaluation import attributes, memory, report
from t2v.evaluation.attributes import attribute_rows, direction, pair_rows
from t2v.evaluation.report import format_table, load_probe, motion_rows, seam_rows
from t2v.evaluation.samples import held_out_scenes, render
from t2v.settings.presets import list_presets
from t2v.training.probe import Probe
from t2v.worlds import find_world
from t2v.worlds.shapes.shapes import object_colours
from t2v.worlds.world import DIRECTIONS
from tests.support.small_stack import new_stack


WORLD = find_world("shapes")
TIMES = np.arange(16.0)


def scenes(count, **fixed):
    """Scenes of one object by default."""
    fixed = {"pair": False} | fixed
    return [WORLD.sample(np.random.default_rng(i), **fixed) for i in range(count)]


def truth_about(scene):
    """Output of a perfect probe for the first 16 frames."""
    answers = {
        name: np.eye(len(options))[[options.index(WORLD.truth(scene, name))] * len(TIMES)]
        for name, options in WORLD.probe_classes.items()
    }
    return {
        **answers,
        "visible": scene.plainly_visible(TIMES),
        "centre": scene.centre(TIMES).astype(np.float32),
    }


@pytest.fixture
def perfect_probe(monkeypatch):
    """A probe with the ground truth of every video that `film` has rendered."""
    known = {}

    def answers(probe, frames):
        return truth_about(known[frames.tobytes()])

    def film(some):
        videos = [render(WORLD, scene, 16) for scene in some]
        known.update({video.tobytes(): scene for video, scene in zip(videos, some, strict=True)})
        return videos

    monkeypatch.setattr(attributes, "classify_frames", answers)
    return lambda shown, captioned: attribute_rows(Probe(WORLD), captioned, film(shown), "")


def test_real_videos_match_their_captions(perfect_probe):
    captioned = scenes(40)
    rows = perfect_probe(captioned, captioned)
    assert {name: row["value"] for name, row in rows.items()} == {
        "colour": 1, "shape": 1, "background": 1, "pattern": 1, "direction": 1, "scroll": 1,
    }  # fmt: skip


def test_videos_of_other_scenes_do_not_match(perfect_probe):
    rows = perfect_probe(scenes(41)[1:], scenes(40))
    assert all(rows[name]["value"] < 0.5 for name in ("colour", "shape", "background", "direction"))
    # Most backgrounds are plain, and many patterns do not scroll.
    assert all(rows[name]["value"] < 0.8 for name in ("pattern", "scroll"))


def test_directions_are_counted_for_moving_objects_only(perfect_probe):
    captioned = [*scenes(4, motion="still"), *scenes(3, motion="up")]
    assert perfect_probe(captioned, captioned)["direction"]["count"] == 3


def test_scrolling_is_counted_for_patterns_only(perfect_probe):
    captioned = [*scenes(4, pattern="plain", motion="up"), *scenes(3, pattern="striped")]
    assert perfect_probe(captioned, captioned)["scroll"]["count"] == 3


@pytest.fixture(scope="module")
def bundled_probe():
    return load_probe(list_presets()["shapes"])


def test_real_pairs_match_from_first_to_last_frame(bundled_probe):
    _, pairs = held_out_scenes(WORLD, 40)
    rows = pair_rows(bundled_probe, pairs, [render(WORLD, scene, 88) for scene in pairs], "real_")
    assert len(rows) == 4
    assert all(row["value"] >= 0.9 for row in rows.values())


def test_swapped_objects_do_not_match(bundled_probe):
    _, pairs = held_out_scenes(WORLD, 40)
    videos = [render(WORLD, scene, 88)[:, ::-1].copy() for scene in pairs]  # upside down
    assert pair_rows(bundled_probe, pairs, videos, "")["pair_colour"]["value"] == 0


@pytest.mark.parametrize("motion", DIRECTIONS)
def test_direction_of_real_places_matches_the_motion(motion):
    for scene in scenes(20, motion=motion):
        centre = scene.centre(TIMES).astype(np.float32)
        assert direction(centre, scene.plainly_visible(TIMES)) == motion


def test_a_still_object_has_no_direction():
    assert direction(np.full((16, 2), 0.5), np.ones(16, dtype=bool)) == "none"


def test_an_object_in_few_frames_has_no_direction():
    [scene] = scenes(1, motion="left")
    assert direction(scene.centre(TIMES), TIMES < 3) == "none"


@pytest.mark.parametrize("motion", ["left", "up", "side to side", "circling", "still"])
def test_the_upper_colour_is_measured_on_the_object(motion):
    """Also where it touches the border, which was once taken for background."""
    for scene in scenes(12, motion=motion, shape="square", size="medium", pattern="plain"):
        times = np.arange(0.0, 200.0, 7)
        centre = scene.centre(times)
        inside = (centre[:, 1] > scene.radius) & (centre[:, 1] < 1 - scene.radius)
        for time in times[scene.plainly_visible(times) & inside]:
            frame = render_at(scene, time)
            upper, _ = object_colours(frame)
            assert np.abs(upper - np.array(scene.rgb) * 255).mean() < 25


def test_the_lower_colour_differs_if_there_is_a_second():
    for scene in scenes(
        10, shape="square", colour="red", second_colour="blue", size="medium", pattern="plain"
    ):
        upper, lower = object_colours(render(WORLD, scene, 1)[0])
        assert upper[0] - lower[0] > 60  # less red
        assert lower[2] - upper[2] > 60  # and bluer


def test_an_empty_picture_has_no_object_colours():
    [scene] = scenes(1, motion="left")
    [away, *_] = np.flatnonzero(scene.hidden(np.arange(220.0)))
    assert np.isnan(object_colours(render_at(scene, away))).all()


def render_at(scene, time):
    return WORLD.draw([scene], np.array([[time]], dtype=float))[0, 0].numpy()


def real_videos(num_frames=88, **fixed):
    return [render(WORLD, scene, num_frames) for scene in scenes(6, **fixed)]


def jumping(video):
    """Mirrors the picture in every second chunk."""
    video = video.copy()
    for start in range(16, len(video), 16):
        video[start : start + 8] = video[start : start + 8, ::-1, ::-1]
    return video


def test_real_videos_have_no_seams_and_mirrored_chunks_have():
    real = real_videos(motion="side to side")
    rows = seam_rows(real, [jumping(video) for video in real], real)
    assert rows["seam_real"]["value"] == pytest.approx(1, abs=0.15)
    assert rows["seam_cam"] == rows["seam_real"]
    assert rows["seam_cam_off"]["low"] > 2


def test_real_videos_keep_their_motion_and_frozen_ones_do_not():
    captioned = scenes(6, motion="side to side")
    real = [render(WORLD, scene, 88) for scene in captioned]
    frozen = [np.concatenate([video[:40], video[39:40].repeat(48, axis=0)]) for video in real]
    rows = motion_rows(WORLD, captioned, frozen, real)
    assert rows["real_motion_kept"]["value"] == pytest.approx(1, abs=0.3)
    assert rows["motion_kept"]["value"] < 0.05


def test_motion_is_measured_for_objects_that_never_stop():
    captioned = [*scenes(3, motion="left"), *scenes(2, motion="circling")]
    videos = [render(WORLD, scene, 88) for scene in captioned]
    assert motion_rows(WORLD, captioned, videos, videos)["motion_kept"]["count"] == 2


@pytest.fixture
def small_evaluation(monkeypatch):
    """Random weights and few, short videos; a probe that finds an object always or never."""

    def small_evaluation(is_blind, sheet=None):
        monkeypatch.setattr(report, "NUM_CHUNKS", 3)
        monkeypatch.setattr(memory, "LONG_CHUNKS", 3)
        monkeypatch.setattr(report, "load_stack", lambda _: new_stack((64, 64)))

        def make_sure(probe, path):
            torch.nn.init.constant_(probe.heads["visible"].bias, -99.0 if is_blind else 99.0)

        monkeypatch.setattr(report, "load_weights", make_sure)
        torch.manual_seed(0)
        preset = list_presets()["shapes"]
        defaults = {"num_inference_steps": 1, "guidance_scale": 1.0, "scheduler": "unipc"}
        return report.evaluate(replace(preset, defaults=defaults), 4, sheet)

    return small_evaluation


@pytest.mark.parametrize("is_blind", [True, False])
def test_an_untrained_stack_is_measured_without_errors(small_evaluation, tmp_path, is_blind):
    report = small_evaluation(is_blind, tmp_path / "sheet.png")
    rows = json.loads(json.dumps(report))["rows"]
    assert {"colour", "seam_cam", "returned_gain", "seconds_per_chunk"} <= rows.keys()
    assert rows["real_background"]["count"] == 4
    for name in rows:
        assert name in format_table(report)
    assert imageio.imread(tmp_path / "sheet.png").shape[2] == 3
    if is_blind:
        assert rows["colour"]["value"] == rows["returned_apm"]["value"] == 0


def test_too_few_prompts_are_rejected():
    with pytest.raises(ConfigError, match="--prompts must be at least 4, got 3"):
        report.evaluate(list_presets()["shapes"], 3)
