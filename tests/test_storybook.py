"""The storybook: frames never contradict their caption."""

import imageio.v3 as imageio
import numpy as np
import pytest

from t2v.training.clips import returns
from t2v.training.networks import NUM_TEXT_TOKENS, new_tokenizer
from t2v.worlds import find_world
from t2v.worlds.storybook.captions import (
    CAMERA,
    COLOUR_WORDS,
    COLOURS,
    MOTIONS,
    PLACE_PHRASES,
    SPRITE_WORDS,
)
from t2v.worlds.storybook.scenes import EXIT_DIRECTIONS, PANS, sample_plain_scene, sample_scene
from t2v.worlds.storybook.sprites import ATLAS, SPRITES, extent, painted, tiles
from t2v.worlds.world import UNSAID


WORLD = find_world("storybook")
TIMES = np.arange(220.0)


def scenes(count, **fixed):
    return [sample_scene(np.random.default_rng(i), **fixed) for i in range(count)]


def draw_one(scene, times, size=64):
    return WORLD.draw([scene], np.array([times], dtype=float), size)[0].numpy()


def is_word_of(caption, phrases):
    padded = f" {caption} ".replace(",", " ,")
    return any(f" {phrase} " in padded for phrase in phrases)


def test_captions_state_sprite_place_and_camera():
    for scene in scenes(300):
        assert is_word_of(scene.caption, SPRITE_WORDS[scene.sprite])
        assert is_word_of(scene.caption, PLACE_PHRASES[scene.scene])
        assert is_word_of(scene.caption, CAMERA.get(scene.motion, ())) == (scene.motion in CAMERA)


def test_half_of_the_captions_omit_the_colour_and_none_states_another():
    some = scenes(600)
    assert 0.4 < np.mean([scene.says_colour for scene in some]) < 0.6
    for scene in some:
        named = {name for name, words in COLOUR_WORDS.items() if is_word_of(scene.caption, words)}
        assert named == ({scene.colour} if scene.says_colour else set())
        assert WORLD.caption_value(scene, "colour") == (
            scene.colour if scene.says_colour else UNSAID
        )


def test_some_captions_omit_the_direction_and_none_states_another():
    some = [scene for scene in scenes(600) if scene.motion in ("left", "right")]
    assert 0.1 < np.mean([not scene.says_way for scene in some]) < 0.4
    for scene in some:
        words = set(scene.caption.split())
        assert words & {"left", "right"} == ({scene.motion} if scene.says_way else set())
        assert WORLD.caption_value(scene, "motion") == (scene.motion if scene.says_way else "going")


def test_captions_use_the_vocabulary_and_fit():
    tokenizer = new_tokenizer(WORLD)
    for caption in (*(s.caption for s in scenes(1000)), *WORLD.examples, *WORLD.sheet_captions):
        tokens = tokenizer(caption).input_ids
        assert tokenizer.unk_token_id not in tokens, caption
        assert len(tokens) <= NUM_TEXT_TOKENS


def test_articles_are_correct():
    captions = " | ".join(scene.caption for scene in scenes(600))
    for phrase in (" a orange", " a elephant", " an ufo", " an red"):
        assert phrase not in captions
    assert "an elephant" in captions and "a ufo" in captions


@pytest.mark.parametrize("name", SPRITES)
def test_every_sprite_fills_its_tile_and_stands_on_the_ground(name):
    assert max(extent(name)) > 0.95
    assert tiles()[name][-3:, :, 3].max() > 0.9


def test_the_atlas_is_small_and_has_its_notice_in_its_folder():
    assert ATLAS.stat().st_size < 100_000
    assert imageio.imread(ATLAS).shape == (512, 512, 4)
    assert "Copyright (c) Microsoft Corporation" in (ATLAS.parent / "NOTICE.txt").read_text()


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("name", SPRITES)
def test_a_sprite_has_shades_of_one_colour(name, colour):
    rgb = np.array(COLOURS[colour], np.float32)
    for level in painted(name, tuple(COLOURS[colour])):
        alpha = level[..., 3]
        solid = level[alpha > 0.9][:, :3]
        assert solid.max() <= 1.001
        # Mostly the colour itself, and never closer to another named colour.
        assert np.abs(np.median(solid, axis=0) - rgb).max() < 0.2
        nearest = min(
            COLOURS, key=lambda other: np.abs(np.median(solid, axis=0) - COLOURS[other]).sum()
        )
        assert nearest == colour


@pytest.mark.parametrize("name", SPRITES)
@pytest.mark.parametrize("motion", ["left", "right"])
def test_sprites_are_mirrored_by_direction(name, motion):
    """One frame shows the direction: both differ only by the mirroring."""
    [scene] = scenes(1, sprite=name, motion=motion)
    [other] = scenes(1, sprite=name, motion={"left": "right", "right": "left"}[motion])
    assert scene.looks_left == (motion == "left")
    assert other.looks_left != scene.looks_left


