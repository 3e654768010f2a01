"""Real rendered videos must pass the measures; what is not so must not."""

import json
from dataclasses import replace

import imageio.v3 as imageio
import numpy as np
import pytest
import torch
from small_stack import new_stack

from t2v import attributes, evaluation
from t2v.attributes import attribute_rows, direction, pair_rows
from t2v.checkpoints import load_weights
from t2v.errors import ConfigError
from t2v.evaluation import (
    format_table,
    held_out_scenes,
    motion_rows,
    object_colours,
    render,
    seam_rows,
)
from t2v.presets import list_presets
from t2v.training.captions import DIRECTIONS
from t2v.training.probe import CLASSES, Probe
from t2v.training.world import sample_scene


TIMES = np.arange(16.0)


def scenes(count, **fixed):
    """Scenes of one object, unless asked otherwise."""
    fixed = {"pair": False} | fixed
    return [sample_scene(np.random.default_rng(i), **fixed) for i in range(count)]


def truth_about(scene):
    """What a probe that never errs says of the first 16 frames."""
    answers = {
        name: np.eye(len(options))[[options.index(getattr(scene, name) or "none")] * len(TIMES)]
        for name, options in CLASSES.items()
    }
    return {
        **answers,
        "visible": scene.plainly_visible(TIMES),
        "centre": scene.centre(TIMES).astype(np.float32),
    }


@pytest.fixture
def perfect_probe(monkeypatch):
    """Knows every video that `film` has made."""
    known = {}

    def answers(probe, frames):
        return truth_about(known[frames.tobytes()])

    def film(some):
        videos = [render(scene, 16) for scene in some]
        known.update({video.tobytes(): scene for video, scene in zip(videos, some, strict=True)})
        return videos

    monkeypatch.setattr(attributes, "ask", answers)
    return lambda shown, asked: attribute_rows(Probe(), asked, film(shown), "")


def test_real_videos_show_what_was_asked(perfect_probe):
    asked = scenes(40)
    rows = perfect_probe(asked, asked)
    assert {name: row["value"] for name, row in rows.items()} == {
        "colour": 1, "shape": 1, "background": 1, "pattern": 1, "direction": 1, "scroll": 1,
    }  # fmt: skip


def test_videos_of_other_scenes_do_not(perfect_probe):
    rows = perfect_probe(scenes(41)[1:], scenes(40))
    assert all(rows[name]["value"] < 0.5 for name in ("colour", "shape", "background", "direction"))
    # Most walls are plain, and many patterns stay where they are.
    assert all(rows[name]["value"] < 0.8 for name in ("pattern", "scroll"))


def test_directions_are_counted_where_there_is_one(perfect_probe):
    asked = [*scenes(4, motion="still"), *scenes(3, motion="up")]
    assert perfect_probe(asked, asked)["direction"]["count"] == 3


def test_scrolling_is_counted_where_there_is_a_pattern(perfect_probe):
    asked = [*scenes(4, pattern="plain", motion="up"), *scenes(3, pattern="striped")]
    assert perfect_probe(asked, asked)["scroll"]["count"] == 3


@pytest.fixture(scope="module")
def bundled_probe():
    probe = Probe().eval()
    load_weights(probe, list_presets()["shapes"].weights_folder / "probe")
    return probe


def test_real_pairs_show_both_objects_from_first_to_last(bundled_probe):
    _, pairs = held_out_scenes(40)
    rows = pair_rows(bundled_probe, pairs, [render(scene) for scene in pairs], "real_")
    assert len(rows) == 4
    assert all(row["value"] >= 0.9 for row in rows.values())


def test_swapped_objects_are_no_pair_that_was_asked_for(bundled_probe):
    _, pairs = held_out_scenes(40)
    videos = [render(scene)[:, ::-1].copy() for scene in pairs]  # upside down
    assert pair_rows(bundled_probe, pairs, videos, "")["pair_colour"]["value"] == 0


@pytest.mark.parametrize("motion", DIRECTIONS)
def test_the_direction_of_real_places_is_their_motion(motion):
    for scene in scenes(20, motion=motion):
        centre = scene.centre(TIMES).astype(np.float32)
        assert direction(centre, scene.plainly_visible(TIMES)) == motion


def test_what_does_not_move_has_no_direction():
    assert direction(np.full((16, 2), 0.5), np.ones(16, dtype=bool)) == "none"


def test_what_is_hardly_seen_has_no_direction():
    [scene] = scenes(1, motion="left")
    assert direction(scene.centre(TIMES), TIMES < 3) == "none"


