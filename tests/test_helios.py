"""Helios streams as the paper's stack does: its own loop, the library's networks, small weights."""

import resource
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import HeliosPyramidPipeline

from t2v.errors import ConfigError, NotFiniteError
from t2v.events import Chunk, LatentMemory, Notice, StepDone
from t2v.pipeline import helios
from t2v.pipeline.helios import stream
from t2v.pipeline.helios_loading import load_helios
from t2v.pipeline.pyramid import block_noise, shrink_noise, steps_of_levels
from tests.support.small_helios import (
    FRAME_SIZE,
    MAX_TOKENS,
    small_helios_preset,
    write_small_helios,
)
from tests.support.small_stack import count_calls, noise
from tests.support.streamed import live_tensors, same_frames


SMALL = (64, 64)  # half the work, where sides need not differ


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return small_helios_preset(write_small_helios(tmp_path_factory.mktemp("helios")))


@pytest.fixture(scope="module")
def stack(preset):
    return load_helios(preset, device="cpu")


@pytest.fixture(scope="module")
def config(preset):
    return preset.config(
        prompt="a red star", num_chunks=4, num_inference_steps=3, frame_size=SMALL, seed=5
    )


def chunks_of(stack, config, *arguments):
    return [event for event in stream(stack, config, *arguments) if isinstance(event, Chunk)]


@pytest.fixture(scope="module")
def streamed(stack, config):
    """The chunks of a video, and the bytes of all tensors when each was finished."""
    chunks, sizes = [], []
    for event in stream(stack, config):
        if isinstance(event, Chunk):
            chunks.append(event)
            sizes.append(live_tensors())
    return chunks, sizes


@pytest.fixture(scope="module")
def chunks(streamed):
    return streamed[0]


def test_every_chunk_adds_33_frames(chunks):
    assert [chunk.frames.shape for chunk in chunks] == [(33, *SMALL, 3)] * 4
    assert [chunk.start_frame for chunk in chunks] == [0, 33, 66, 99]
    assert [chunk.stage for chunk in chunks] == ["initialization"] + ["streaming_t2v"] * 3
    assert all(chunk.frames.std() > 5 for chunk in chunks)
    assert not any(same_frames(chunks[:-1], chunks[1:]))


def test_frames_are_those_of_the_pipeline_in_the_library(stack, config, monkeypatch):
    """With our noise, because its one running generator cannot resume: within 1/255."""
    config = replace(config, num_chunks=2, frame_size=FRAME_SIZE)
    pipeline = HeliosPyramidPipeline(
        tokenizer=stack.text_encoder.tokenizer,
        text_encoder=stack.text_encoder.model,
        transformer=stack.transformer,
        vae=stack.autoencoder.vae,
        scheduler=stack.new_scheduler(),
        is_distilled=True,
    )
    pipeline.set_progress_bar_config(disable=True)
    drawn = []

    def start(*_, **__):
        drawn.append(0)
        return helios.draw_noise(stack, config, len(drawn) - 1)

    def between(*_, **__):
        drawn[-1] += 1
        level = helios.draw_noise(stack, config, len(drawn) - 1, drawn[-1])
        return block_noise(level, pipeline.scheduler.config.gamma)

    monkeypatch.setattr(pipeline, "prepare_latents", start)
    monkeypatch.setattr(pipeline, "sample_block_noise", between)
    [theirs] = pipeline(
        prompt=config.prompt,
        height=FRAME_SIZE[0],
        width=FRAME_SIZE[1],
        num_frames=66,
        pyramid_num_inference_steps_list=[1, 1, 1],
        guidance_scale=1.0,
        is_amplify_first_chunk=True,
        max_sequence_length=MAX_TOKENS,
    ).frames
    ours = np.concatenate([chunk.frames for chunk in chunks_of(stack, config)])
    theirs = (theirs * 255).round()
    assert drawn == [2, 2]
    assert ours[: len(theirs)].std() > 5  # theirs leaves out the last frames
    assert len(theirs) == 65
    assert np.abs(theirs - ours[:65]).max() <= 1


