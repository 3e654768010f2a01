"""Bundled prompts are captions of held-out scenes, which controls render."""

from dataclasses import replace

import pytest

from benchmarks.prompts import captions
from t2v.evaluation.benchmark.loading import scenes_of
from t2v.evaluation.benchmark.plan import read_prompts
from t2v.resources import bundled
from t2v.worlds import find_world


@pytest.mark.parametrize("world", ["shapes", "storybook"])
def test_the_bundled_prompts_are_what_the_command_writes(world):
    folder = bundled() / "presets" / "prompts"
    for name, kept_colours in (("50", False), ("kept-colours-24", True)):
        written = read_prompts(folder / f"{world}-{name}.txt").texts
        assert captions(world, kept_colours) == list(written)


@pytest.mark.parametrize("world", ["shapes", "storybook"])
def test_bundled_prompts_have_scenes_and_others_have_none(world):
    path = bundled() / "presets" / "prompts" / f"{world}-kept-colours-24.txt"
    prompts, found = read_prompts(path), find_world(world)
    scenes = scenes_of(found, prompts)
    assert [scene.caption for scene in scenes] == list(prompts.texts)
    assert all(found.keeps_its_colours(scene) for scene in scenes)
    other = replace(prompts, texts=(*prompts.texts, "a knight in the rain"))
    assert scenes_of(found, other) == (*scenes, None)
