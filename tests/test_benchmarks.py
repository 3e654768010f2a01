"""The benchmark compares like with like: the authors' way draws the frames that ours draws."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import authors, gpu, helios, training
from benchmarks.clock import Clock
from t2v.events import Chunk
from t2v.pipeline.streaming_t2v import stream
from t2v.settings.config import GenerationConfig
from t2v.training import autoencoder
from t2v.training.recipe import STEPS
from t2v.worlds import find_world
from tests.support.small_refiner import new_refiner, some_frames
from tests.support.small_stack import FRAME_SIZE, new_stack


CONFIG = GenerationConfig(prompt="a red star", num_chunks=2, num_inference_steps=2)


def test_both_ways_draw_the_same_chunk():
    stack = new_stack()
    memory = gpu.new_memory(stack)
    [ours] = [e.frames for e in stream(stack, CONFIG, 1, memory) if isinstance(e, Chunk)]
    theirs = authors.draw_next_chunk(stack, CONFIG, 1, memory)
    assert theirs.shape == ours.shape == (8, *FRAME_SIZE, 3)
    difference = abs(theirs.astype(int) - ours)
    assert difference.max() <= 1 and difference.mean() < 0.01


def test_the_authors_refine_with_black_bars():
    refiner = new_refiner(frame_size=(36, 36), guidance_scale=7.5)
    frames = some_frames(24, 16, 16)
    [first, *_] = authors.padded_frames(refiner, frames)
    assert first.shape == (1, 1, 36, 64, 3)
    assert not first[0, 0, :, :14].any() and not first[0, 0, :, -14:].any()
    assert first[0, 0, :, 14:-14].any()
    with torch.inference_mode():
        refined = authors.refine_chunk(refiner, CONFIG, frames)
    assert refined.shape == (24, 36, 64, 3)
    assert np.ptp(refined) > 0


def test_skipped_measurements_are_listed():
    clock = Clock(torch.device("cpu"), minutes=0)
    assert clock.in_turns({"work": lambda: pytest.fail("it ran")}, rounds=1) == {"work": None}
    assert clock.skipped == ["work, round 0: no time left", "work, round 1: no time left"]


def test_helios_is_measured_too():
    clock = Clock(torch.device("cpu"), minutes=9)
    result = helios.measure_helios(replace(helios.HELIOS_PLANS["cpu"], rounds=1), clock)
    assert clock.skipped == []
    assert all(value > 0 for value in result.values())
    assert result["helios_chunk_3_steps"] < result["helios_chunk_6_steps"] + 1
    assert result["helios_frames_per_second"] == 33 / result["helios_chunk_3_steps"]


def test_helios_without_time_is_named_and_not_measured():
    clock = Clock(torch.device("cpu"), minutes=0)
    result = helios.measure_helios(helios.HELIOS_PLANS["cpu"], clock)
    assert set(result.values()) == {None}
    assert clock.skipped == ["helios: no time left"]


class SlowStage:
    """Draws for 0.02 s, learns for 0.05 s."""

    def __init__(self):
        self.model = torch.nn.Linear(2, 1)
        self.batch_scales = []

    def parameter_groups(self):
        return [{"params": list(self.model.parameters())}]

    def draw(self, rng, batch_scale):
        self.batch_scales.append(batch_scale)
        work(0.02)
        return torch.ones(3, 2)

    def losses(self, batch):
        work(0.05)
        return {"loss": self.model(batch).square().mean()}


def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_drawing_and_learning_are_timed_separately():
    stage = SlowStage()
    row = training.measure(stage, torch.device("cpu"), 0.5, num_steps=3)
    assert stage.batch_scales == [0.5] * 5
    assert 0.02 <= row["drawing"] < 0.04
    assert 0.05 <= row["learning"] < 0.09


@pytest.mark.parametrize("world", ["shapes", "storybook"])
def test_every_stage_of_the_recipe_is_measured(monkeypatch, world):
    monkeypatch.setattr(autoencoder, "NUM_STATISTICS_FRAMES", 4)
    stages = training.new_stages(find_world(world), torch.device("cpu"))
    assert [stage.name for stage in stages] == list(STEPS)


@pytest.mark.slow
def test_the_small_form_measures_both_ways():
    plan = replace(gpu.PLANS["cpu"], num_steps=1, num_refiner_steps=1, rounds=1, minutes=10)
    result = gpu.measure(plan, torch.device("cpu"), Clock(torch.device("cpu"), plan.minutes))
    assert not result["skipped"]
    for name in ("base_ratio", "refine_ratio", "first_segment"):
        assert result[name] > 0
