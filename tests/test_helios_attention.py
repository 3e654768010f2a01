"""Keys and values of the text are computed once per prompt, and change nothing."""

import gc
import weakref
from dataclasses import replace

import pytest
import torch

from t2v.events import Chunk
from t2v.models.helios_attention import MAX_TOKENS, prepare_text, text_bytes
from t2v.pipeline import helios
from t2v.pipeline.helios import stream
from t2v.pipeline.helios_loading import load_helios
from tests.support.small_helios import small_helios_preset, write_small_helios
from tests.support.small_stack import count_calls, noise
from tests.support.streamed import same_frames


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return small_helios_preset(write_small_helios(tmp_path_factory.mktemp("helios")))


@pytest.fixture(scope="module")
def stack(preset):
    return load_helios(preset, device="cpu")


@pytest.fixture
def config(preset):
    return preset.config(
        prompt="0: a red star / 2: blue ball",
        num_chunks=3,
        num_inference_steps=3,
        frame_size=(64, 64),
    )


def chunks_of(stack, config):
    return [event for event in stream(stack, config) if isinstance(event, Chunk)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_a_step_is_to_the_bit_that_of_the_library(preset, dtype):
    stack = load_helios(preset, device="cpu", dtype=dtype)
    history = stack.history(noise(1, 16, 19, 8, 16), noise(1, 16, 1, 8, 16, seed=1))
    latents, timestep = noise(1, 16, 9, 8, 16, seed=2), torch.tensor(600)
    prompt = stack.text_encoder.encode(["a red star over the sea"])
    ours = helios.predict(stack, latents, timestep, stack.prepare(prompt), history)
    [theirs] = stack.transformer(
        hidden_states=latents.to(dtype),
        timestep=timestep[None],
        encoder_hidden_states=prompt.to(dtype),
        return_dict=False,
        **history,
    )
    assert ours.std() > 0.01
    assert torch.equal(ours, theirs.float())
    other = stack.prepare(stack.text_encoder.encode(["blue"]))
    assert not torch.equal(ours, helios.predict(stack, latents, timestep, other, history))


def test_every_prompt_is_read_once_by_every_block(stack, config):
    blocks = stack.transformer.blocks
    layers = [layer for block in blocks for layer in (block.attn2.to_k, block.attn2.to_v)]
    keys, steps = count_calls(layers), count_calls([stack.transformer])
    chunks_of(stack, config)
    assert len(steps) == 6 + 3 + 3
    assert len(keys) == 2 * len(layers)


def test_the_text_before_is_freed_when_the_prompt_changes(stack, config, monkeypatch):
    texts = []

    def watched(transformer, prompt_embeds):
        gc.collect()
        assert all(text() is None for text in texts)
        text = prepare_text(transformer, prompt_embeds)
        texts.extend(weakref.ref(tensor) for tensor in text.keys_values[0])
        return text

    monkeypatch.setattr("t2v.pipeline.helios_stack.prepare_text", watched)
    chunks_of(stack, config)
    gc.collect()
    assert len(texts) == 4
    assert all(text() is None for text in texts)


def test_two_videos_that_are_made_in_turns_keep_their_prompts(stack, config):
    prompts = ("a red star", "blue ball")
    configs = [replace(config, prompt=prompt, num_chunks=1) for prompt in prompts]
    alone = [chunks_of(stack, one) for one in configs]
    together = list(zip(*(stream(stack, one) for one in configs), strict=True))
    ours, theirs = ([event] for event in together[-1])
    assert same_frames(ours, alone[0]) == [True] and same_frames(theirs, alone[1]) == [True]
    assert same_frames(ours, theirs) == [False]


def test_what_is_kept_of_a_prompt_is_counted(stack):
    text = stack.prepare(noise(1, MAX_TOKENS, 20))
    kept = sum(tensor.nbytes for pair in text.keys_values for tensor in pair)
    assert kept == text_bytes(stack.transformer) == 2 * 2 * 512 * 24 * 4
