"""FramePack: the frames of the library's pipeline, and the memory of a chunk."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers.pipelines.hunyuan_video import pipeline_hunyuan_video_framepack
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video_framepack import (
    DEFAULT_PROMPT_TEMPLATE,
)
from PIL import Image

from t2v.baselines.interface import chunk_generator
from t2v.baselines.streaming import begin, stream
from t2v.errors import ConfigError
from t2v.events import Chunk, Notice, Start
from tests.support.small_baselines import FRAME_SIZE
from tests.support.streamed import same_frames


SIZE = (32, 48)  # the library takes multiples of 16 alone


@pytest.fixture(scope="module")
def baseline(loaded):
    return loaded("framepack")


@pytest.fixture(scope="module")
def config(installed):
    return installed("framepack").config(
        prompt="a red star", num_chunks=3, num_inference_steps=3, seed=5
    )


def picture_of(size):
    return np.random.default_rng(2).integers(0, 256, (*size, 3), dtype=np.uint8)


def chunks_of(events):
    return [event for event in events if isinstance(event, Chunk)]


def library_frames(baseline, config, picture, monkeypatch):
    """All frames of the library's pipeline in one call, with our noise for every section."""
    noises = iter(range(config.num_chunks))

    def our_noise(shape, **_):
        return torch.randn(shape, generator=chunk_generator(config, next(noises)))

    monkeypatch.setattr(pipeline_hunyuan_video_framepack, "randn_tensor", our_noise)
    baseline.pipeline.set_progress_bar_config(disable=True)
    [frames] = baseline.pipeline(
        Image.fromarray(picture),
        prompt="a red star",
        height=SIZE[0],
        width=SIZE[1],
        num_frames=9 * config.num_chunks,
        latent_window_size=3,
        num_inference_steps=3,
        guidance_scale=config.guidance_scale,
        generator=chunk_generator(config, 0, "frames"),
        sampling_type="vanilla",
        output_type="np",
    ).frames
    return (frames * 255).round()


@pytest.mark.parametrize("guidance_scale", [10.0, 1.0])
def test_frames_are_those_of_the_pipeline_in_the_library(
    baseline, config, monkeypatch, guidance_scale
):
    """With our noise, because its one running generator cannot resume, and without its fade."""
    monkeypatch.setattr(baseline, "frame_size", SIZE)
    config = replace(config, guidance_scale=guidance_scale)
    picture = picture_of(SIZE)
    ours = [c.frames for c in chunks_of(begin(baseline, config, Start(picture, picture[None])))]

    def append(history, current, overlap):
        return torch.cat([history, current[:, :, overlap:]], dim=2)

    monkeypatch.setattr(baseline.pipeline, "_soft_append", append)
    theirs = library_frames(baseline, config, picture, monkeypatch)
    assert [len(frames) for frames in ours] == [13, 12, 12]
    assert min(frames.std() for frames in ours) > 5
    assert np.abs(np.concatenate(ours) - theirs).max() <= 1


def test_only_the_frames_that_the_library_fades_differ_from_its_own(baseline, config, monkeypatch):
    """It fades from the last 9 frames of a section to their second decoding."""
    monkeypatch.setattr(baseline, "frame_size", SIZE)
    picture = picture_of(SIZE)
    ours = [c.frames for c in chunks_of(begin(baseline, config, Start(picture, picture[None])))]
    theirs = library_frames(baseline, config, picture, monkeypatch)
    differences = np.abs(np.concatenate(ours) - theirs).max(axis=(1, 2, 3))
    assert [number for number, most in enumerate(differences) if most > 1] == [
        *range(5, 13),
        *range(17, 25),
    ]


def test_a_given_image_takes_the_place_of_the_drawn_one(baseline, config):
    config, picture = replace(config, num_chunks=1), picture_of(FRAME_SIZE)
    images = picture, 255 - picture
    given, other = (chunks_of(begin(baseline, config, Start(x, x[None]))) for x in images)
    drawn = chunks_of(stream(baseline, config))
    assert same_frames(given, other) == same_frames(given, drawn) == [False]


@pytest.fixture(scope="module")
def drawn(baseline, config):
    """The latents after the first step of chunk 1, with a memory."""
    embeds = baseline.encode_prompts(config).of_chunk(1)

    @torch.inference_mode()
    def drawn(memory):
        return next(baseline.draw(config, 1, embeds, memory)).latents.tolist()

    return drawn


