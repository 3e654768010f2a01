import numpy as np
import pytest
import torch

from t2v.training.clips import returns
from t2v.training.networks import NUM_TEXT_TOKENS, new_tokenizer
from t2v.training.world import (
    BACKGROUNDS,
    COLOURS,
    DIRECTIONS,
    MOTIONS,
    SHAPES,
    draw,
    sample_scene,
    vocabulary,
)


TIMES = np.arange(220.0)


def scenes(count, **fixed):
    return [sample_scene(np.random.default_rng(i), **fixed) for i in range(count)]


def draw_one(scene, times, size=64):
    return draw([scene], np.array([times], dtype=float), size)[0].numpy()


def pixel_at(frame, place):
    x, y = (int(value * len(frame)) for value in place)
    return frame[y, x].astype(float)


def background_of(scene, size=64):
    """The background alone: that of the same scene while the object is away."""
    [away, *_] = np.flatnonzero(scene.hidden(TIMES))
    return draw_one(scene, [away], size)[0]


def test_captions_name_shape_colour_background_and_motion():
    colours = {name: (f" {name} ",) for name in COLOURS}
    colours["purple"] = (" purple ", " violet ")
    shapes = {name: tuple(f" {noun} " for noun in nouns) for name, nouns in SHAPES.items()}
    for scene in scenes(300):
        padded = f" {scene.caption} ".replace(",", " ")
        assert any(word in padded for word in shapes[scene.shape])
        assert any(word in padded for word in colours[scene.colour])
        assert any(f" {words} " in padded for words in MOTIONS[scene.motion])
        assert f" {scene.background} " in padded


def test_a_caption_does_not_name_the_second_colour():
    for scene in scenes(300, background="gray"):
        if scene.second_colour:
            assert scene.second_colour not in scene.caption.split()


def test_every_word_of_a_caption_is_known_and_fits():
    tokenizer = new_tokenizer()
    for scene in scenes(500):
        tokens = tokenizer(scene.caption).input_ids
        assert tokenizer.unk_token_id not in tokens, scene.caption
        assert len(tokens) <= NUM_TEXT_TOKENS


def test_the_vocabulary_has_every_word_once():
    words = vocabulary()
    assert words == sorted(set(words))
    assert {"red", "donut", "bouncing", "gradient", ","} <= set(words)


@pytest.mark.parametrize("colour", COLOURS)
def test_the_object_has_its_colours_where_its_centre_is_said_to_be(colour):
    for scene in scenes(8, shape="square", colour=colour):
        [time, *_] = np.flatnonzero(scene.plainly_visible(TIMES))
        frame = draw_one(scene, [time])[0]
        x, y = scene.centre(np.array([float(time)]))[0]
        upper = pixel_at(frame, (x, max(y - 0.3 * scene.radius, 0)))
        opacity = scene.opacity(np.array([float(time)]))[0]
        tolerance = 3 + 255 * (1 - opacity)
        assert np.abs(upper - np.array(scene.rgb) * 255).max() <= tolerance
        if y + 0.6 * scene.radius < 1:
            lower = pixel_at(frame, (x, y + 0.6 * scene.radius))
            assert np.abs(lower - np.array(scene.second_rgb) * 255).max() <= tolerance


def test_a_ring_shows_the_background_in_its_middle():
    for scene in scenes(5, shape="ring", background="navy", motion="left"):
        frame = draw_one(scene, [0])[0]
        centre = scene.centre(np.zeros(1))[0]
        assert np.abs(pixel_at(frame, centre) - pixel_at(background_of(scene), centre)).max() <= 1


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_the_background_goes_from_its_upper_to_its_lower_colour(background):
    for scene in scenes(3, background=background, motion="left"):
        rows = background_of(scene)[:, 0] / 255
        for row, colour in zip((rows[0], rows[-1]), BACKGROUNDS[background], strict=True):
            expected = np.clip(np.array(colour) + scene.background_shift, 0, 1)
            np.testing.assert_allclose(row, expected, atol=0.01)


@pytest.mark.parametrize("motion", DIRECTIONS)
def test_an_object_goes_where_its_motion_says(motion):
    for scene in scenes(20, motion=motion):
        start, later = scene.centre(np.array([0.0, 5.0]))
        np.testing.assert_allclose(later - start, np.array(DIRECTIONS[motion]) * 5 * scene.speed)


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_video_begins_with_the_object_in_the_picture(motion):
    for scene in scenes(50, motion=motion):
        assert scene.plainly_visible(np.zeros(1)).all()


@pytest.mark.parametrize("motion", MOTIONS)
def test_an_object_that_is_hidden_leaves_no_trace(motion):
    for scene in scenes(4, motion=motion):
        hidden = np.flatnonzero(scene.hidden(TIMES))
        if motion in (*DIRECTIONS, "fading"):
            assert len(hidden) > 0
        frames = draw_one(scene, hidden)
        # Nothing but the background, which is the same in every column.
        spread = frames.max(axis=2).astype(int) - frames.min(axis=2)
        # But for the thin tip of a star, and the last breath of what fades.
        assert spread.max(initial=0) <= 8


@pytest.mark.parametrize("motion", [*DIRECTIONS, "fading"])
def test_some_objects_are_away_for_8_frames_and_come_back(motion):
    for scene in scenes(10, motion=motion):
        hidden = scene.hidden(TIMES)
        ends = np.flatnonzero(hidden[:-1] & ~hidden[1:])
        assert len(ends) > 0
        for end in ends:
            assert hidden[max(end - 7, 0) : end + 1].all()


def test_a_return_follows_8_hidden_frames():
    for scene in scenes(10, motion="fading"):
        starts = returns(scene)
        assert starts
        for start in starts:
            assert scene.hidden(np.arange(start, start + 8.0)).all()
            assert scene.plainly_visible(np.arange(start + 8.0, start + 16)).sum() >= 2


@pytest.mark.parametrize("motion", ["side to side", "up and down", "circling", "still"])
def test_other_objects_never_leave(motion):
    for scene in scenes(20, motion=motion):
        assert scene.plainly_visible(TIMES).all()
        assert returns(scene) == []


def test_any_frame_of_any_video_can_be_drawn_alone():
    some = scenes(9)
    times = np.random.default_rng(1).integers(0, 10_000, (9, 3)).astype(float)
    together = draw(some, times)
    for i, scene in enumerate(some):
        for j, time in enumerate(times[i]):
            alone = draw([scene], np.array([[time]]))[0, 0]
            assert torch.equal(alone, together[i, j])


@pytest.mark.parametrize("size", [1, 17, 64, 101])
def test_a_scene_looks_the_same_at_any_size(size):
    for scene in scenes(6):
        frames = draw_one(scene, [0, 3], size)
        assert frames.shape == (2, size, size, 3)
        if size > 1:
            reference = draw_one(scene, [0, 3], 64).astype(float)
            assert frames.mean(axis=(1, 2)) == pytest.approx(reference.mean(axis=(1, 2)), abs=4)


def test_the_same_seed_gives_the_same_scene():
    assert sample_scene(np.random.default_rng(5)) == sample_scene(np.random.default_rng(5))


def test_what_is_fixed_is_kept():
    fixed = {"shape": "star", "colour": "white", "second_colour": "red", "background": "sky"}
    for scene in scenes(10, **fixed, motion="up"):
        assert {name: getattr(scene, name) for name in fixed} == fixed
        assert scene.motion == "up"
