"""Weights of 8 bits: half the memory, frames that differ by rounding, and a sentence without."""

import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch

from t2v.errors import ConfigError
from t2v.events import Chunk
from t2v.models import eight_bit
from t2v.models.eight_bit import round_weights, stored_bytes
from t2v.pipeline.acceleration import accelerate
from t2v.pipeline.helios import stream
from t2v.pipeline.helios_loading import load_helios
from t2v.pipeline.offload import OffloadedModule
from t2v.settings.acceleration import Acceleration
from tests.support.small_helios import small_helios_preset, write_small_helios
from tests.support.small_stack import noise


needs_torchao = pytest.mark.skipif(find_spec("torchao") is None, reason="torchao is optional")
EIGHT_BIT = Acceleration(eight_bit=True)


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return small_helios_preset(write_small_helios(tmp_path_factory.mktemp("helios")))


def first_chunk(stack, preset):
    config = preset.config(prompt="a red star", num_chunks=1, num_inference_steps=3)
    events = stream(stack, replace(config, frame_size=(64, 64)))
    return next(event.frames for event in events if isinstance(event, Chunk))


def num_bytes(network):
    return sum(stored_bytes(parameter) for parameter in network.parameters())


def test_without_the_package_it_says_what_to_install(preset, monkeypatch):
    monkeypatch.setattr(eight_bit, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"torchao: pip install 'longtake\[eight-bit\]'$"):
        load_helios(preset, device="cpu", acceleration=EIGHT_BIT)


def test_other_presets_say_that_they_have_none():
    [notice] = accelerate({}, EIGHT_BIT, torch.device("cpu"), "full")
    assert notice == "8-bit weights are for Helios alone, and are not used."
    assert "torchao" not in sys.modules or find_spec("torchao")


@needs_torchao
def test_the_blocks_take_half_the_memory_and_frames_stay_nearly_the_same(preset):
    plain = load_helios(preset, device="cpu", dtype=torch.bfloat16)
    rounded = load_helios(preset, device="cpu", dtype=torch.bfloat16, acceleration=EIGHT_BIT)
    layer, other = (stack.transformer.blocks[1].ffn.net[2] for stack in (plain, rounded))
    assert stored_bytes(other.weight) == 24 * 26 + 24 * 2  # a byte each, and a scale per output
    assert stored_bytes(layer.weight) == 24 * 26 * 2
    frames, theirs = (first_chunk(stack, preset).astype(int) for stack in (plain, rounded))
    assert frames.std() > 5
    assert 0 < abs(frames - theirs).max() <= 3


@needs_torchao
@pytest.mark.parametrize("memory", ["balanced", "low"])
def test_every_memory_profile_makes_the_same_frames(preset, memory):
    stacks = [
        load_helios(preset, device="cpu", memory=profile, acceleration=EIGHT_BIT)
        for profile in (None, memory)
    ]
    one, other = (first_chunk(stack, preset) for stack in stacks)
    assert (one == other).all()


@needs_torchao
def test_rounded_weights_leave_the_device_and_come_back(preset):
    layer = torch.nn.Sequential(torch.nn.Linear(7, 5, bias=False))
    round_weights(layer)
    inputs = noise(3, 7)
    before = layer(inputs)
    offloaded = OffloadedModule([*layer.parameters()], torch.device("meta"))
    offloaded.load()
    assert layer[0].weight.device.type == layer[0].weight.qdata.device.type == "meta"
    offloaded.offload()
    assert isinstance(layer[0].weight, torch.nn.Parameter)
    assert torch.equal(layer(inputs), before)