def test_noise_in_a_block_has_the_covariance_of_the_library():
    """(1 + gamma) I - gamma 11^T; its symmetric root is unique, so the matrix says all."""
    for gamma in (1 / 3, 0.2):
        values = torch.eye(4).reshape(4, 1, 1, 2, 2)
        root = block_noise(values, gamma).reshape(4, 4)
        expected = (1 + gamma) * torch.eye(4) - gamma * torch.ones(4, 4)
        torch.testing.assert_close(root @ root.T, expected)


def test_blocks_are_neighbouring_pixels():
    values = noise(1, 2, 3, 4, 6)
    mixed = block_noise(values, 1 / 3)
    assert mixed.shape == values.shape
    sums = mixed.unfold(3, 2, 2).unfold(4, 2, 2).sum(dim=(5, 6))
    torch.testing.assert_close(sums, torch.zeros_like(sums), atol=1e-5, rtol=0)


def test_the_smallest_noise_has_the_variance_of_the_largest():
    small = shrink_noise(noise(1, 16, 9, 32, 48), num_levels=3)
    assert small.shape == (1, 16, 9, 8, 12)
    assert small.std() == pytest.approx(1, abs=0.02)


def test_steps_are_shared_out_among_the_levels():
    assert [steps_of_levels(n, 3) for n in (3, 5, 6)] == [[1, 1, 1], [2, 2, 1], [2, 2, 2]]


def test_every_step_is_reported_with_a_picture(stack, config):
    config = replace(config, num_chunks=2, num_inference_steps=4)
    steps = [event for event in stream(stack, config) if isinstance(event, StepDone)]
    assert [step.step for step in steps] == [*range(1, 9), *range(1, 5)]
    assert [step.num_steps for step in steps] == [8] * 8 + [4] * 4
    assert {step.picture.shape for step in steps} == {(8, 8, 3)}
    assert all(step.picture.std() > 0 and step.memory > 0 for step in steps)


def test_closing_stops_within_a_step(stack, config):
    calls = count_calls([stack.transformer])
    events = stream(stack, config)
    assert not calls
    next(event for event in events if isinstance(event, StepDone))
    events.close()
    assert len(calls) == 1


def test_the_state_after_a_chunk_has_a_constant_size(chunks):
    """19 latents of history and one of the first frame, however long the video is."""
    for chunk in chunks:
        assert chunk.memory.history.shape == (1, 16, 19, 8, 8)
        assert chunk.memory.anchor.shape == (1, 16, 1, 8, 8)
        assert chunk.memory.history.base is None  # holds on to nothing larger
    first, last = chunks[0].memory, chunks[-1].memory
    assert np.array_equal(first.anchor, last.anchor)
    assert np.array_equal(first.history[:, :, -9:], chunks[1].memory.history[:, :, -18:-9])
    assert not first.history[:, :, :10].any()


def test_no_tensor_is_kept_that_the_next_chunk_does_not_need(streamed):
    _, sizes = streamed
    assert len(set(sizes[1:])) == 1


@pytest.mark.soak
def test_peak_memory_is_the_same_after_10_and_60_chunks(stack, config):
    peaks = {}
    for event in stream(stack, replace(config, num_chunks=60)):
        if isinstance(event, Chunk):
            peaks[event.index + 1] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert peaks[60] <= 1.01 * peaks[10]


@pytest.mark.parametrize("first_chunk", [1, 3])
def test_an_interrupted_video_resumes_with_the_same_frames(stack, config, chunks, first_chunk):
    rest = chunks_of(stack, config, first_chunk, chunks[first_chunk - 1].memory)
    assert [chunk.index for chunk in rest] == list(range(first_chunk, 4))
    assert all(same_frames(rest, chunks[first_chunk:]))


