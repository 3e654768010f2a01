import numpy as np
import pytest

from t2v.training.clips import returns
from t2v.training.networks import NUM_TEXT_TOKENS, new_tokenizer
from t2v.worlds import find_world
from t2v.worlds.shapes.captions import (
    BACKGROUNDS,
    COLOUR_WORDS,
    COLOURS,
    MOTIONS,
    PACES,
    PANS,
    PATTERN_PHRASES,
    SCROLL_PHRASES,
    SHAPES,
    SIZES,
    vocabulary,
)
from t2v.worlds.shapes.drawing import draw
from t2v.worlds.shapes.masks import object_mask
from t2v.worlds.shapes.scenes import (
    EXIT_DIRECTIONS,
    PLAIN,
    RADIUS,
    sample_plain_scene,
    sample_scene,
)


TIMES = np.arange(220.0)


def scenes(count, **fixed):
    """Scenes of one object by default."""
    fixed = {"pair": False} | fixed
    return [sample_scene(np.random.default_rng(i), **fixed) for i in range(count)]


def draw_one(scene, times, size=64):
    return draw([scene], np.array([times], dtype=float), size)[0].numpy()


def pixel_at(frame, place):
    x, y = (int(value * len(frame)) for value in place)
    return frame[y, x].astype(float)


def background_of(scene, size=64):
    """The background alone: a frame of the same scene without the object."""
    [away, *_] = np.flatnonzero(scene.hidden(TIMES))
    return draw_one(scene, [away], size)[0]


SAID = {"shape": SHAPES, "colour": COLOUR_WORDS, "motion": MOTIONS, "size": SIZES, "pace": PACES}


def says(caption, phrases):
    padded = f" {caption} ".replace(",", " ,")
    return any(f" {phrase} " in padded for phrase in phrases)


@pytest.mark.parametrize("attribute", SAID)
def test_captions_state_the_attribute(attribute):
    for scene in scenes(300):
        phrases = SAID[attribute][getattr(scene, attribute)]
        assert says(scene.caption, phrases) == bool(phrases), scene.caption


def test_captions_state_background_pattern_and_scrolling():
    for scene in scenes(300):
        assert says(scene.caption, [scene.background])
        for groups, name in ((PATTERN_PHRASES, scene.pattern), (SCROLL_PHRASES, scene.scroll)):
            phrases = [phrase.format(scene.background) for phrase in groups[name]]
            assert says(scene.caption, phrases) == bool(phrases), scene.caption


def test_captions_state_the_upper_object_first():
    for scene in scenes(100, pair=True):
        parts = scene.caption.replace(",", "").split(" above ")
        if len(parts) == 1:
            parts = scene.caption.replace(",", "").split(" and below it ")
        for part, one in zip(parts, (scene, scene.companion), strict=True):
            assert says(part, SHAPES[one.shape])
            assert says(part, COLOUR_WORDS[one.colour])


def test_orange_has_the_article_an():
    captions = [scene.caption for scene in scenes(60, colour="orange", size="medium")]
    assert any(" an orange " in f" {caption} " for caption in captions)
    assert not any(" a orange " in f" {caption} " for caption in captions)


def test_captions_omit_the_second_colour():
    for scene in scenes(300, background="gray"):
        if scene.second_colour:
            assert scene.second_colour not in scene.caption.split()


def test_captions_use_the_vocabulary_and_fit():
    tokenizer = new_tokenizer(find_world("shapes"))
    for scene in scenes(1000, pair=None):
        tokens = tokenizer(scene.caption).input_ids
        assert tokenizer.unk_token_id not in tokens, scene.caption
        assert len(tokens) <= NUM_TEXT_TOKENS


def test_the_vocabulary_has_every_word_once():
    words = vocabulary()
    assert words == sorted(set(words))
    assert {"red", "donut", "bouncing", "gradient", ","} <= set(words)


@pytest.mark.parametrize("colour", COLOURS)
def test_the_object_has_its_colours_at_its_centre(colour):
    for scene in scenes(8, shape="square", colour=colour, size="medium"):
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
    for scene in scenes(5, shape="ring", background="navy", motion="left", pattern="plain"):
        frame = draw_one(scene, [0])[0]
        centre = scene.centre(np.zeros(1))[0]
        assert np.abs(pixel_at(frame, centre) - pixel_at(background_of(scene), centre)).max() <= 1


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_the_background_is_a_gradient_of_its_colours(background):
    for scene in scenes(3, background=background, motion="left", pattern="plain"):
        rows = background_of(scene)[:, 0] / 255
        for row, colour in zip((rows[0], rows[-1]), BACKGROUNDS[background], strict=True):
            expected = np.clip(np.array(colour) + scene.background_shift, 0, 1)
            np.testing.assert_allclose(row, expected, atol=0.01)


