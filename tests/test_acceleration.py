"""Faster networks draw the same frames; what cannot run gives a notice."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from t2v.errors import ConfigError
from t2v.events import Chunk, Notice
from t2v.pipeline.acceleration import accelerate
from t2v.pipeline.streaming_t2v import stream
from t2v.settings.acceleration import Acceleration
from t2v.settings.config import GenerationConfig
from tests.support.small_refiner import new_refiner
from tests.support.small_stack import new_stack


CPU = torch.device("cpu")
CONFIG = GenerationConfig(prompt="a red star", num_chunks=2, num_inference_steps=2)


def accelerated(profile="full", **settings):
    """A stack, and the notices that the user gets."""
    stack = new_stack()
    networks = {"unet": stack.unet, "extractor": stack.extractor, "refiner": new_refiner().unet}
    notices = accelerate(networks, Acceleration(**settings), CPU, profile)
    return replace(stack, notices=notices), notices


def frames_of(stack):
    chunks = [event.frames for event in stream(stack, CONFIG) if isinstance(event, Chunk)]
    return np.concatenate(chunks).astype(int)


@pytest.mark.skipif(torch.cuda.is_available(), reason="xFormers loads where there is a GPU")
def test_without_xformers_a_notice_gives_the_reason_and_torch_is_used():
    stack, notices = accelerated(attention="xformers")
    [sentence] = notices
    assert "xformers" in sentence and "needs a CUDA GPU" in sentence
    assert sentence.endswith("Torch's attention is used instead.")
    notice_texts = [event.text for event in stream(stack, CONFIG) if isinstance(event, Notice)]
    assert sentence in notice_texts
    assert np.array_equal(frames_of(stack), frames_of(new_stack()))


def test_channels_last_draws_the_same_frames():
    stack, notices = accelerated(channels_last=True)
    assert notices == ()
    convs = [m for m in stack.unet.modules() if isinstance(m, nn.Conv2d) and m.in_channels > 1]
    assert all(c.weight.is_contiguous(memory_format=torch.channels_last) for c in convs)
    difference = abs(frames_of(stack) - frames_of(new_stack()))
    assert difference.max() <= 1 and difference.mean() < 0.01


def test_offloaded_networks_are_not_compiled():
    _, notices = accelerated(profile="balanced", compiled=True)
    assert notices == (
        "The networks are not compiled: that needs the memory profile full, "
        "and there is room for balanced.",
    )


@pytest.mark.parametrize(
    "settings, complaint",
    [
        ({"attention": "flash"}, "attention must be one of torch, xformers, got 'flash'"),
        ({"compiled": "yes"}, "compiled must be true or false, got 'yes'"),
    ],
)
def test_an_invalid_setting_is_reported(settings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        Acceleration(**settings)


@pytest.mark.soak  # compiling takes minutes
def test_compiled_networks_draw_the_same_frames():
    """In a process of its own: the type checks of the test run are no part of a graph."""
    tests = Path(__file__).parent
    process = subprocess.run(
        [sys.executable, str(tests / "support" / "compiled_stack.py")],
        cwd=tests.parent,
        env={"PYTHONPATH": f"{tests.parent}:{tests}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    largest, mean = map(float, process.stdout.split())
    assert largest <= 1 and mean < 0.01