def test_a_new_prompt_leaves_the_chunks_before_it_as_they_were(stack, config, chunks):
    changed = replace(config, prompt="0: a red star / 2: blue ball over the sea")
    assert same_frames(chunks_of(stack, changed), chunks) == [True, True, False, False]


def test_prompts_blend_over_chunks(stack, config):
    blended = replace(config, prompt="0: a red star / 1-3: blue ball")
    red, blue = stack.text_encoder.encode(["a red star", "blue ball"])
    prompts = helios.EncodedPrompts(stack.text_encoder.encode, blended, guidance_scale=1)
    for chunk, share in enumerate((0, 1 / 3, 2 / 3, 1)):
        torch.testing.assert_close(prompts.of_chunk(chunk)[0], torch.lerp(red, blue, share))


def test_another_seed_from_a_chunk_on_redraws_only_what_follows(stack, config, chunks):
    redrawn = chunks_of(stack, replace(config, reseed="3: 12"), 2, chunks[1].memory)
    assert same_frames(redrawn, chunks[2:]) == [True, False]


def test_the_history_is_seen_as_far_as_it_is_set(stack, config, chunks):
    """One latent is the nearest; what is older does not matter then."""
    near = replace(config, num_chunks=3, history_length=1)
    memory = chunks[1].memory
    older = memory.history.copy()
    older[:, :, :-1] += 1
    changed = replace(memory, history=older)
    assert all(same_frames(chunks_of(stack, near, 2, memory), chunks_of(stack, near, 2, changed)))
    nearest = memory.history.copy()
    nearest[:, :, -1] += 1
    changed = replace(memory, history=nearest)
    assert not any(
        same_frames(chunks_of(stack, near, 2, memory), chunks_of(stack, near, 2, changed))
    )


def test_the_anchor_is_seen_unless_it_is_switched_off(stack, config, chunks):
    memory = chunks[1].memory
    changed = replace(memory, anchor=memory.anchor + 1)
    for use_anchor in (True, False):
        one = replace(config, num_chunks=3, use_anchor=use_anchor)
        same = same_frames(chunks_of(stack, one, 2, memory), chunks_of(stack, one, 2, changed))
        assert same == [not use_anchor]


def test_resuming_needs_a_memory_of_the_same_size(stack, config, chunks):
    with pytest.raises(ConfigError, match="give both"):
        next(stream(stack, config, 2))
    with pytest.raises(ConfigError, match="of another size"):
        next(stream(stack, replace(config, frame_size=FRAME_SIZE), 1, chunks[0].memory))


def test_a_chunk_of_no_numbers_is_refused(stack, config):
    broken = LatentMemory(
        np.full((1, 16, 19, 8, 8), np.nan, np.float32), np.zeros((1, 16, 1, 8, 8), np.float32)
    )
    with pytest.raises(NotFiniteError, match="chunk 1"):
        chunks_of(stack, config, 1, broken)


def test_unknown_words_and_cut_prompts_are_told(stack, config):
    config = replace(config, prompt="a zebra " + "red " * 9)
    texts = [event.text for event in stream(stack, config) if isinstance(event, Notice)][:2]
    assert "does not know 'zebra'" in texts[0]
    assert "its last 3 tokens are not read" in texts[1]


def test_a_text_is_read_as_the_library_reads_it(stack):
    pipeline = HeliosPyramidPipeline(
        tokenizer=stack.text_encoder.tokenizer,
        text_encoder=stack.text_encoder.model,
        transformer=stack.transformer,
        vae=stack.autoencoder.vae,
        scheduler=stack.new_scheduler(),
    )
    texts = ["a red star", "the blue ball moving over the sea left right right right"]
    theirs, _ = pipeline.encode_prompt(texts, None, False, max_sequence_length=MAX_TOKENS)
    torch.testing.assert_close(stack.text_encoder.encode(texts), theirs)