@pytest.fixture
def memory(baseline, config):
    history = np.random.default_rng(3).normal(size=(1, 4, 19, 8, 12)).astype(np.float32)
    return replace(baseline.memory_of(config, picture_of(FRAME_SIZE)[None]), history=history)


def test_every_latent_of_the_history_is_read(drawn, memory):
    before = drawn(memory)
    assert drawn(memory) == before
    for place in range(19):
        changed = memory.history.copy()
        changed[:, :, place] += 1
        assert drawn(replace(memory, history=changed)) != before


@pytest.mark.parametrize("part", ["anchor", "image"])
def test_the_first_frame_is_read_as_a_latent_and_as_an_image(drawn, memory, part):
    changed = replace(memory, **{part: 255 - getattr(memory, part)})
    assert drawn(changed) != drawn(memory)


def test_the_memory_has_the_same_size_after_every_chunk(baseline, config):
    memories = [chunk.memory for chunk in chunks_of(stream(baseline, config))]
    assert {memory.history.shape for memory in memories} == {(1, 4, 19, 8, 12)}
    assert {memory.anchor.shape for memory in memories} == {(1, 4, 1, 8, 12)}
    first, second, third = memories
    assert (first.history[:, :, :15] == 0).all()  # the video had not begun
    assert np.array_equal(first.history[:, :, 15:16], first.anchor)
    assert np.array_equal(second.history[:, :, :16], first.history[:, :, 3:])
    assert all(np.array_equal(third.image, memory.image) for memory in (first, second))


def test_a_clip_is_remembered_as_a_first_chunk_that_was_drawn(baseline, config):
    clip = np.random.default_rng(4).integers(0, 256, (13, *FRAME_SIZE, 3), dtype=np.uint8)
    memory = baseline.memory_of(config, clip)
    assert memory.history.shape == (1, 4, 19, 8, 12)
    assert (memory.history[:, :, :15] == 0).all()
    assert memory.history[:, :, 15:].std(axis=(0, 1, 3, 4)).min() > 0.1
    assert np.array_equal(memory.history[:, :, 15:16], memory.anchor)
    assert np.array_equal(memory.image, clip[0])


def test_a_prompt_is_read_by_both_text_encoders(baseline):
    """Llama's tokens without the template before them, then zeros; CLIP's embedding."""
    summary, *tokens = baseline.encode_text(["a red star"])[0]
    expected = baseline.pipeline.encode_prompt(["a red star"])
    assert torch.equal(summary[:12], expected[1][0])
    assert not summary[12:].any()
    template = DEFAULT_PROMPT_TEMPLATE["template"]
    read = baseline.text_encoder.tokenizer(template.format("a red star")).input_ids
    end = baseline.text_encoder.tokenizer(template.format("")).input_ids
    assert len(end) == DEFAULT_PROMPT_TEMPLATE["crop_start"] + 1
    assert [bool(token.any()) for token in tokens] == [True] * 4 + [False] * 252
    assert len(read) == len(end) + 3
    assert torch.equal(torch.stack(tokens)[:4], expected[0][0, :4])


def test_the_tokens_that_do_not_fit_are_counted_with_the_end_of_the_text(baseline):
    assert baseline.text_encoder.num_cut_tokens("star " * 255) == 0
    assert baseline.text_encoder.num_cut_tokens("star " * 258) == 3


def test_it_reads_no_negative_prompt_and_says_so(baseline, config):
    """The command line and the page say that it is unused; nothing is read of it."""
    with_it = replace(config, negative_prompt="blue quartz", num_chunks=1)
    events = list(stream(baseline, with_it))
    assert not any("quartz" in e.text for e in events if isinstance(e, Notice))
    without = chunks_of(stream(baseline, replace(config, num_chunks=1)))
    assert same_frames(chunks_of(events), without) == [True]


def test_a_memory_of_another_size_is_refused(baseline, config):
    memory = baseline.memory_of(config, picture_of((32, 48))[None])
    with pytest.raises(ConfigError, match=r"must have 16 x 24 pixels .*, and have 32 x 48"):
        next(stream(baseline, config, 1, memory))