@pytest.mark.parametrize("motion", ["left", "up", "side to side", "circling", "still"])
def test_the_upper_colour_is_read_off_the_object(motion):
    """Also where it touches the border, which used to be taken for the background."""
    for scene in scenes(12, motion=motion, shape="square", size="medium", pattern="plain"):
        times = np.arange(0.0, 200.0, 7)
        centre = scene.centre(times)
        inside = (centre[:, 1] > scene.radius) & (centre[:, 1] < 1 - scene.radius)
        for time in times[scene.plainly_visible(times) & inside]:
            frame = render_at(scene, time)
            upper, _ = object_colours(frame)
            assert np.abs(upper - np.array(scene.rgb) * 255).mean() < 25


def test_the_lower_colour_is_another_where_there_is_a_second():
    for scene in scenes(
        10, shape="square", colour="red", second_colour="blue", size="medium", pattern="plain"
    ):
        upper, lower = object_colours(render(scene, 1)[0])
        assert upper[0] - lower[0] > 60  # less red
        assert lower[2] - upper[2] > 60  # and bluer


def test_an_empty_picture_has_no_object_colours():
    [scene] = scenes(1, motion="left")
    [away, *_] = np.flatnonzero(scene.hidden(np.arange(220.0)))
    assert np.isnan(object_colours(render_at(scene, away))).all()


def render_at(scene, time):
    return evaluation.draw([scene], np.array([[time]], dtype=float))[0, 0].numpy()


def real_videos(num_frames=88, **fixed):
    return [render(scene, num_frames) for scene in scenes(6, **fixed)]


def jumping(video):
    """Every chunk of it is another's: the picture is mirrored in every second one."""
    video = video.copy()
    for start in range(16, len(video), 16):
        video[start : start + 8] = video[start : start + 8, ::-1, ::-1]
    return video


def test_real_videos_have_no_seams_and_jumping_ones_have():
    real = real_videos(motion="side to side")
    rows = seam_rows(real, [jumping(video) for video in real], real)
    assert rows["seam_real"]["value"] == pytest.approx(1, abs=0.15)
    assert rows["seam_cam"] == rows["seam_real"]
    assert rows["seam_cam_off"]["low"] > 2


def test_real_videos_keep_their_motion_and_freezing_ones_do_not():
    asked = scenes(6, motion="side to side")
    real = [render(scene, 88) for scene in asked]
    frozen = [np.concatenate([video[:40], video[39:40].repeat(48, axis=0)]) for video in real]
    rows = motion_rows(asked, frozen, real)
    assert rows["real_motion_kept"]["value"] == pytest.approx(1, abs=0.3)
    assert rows["motion_kept"]["value"] < 0.05


def test_motion_is_measured_where_objects_never_stop():
    asked = [*scenes(3, motion="left"), *scenes(2, motion="circling")]
    videos = [render(scene, 88) for scene in asked]
    assert motion_rows(asked, videos, videos)["motion_kept"]["count"] == 2


@pytest.fixture
def small_evaluation(monkeypatch):
    """Random weights and few, short videos; a probe that sees an object always or never."""

    def small_evaluation(is_blind, sheet=None):
        monkeypatch.setattr(evaluation, "NUM_CHUNKS", 3)
        monkeypatch.setattr(evaluation, "LONG_CHUNKS", 3)
        monkeypatch.setattr(evaluation, "load_stack", lambda _: new_stack((64, 64)))

        def make_sure(probe, path):
            torch.nn.init.constant_(probe.heads["visible"].bias, -99.0 if is_blind else 99.0)

        monkeypatch.setattr(evaluation, "load_weights", make_sure)
        torch.manual_seed(0)
        preset = list_presets()["shapes"]
        defaults = {"num_inference_steps": 1, "guidance_scale": 1.0, "scheduler": "unipc"}
        return evaluation.evaluate(replace(preset, defaults=defaults), 4, sheet)

    return small_evaluation


@pytest.mark.parametrize("is_blind", [True, False])
def test_an_untrained_stack_is_measured_without_complaint(small_evaluation, tmp_path, is_blind):
    report = small_evaluation(is_blind, tmp_path / "sheet.png")
    rows = json.loads(json.dumps(report))["rows"]
    assert {"colour", "seam_cam", "returned_gain", "seconds_per_chunk"} <= rows.keys()
    assert rows["real_background"]["count"] == 4
    for name in rows:
        assert name in format_table(report)
    assert imageio.imread(tmp_path / "sheet.png").shape[2] == 3
    if is_blind:
        assert rows["colour"]["value"] == rows["returned_apm"]["value"] == 0


def test_too_few_prompts_give_no_interval():
    with pytest.raises(ConfigError, match="--prompts must be at least 4, got 3"):
        evaluation.evaluate(list_presets()["shapes"], 3)
