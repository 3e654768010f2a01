"""The benchmark compares like with like: the authors' way draws the frames that ours draws."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_refiner import new_refiner, some_frames
from small_stack import FRAME_SIZE, new_stack

from benchmarks import authors, gpu
from t2v.config import GenerationConfig
from t2v.events import Chunk
from t2v.pipeline.streaming_t2v import stream


CONFIG = GenerationConfig(prompt="a red star", num_chunks=2, num_inference_steps=2)


def test_both_ways_draw_the_same_chunk():
    stack, memory = new_stack(), gpu.new_memory(FRAME_SIZE)
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


def test_what_has_no_time_left_is_named():
    clock = gpu.Clock(torch.device("cpu"), minutes=0)
    assert clock.in_turns({"work": lambda: pytest.fail("it ran")}, rounds=1) == {"work": None}
    assert clock.skipped == ["work, round 0: no time left", "work, round 1: no time left"]


@pytest.mark.slow
def test_the_small_form_measures_both_ways():
    plan = replace(gpu.PLANS["cpu"], num_steps=1, num_refiner_steps=1, rounds=1, minutes=10)
    result = gpu.measure(plan, torch.device("cpu"), gpu.Clock(torch.device("cpu"), plan.minutes))
    assert not result["skipped"]
    for name in ("base_ratio", "refine_ratio", "first_segment"):
        assert result[name] > 0
