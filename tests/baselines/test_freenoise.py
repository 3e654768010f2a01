"""FreeNoise: the frames of the library's pipeline, the whole video at once."""

from dataclasses import replace

import numpy as np
import pytest
from diffusers import AnimateDiffPipeline, DDIMScheduler, MotionAdapter

from t2v.baselines.interface import chunk_generator
from t2v.baselines.loading import load_baseline
from t2v.baselines.streaming import begin, stream
from t2v.errors import ConfigError
from t2v.events import Chunk, Memory, Notice, Start, StepDone
from t2v.generator import Generator
from tests.support.small_baselines import ADAPTER, FRAME_SIZE
from tests.support.small_stack import count_calls


@pytest.fixture(scope="module")
def baseline(loaded):
    return loaded("freenoise")


@pytest.fixture(scope="module")
def config(installed):
    return installed("freenoise").config(
        prompt="a red star",
        negative_prompt="blue",
        num_chunks=3,
        num_inference_steps=3,
        seed=5,
    )


@pytest.fixture(scope="module")
def events(baseline, config):
    return list(stream(baseline, config))


@pytest.fixture(scope="module")
def chunks(events):
    return [event for event in events if isinstance(event, Chunk)]


def frames_of(events):
    return [event.frames for event in events if isinstance(event, Chunk)]


def library(baseline, config, prompt, **more):
    """The frames of the library's pipeline, with a generator like ours."""
    pipeline = AnimateDiffPipeline(
        vae=baseline.autoencoder.vae,
        text_encoder=baseline.text_encoder.model,
        tokenizer=baseline.text_encoder.tokenizer,
        unet=baseline.pipeline.unet,
        motion_adapter=MotionAdapter(**ADAPTER),
        scheduler=DDIMScheduler.from_config(baseline.schedule),
    )
    pipeline.set_progress_bar_config(disable=True)
    pipeline.enable_free_noise(context_length=8, context_stride=4)
    [frames] = pipeline(
        prompt=prompt,
        negative_prompt="blue",
        height=FRAME_SIZE[0],
        width=FRAME_SIZE[1],
        num_frames=24,
        num_inference_steps=3,
        guidance_scale=config.guidance_scale,
        generator=chunk_generator(config, 0),
        output_type="np",
        **more,
    ).frames
    return (frames * 255).round()


def test_frames_are_those_of_the_pipeline_in_the_library(baseline, config, chunks):
    """With a generator like ours: within 1/255."""
    ours = np.concatenate([chunk.frames for chunk in chunks])
    assert ours.shape == (24, *FRAME_SIZE, 3) and ours.std() > 5
    assert np.abs(ours - library(baseline, config, "a red star")).max() <= 1
    assert len({frame.tobytes() for frame in ours}) > 8  # noise repeats, in another order


def test_frames_appear_chunk_by_chunk_after_the_last_step(events):
    kinds = [type(event) for event in events if not isinstance(event, Notice)]
    assert kinds == [StepDone] * 3 + [Chunk] * 3
    chunks = [event for event in events if isinstance(event, Chunk)]
    assert [(chunk.index, chunk.start_frame, len(chunk.frames)) for chunk in chunks] == [
        (0, 0, 8),
        (1, 8, 8),
        (2, 16, 8),
    ]
    assert any("draws the whole video at once" in e.text for e in events if isinstance(e, Notice))


def test_an_interrupted_video_goes_on_with_the_same_frames(baseline, config, chunks):
    memory = Memory(chunks[0].frames[:0], chunks[0].frames[0])
    rest = [event for event in stream(baseline, config, 1, memory) if isinstance(event, Chunk)]
    assert [chunk.index for chunk in rest] == [1, 2]
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(rest, chunks[1:], strict=True))


def test_another_seed_or_prompt_gives_another_video(baseline, config, chunks):
    for change in ({"seed": 6}, {"prompt": "blue sea"}, {"guidance_scale": 1.0}):
        other = frames_of(stream(baseline, replace(config, **change)))
        assert not np.array_equal(other[0], chunks[0].frames), change


def test_a_later_prompt_is_read_by_later_frames(baseline, config, chunks):
    """Windows carry it to the others, so that these change as well, but less."""
    changed = replace(config, prompt="0: a red star / 2: blue sea")
    other = frames_of(stream(baseline, changed))
    first, _, last = (
        np.abs(chunk.frames.astype(int) - frames).mean()
        for chunk, frames in zip(chunks, other, strict=True)
    )
    assert last > first


def test_closing_stops_within_a_step(baseline, config):
    calls = count_calls([baseline.networks["unet"]])
    events = stream(baseline, config)
    next(event for event in events if isinstance(event, StepDone))
    events.close()
    assert len(calls) == 1


def test_it_cannot_begin_with_an_image_or_a_clip(baseline, config, chunks):
    frames = chunks[0].frames
    with pytest.raises(ConfigError, match="freenoise preset cannot begin with an image or a clip"):
        list(begin(baseline, config, Start(frames[0], frames[:1])))


def test_another_size_is_refused(baseline, config):
    with pytest.raises(ConfigError, match="freenoise preset draws frames of 16x24 only"):
        next(stream(baseline, replace(config, frame_size=(64, 128))))


def test_later_seeds_are_not_used_and_that_is_told(installed, baseline, config, chunks):
    generator = Generator.from_baseline(installed("freenoise"), baseline)
    events = list(generator.stream(replace(config, reseed="1: 12")))
    assert events[0] == Notice("Not used by the freenoise preset: Seed changes.")
    assert np.array_equal(frames_of(events)[2], chunks[2].frames)


def test_memory_is_estimated_for_the_length_that_is_usual(installed):
    baseline = load_baseline(installed("freenoise"), device="cpu")
    assert baseline.latents_together == 4 * 8
