"""SVD: the frames of the library's pipeline, and the image that a video begins with."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
)
from diffusers.pipelines.stable_video_diffusion import pipeline_stable_video_diffusion
from PIL import Image

from t2v.baselines.interface import chunk_generator
from t2v.baselines.streaming import begin, stream
from t2v.baselines.text_to_image import NUM_STEPS
from t2v.events import Chunk, Notice, Start
from tests.support.small_baselines import FRAME_SIZE


@pytest.fixture(scope="module")
def baseline(loaded):
    return loaded("svd")


@pytest.fixture(scope="module")
def config(installed):
    return installed("svd").config(prompt="a red star", num_chunks=2, num_inference_steps=3, seed=5)


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(2).integers(0, 256, (*FRAME_SIZE, 3), dtype=np.uint8)


def frames_of(events):
    return [event.frames for event in events if isinstance(event, Chunk)]


@pytest.mark.parametrize(
    ("name", "num_frames", "guidance_scale"),
    [("svd", 5, 3.0), ("svd", 5, 1.0), ("svd-xt", 25, 3.0)],
)
def test_frames_are_those_of_the_pipeline_in_the_library(
    loaded, config, picture, monkeypatch, name, num_frames, guidance_scale
):
    """With our noise, because its one running generator cannot resume: the same bytes.

    The library continues the last frame in a second call.
    """
    baseline = loaded(name)
    config = replace(config, guidance_scale=guidance_scale)
    ours = frames_of(begin(baseline, config, Start(picture, picture[None])))
    image = Image.fromarray(picture)
    baseline.pipeline.set_progress_bar_config(disable=True)
    theirs = []
    for index in range(2):

        def image_noise(shape, *_, index=index, **__):
            return torch.randn(shape, generator=chunk_generator(config, index, "image"))

        monkeypatch.setattr(pipeline_stable_video_diffusion, "randn_tensor", image_noise)
        [frames] = baseline.pipeline(
            image,
            height=FRAME_SIZE[0],
            width=FRAME_SIZE[1],
            num_frames=num_frames,
            num_inference_steps=3,
            max_guidance_scale=guidance_scale,
            fps=7,
            decode_chunk_size=4,
            latents=baseline.noise(config, index, 4).movedim(1, 2),
            output_type="np",
        ).frames
        theirs.append((frames * 255).round()[min(index, 1) :])
        image = Image.fromarray(theirs[-1][-1].astype(np.uint8))
    assert [len(frames) for frames in ours] == [num_frames, num_frames - 1]
    assert min(frames.std() for frames in ours) > 5
    assert all(np.array_equal(*pair) for pair in zip(ours, theirs, strict=True))


def test_the_first_image_is_that_of_the_pipeline_in_the_library(baseline, config):
    first_image = baseline.first_image
    pipeline = StableDiffusionPipeline(
        vae=first_image.autoencoder,
        text_encoder=first_image.text_encoder.model,
        tokenizer=first_image.text_encoder.tokenizer,
        unet=first_image.unet,
        scheduler=EulerDiscreteScheduler.from_config(first_image._schedule),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    size = first_image.size_for(FRAME_SIZE)
    noise = torch.randn(
        1, 4, size[0] // 2, size[1] // 2, generator=chunk_generator(config, 0, "first image")
    )
    [theirs] = pipeline(
        "a red star",
        height=size[0],
        width=size[1],
        num_inference_steps=NUM_STEPS,
        guidance_scale=0.0,
        latents=noise,
        output_type="np",
    ).images
    embeds = baseline.encode_prompts(config).of_chunk(0)
    ours = first_image.draw(config, embeds, size, baseline.device)
    assert np.abs((theirs * 255).round() - ours[0]).max() <= 1
    assert ours.std() > 5


def test_the_first_image_has_the_area_that_its_model_knows(baseline):
    assert baseline.first_image.size_for((576, 1024)) == (16, 16)  # one step of 16 at that area
    assert baseline.first_image.size_for((16, 64)) == (16, 32)


def test_a_given_image_takes_the_place_of_the_drawn_one(baseline, config, picture):
    start = Start(picture, picture[None])
    given, drawn = frames_of(begin(baseline, config, start)), frames_of(stream(baseline, config))
    other = Start(255 - picture, 255 - picture[None])
    assert not np.array_equal(given[0], drawn[0])
    assert not np.array_equal(given[0], frames_of(begin(baseline, config, other))[0])


def test_it_says_that_it_reads_no_text(baseline, config):
    texts = [event.text for event in stream(baseline, config) if isinstance(event, Notice)]
    assert any("this model reads no text" in text for text in texts)