@pytest.mark.parametrize("motion", EXIT_DIRECTIONS)
def test_sprites_move_in_the_direction_of_their_motion(motion):
    for scene in scenes(20, motion=motion):
        start, later = scene.centre(np.array([0.0, 12.0]))
        way = np.array(EXIT_DIRECTIONS[motion])
        axis = int(way[1] != 0)
        np.testing.assert_allclose((later - start)[axis], way[axis] * 12 * scene.speed)


@pytest.mark.parametrize("motion", PANS)
def test_the_large_feature_moves_when_the_camera_pans(motion):
    for scene in scenes(20, motion=motion, scene="desert"):
        start, later = scene.feature_place(np.array([0.0, 5.0]))
        moved = (later - start + 1) % 2 - 1
        np.testing.assert_allclose(moved, PANS[motion][0] * 2.5 * scene.speed)


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_video_begins_with_the_sprite_in_the_picture(motion):
    for scene in scenes(50, motion=motion):
        assert scene.plainly_visible(np.zeros(1)).all()


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_hidden_sprite_is_invisible_and_comes_back_after_8_frames(motion):
    for scene in scenes(5, motion=motion):
        hidden = scene.hidden(TIMES)
        if motion not in EXIT_DIRECTIONS:
            assert not hidden.any()
            assert scene.plainly_visible(TIMES).all()
            continue
        ends = np.flatnonzero(hidden[:-1] & ~hidden[1:])
        assert len(ends) > 0
        assert all(hidden[max(end - 6, 0) : end + 1].all() for end in ends)
        [first, *_] = np.flatnonzero(hidden)
        frame = draw_one(scene, [first + 2])[0].astype(int)
        rgb = np.array(scene.rgb) * 255
        elsewhere = draw_one(scene, [0])[0].astype(int)
        near = [np.abs(picture - rgb).max(axis=-1) < 40 for picture in (frame, elsewhere)]
        assert near[0].sum() < near[1].sum()


def test_some_sprites_come_back_after_8_hidden_frames():
    for motion in ("left", "up", "pan left"):
        starts = [start for scene in scenes(8, motion=motion) for start in returns(scene)]
        assert starts
    assert returns(scenes(1, motion="still")[0]) == []


def test_boxes_enclose_the_sprite():
    """The sprite is where two colours of the same scene differ."""
    for seed in range(12):
        pair = [
            sample_scene(np.random.default_rng(seed), colour=colour) for colour in ("red", "blue")
        ]
        times = np.full((2, 1), 3.0)
        frames = WORLD.draw(pair, times).numpy()[:, 0].astype(int)
        rows, columns = np.nonzero(np.abs(frames[0] - frames[1]).max(axis=-1) > 30)
        left, top, right, bottom = WORLD.boxes(pair, times)[0, 0] * 64
        slack = 6  # leaning and rocking sprites exceed their box a little
        assert columns.min() > left - slack and columns.max() < right + slack
        assert rows.min() > top - slack and rows.max() < bottom + slack
        assert columns.min() < max(left, 0) + slack and rows.min() < max(top, 0) + slack


def test_any_frame_can_be_drawn_alone():
    some = scenes(8)
    times = np.random.default_rng(1).integers(0, 10_000, (8, 3)).astype(float)
    together = WORLD.draw(some, times).numpy()
    for scene, moments, frames in zip(some, times, together, strict=True):
        for moment, frame in zip(moments, frames, strict=True):
            assert np.array_equal(draw_one(scene, [moment])[0], frame)


@pytest.mark.parametrize("size", [17, 64, 101])
def test_a_scene_looks_the_same_at_any_size(size):
    for scene in scenes(6):
        frames = draw_one(scene, [0, 3], size)
        reference = draw_one(scene, [0, 3], 64).astype(float)
        assert frames.shape == (2, size, size, 3)
        assert frames.mean(axis=(1, 2)) == pytest.approx(reference.mean(axis=(1, 2)), abs=4)


def test_the_plain_world_is_a_subset():
    for seed in range(100):
        scene = sample_plain_scene(np.random.default_rng(seed))
        assert scene.motion not in PANS
        if SPRITES[scene.sprite].kind == "water":
            assert scene.scene == "sea"


def test_the_colour_of_a_sprite_is_measured_on_it():
    for colour in ("red", "blue", "white"):
        for scene in scenes(8, colour=colour, motion="still", sprite="elephant"):
            [centre] = scene.centre(np.zeros(1)).astype(np.float32)
            [found] = WORLD.object_colours(draw_one(scene, [0])[0], centre)
            assert np.abs(found / 255 - np.array(scene.rgb)).mean() < 0.25