@pytest.mark.parametrize("motion", EXIT_DIRECTIONS)
def test_objects_move_in_the_direction_of_their_motion(motion):
    for scene in scenes(20, motion=motion):
        start, later = scene.centre(np.array([0.0, 5.0]))
        np.testing.assert_allclose(
            later - start, np.array(EXIT_DIRECTIONS[motion]) * 5 * scene.speed
        )


@pytest.mark.parametrize("motion", PANS)
def test_background_and_object_move_together_when_the_camera_pans(motion):
    for scene in scenes(20, motion=motion):
        start, later = scene.centre(np.array([0.0, 5.0]))
        np.testing.assert_allclose(scene.pattern_offset(np.array([5.0]))[0], later - start)
        assert scene.pattern != "plain"
        assert scene.scroll == "none"


@pytest.mark.parametrize("size", RADIUS)
def test_sizes_match_their_words(size):
    low, high = RADIUS[size]
    assert all(low <= scene.radius <= high for scene in scenes(50, size=size))


def test_paces_match_their_words():
    slow, normal, fast = (
        [scene.speed for scene in scenes(50, pace=pace, motion="left")] for pace in PACES
    )
    assert max(slow) < min(normal)
    assert max(normal) < min(fast)


@pytest.mark.parametrize("scroll", ["left", "down"])
def test_a_scrolling_pattern_repeats_after_a_wavelength(scroll):
    for scene in scenes(4, motion="still", pattern="checkered", scroll=scroll):
        period = scene.wavelength / scene.scroll_speed
        first, half, whole = draw_one(scene, [0, period / 2, period]).astype(float)
        assert np.abs(whole - first).max() <= 1
        assert np.abs(half - first).max() > 20


def test_two_objects_stay_above_each_other_and_never_touch():
    for scene in scenes(100, pair=True):
        upper, lower = scene.centre(TIMES), scene.companion.centre(TIMES)
        assert (upper[:, 1] + scene.radius < lower[:, 1] - scene.companion.radius).all()


def test_both_of_two_objects_are_drawn():
    for scene in scenes(10, pair=True, motion="still", pattern="plain"):
        frame = draw_one(scene, [0])[0]
        for one in (scene, scene.companion):
            place = np.array(one.start)
            if one.shape not in ("ring", "moon"):  # which have no middle
                assert np.abs(pixel_at(frame, place) - np.array(one.rgb) * 255).max() <= 3


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_video_begins_with_the_object_in_the_picture(motion):
    for scene in scenes(50, motion=motion):
        assert scene.plainly_visible(np.zeros(1)).all()


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_hidden_object_is_invisible(motion):
    # The tips of a star exceed its radius a little.
    for scene in scenes(4, motion=motion, pattern="plain", shape="cross"):
        hidden = np.flatnonzero(scene.hidden(TIMES))
        if motion in (*EXIT_DIRECTIONS, "fading"):
            assert len(hidden) > 0
        frames = draw_one(scene, hidden)
        # Nothing but the background, which is the same in every column.
        spread = frames.max(axis=2).astype(int) - frames.min(axis=2)
        # Except for the last frames of a fading object.
        assert spread.max(initial=0) <= 8


@pytest.mark.parametrize("motion", [*EXIT_DIRECTIONS, "fading"])
def test_some_objects_are_hidden_for_8_frames_and_come_back(motion):
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


def test_any_frame_can_be_drawn_alone():
    some = scenes(12, pair=None)
    assert any(scene.companion for scene in some)
    times = np.random.default_rng(1).integers(0, 10_000, (12, 3)).astype(float)
    together = draw(some, times)
    for i, scene in enumerate(some):
        for j, time in enumerate(times[i]):
            alone = draw([scene], np.array([[time]]))[0, 0]
            # Far out on the time axis, a stripe's edge is rounded.
            assert (alone.int() - together[i, j].int()).abs().max() <= 1


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


def test_fixed_attributes_are_kept():
    fixed = {"shape": "star", "colour": "white", "second_colour": "red", "background": "sky"}
    for scene in scenes(10, **fixed, motion="up"):
        assert {name: getattr(scene, name) for name in fixed} == fixed
        assert scene.motion == "up"


def test_the_plain_world_is_a_subset():
    for seed in range(200):
        scene = sample_plain_scene(np.random.default_rng(seed))
        assert scene.companion is None
        for name, options in PLAIN.items():
            assert getattr(scene, name) in options


def test_scenes_of_two_objects_have_no_returns():
    for scene in scenes(20, pair=True, motion="left"):
        assert returns(scene) == []


def test_an_object_at_the_border_is_not_taken_for_background():
    frame = np.full((20, 30, 3), 30, np.uint8)
    frame[5:12, :9] = 200
    mask = object_mask(frame)
    assert mask.sum() == 7 * 9 and mask[5:12, :9].all()
