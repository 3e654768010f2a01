"""Every world implements the interface that training and evaluation use."""

import json

import numpy as np
import pytest

from t2v.errors import ConfigError
from t2v.settings.presets import list_presets
from t2v.worlds import CLASSES, find_world, world_of
from t2v.worlds.world import UNSAID, Scene


@pytest.fixture(params=CLASSES)
def world(request):
    return find_world(request.param)


def scenes(world, count=40):
    return [world.sample(np.random.default_rng(i), pair=False) for i in range(count)]


def test_a_world_is_found_by_its_name(world):
    assert find_world(world.name) is world


def test_an_unknown_world_is_rejected():
    with pytest.raises(ConfigError, match="world must be one of shapes, storybook, got 'maps'"):
        find_world("maps")


def test_the_world_of_a_stack_is_found(tmp_path):
    (tmp_path / "stack.json").write_text(json.dumps({"world": "storybook"}))
    assert world_of(tmp_path).name == "storybook"
    assert world_of(list_presets()["shapes"].weights_folder).name == "shapes"


@pytest.mark.parametrize("sizes", [None, "{}"])
def test_a_stack_without_a_world_is_rejected(tmp_path, sizes):
    if sizes:
        (tmp_path / "stack.json").write_text(sizes)
    with pytest.raises(ConfigError, match="were not trained on any world of shapes, storybook"):
        world_of(tmp_path)


def test_the_page_shows_the_examples_of_the_world(world):
    assert list_presets()[world.name].examples == world.examples


def test_examples_use_only_words_of_the_vocabulary(world):
    known = set(world.vocabulary())
    for caption in (*world.examples, *world.sheet_captions, *(s.caption for s in scenes(world))):
        assert set(caption.lower().replace(",", " , ").split()) <= known


def test_the_sheet_of_training_has_twelve_columns(world):
    assert len(world.sheet_captions) == 12


def test_values_of_attributes_and_classes_are_declared(world):
    for scene in scenes(world):
        assert isinstance(scene, Scene)
        for name, answers in world.attributes.items():
            assert world.caption_value(scene, name) in answers
        for name, classes in world.probe_classes.items():
            assert world.truth(scene, name) in classes


def test_captions_are_true(world):
    for scene in scenes(world):
        for name in world.measured:
            assert world.caption_value(scene, name) in (world.truth(scene, name), UNSAID)


def test_captions_leave_out_the_remembered_class(world):
    for i in range(40):
        scene = world.sample_to_remember(np.random.default_rng(i))
        assert world.attributes.get(world.remembered) is None or (
            world.caption_value(scene, world.remembered) == UNSAID
        )


def test_names_of_the_evaluation_exist(world):
    assert {*world.measured, *world.scene_classes, world.remembered} <= world.probe_classes.keys()
    assert set(world.measured) <= world.attributes.keys()
    motions = world.attributes["motion"]
    assert {*world.exit_directions, *world.always_moving, *world.pair_motions} <= set(motions)


def test_frames_are_drawn_at_any_size(world):
    some = scenes(world, 3)
    frames = world.draw(some, np.arange(6.0).reshape(3, 2), 33)
    assert frames.shape == (3, 2, 33, 33, 3)
    assert world.boxes(some, np.arange(6.0).reshape(3, 2)).shape == (3, 2, 4)


def test_some_scenes_suit_the_measure_of_drift(world):
    assert any(world.keeps_its_colours(scene) for scene in scenes(world))
