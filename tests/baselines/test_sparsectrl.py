"""SparseCtrl: the frames of the library's pipelines, with and without known frames."""

from dataclasses import replace

import numpy as np
import pytest
from diffusers import AnimateDiffPipeline, AnimateDiffSparseControlNetPipeline, DDIMScheduler
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from PIL import Image

from t2v.baselines.interface import chunk_generator
from t2v.baselines.streaming import begin, stream
from t2v.events import Chunk, Start
from tests.support.small_baselines import FRAME_SIZE


@pytest.fixture(scope="module")
def baseline(loaded):
    return loaded("sparsectrl")


@pytest.fixture(scope="module")
def config(installed):
    return installed("sparsectrl").config(
        prompt="a red star",
        negative_prompt="blue",
        num_chunks=2,
        num_inference_steps=3,
        seed=5,
    )


def frames_of(events):
    return [event.frames for event in events if isinstance(event, Chunk)]


@pytest.fixture
def pipeline_of(baseline):
    """A pipeline of the library with the same networks."""

    def pipeline_of(kind, **more):
        pipeline = kind(
            vae=baseline.autoencoder.vae,
            text_encoder=baseline.text_encoder.model,
            tokenizer=baseline.text_encoder.tokenizer,
            unet=baseline.unet,
            motion_adapter=None,
            scheduler=DDIMScheduler.from_config(baseline.schedule),
            **more,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    return pipeline_of


@pytest.mark.parametrize("guidance_scale", [7.5, 1.0])
def test_frames_are_those_of_the_pipelines_in_the_library(
    baseline, config, pipeline_of, monkeypatch, guidance_scale
):
    """With our noise, because their one running generator cannot resume: within 1/255."""
    config = replace(config, guidance_scale=guidance_scale)
    first, second = frames_of(stream(baseline, config))
    asked = {
        "prompt": "a red star",
        "negative_prompt": "blue",
        "height": FRAME_SIZE[0],
        "width": FRAME_SIZE[1],
        "num_frames": 6,
        "num_inference_steps": 3,
        "guidance_scale": guidance_scale,
        "output_type": "np",
    }
    plain = pipeline_of(AnimateDiffPipeline)
    [theirs] = plain(latents=baseline.noise(config, 0, 4), **asked).frames
    assert first.shape == (6, *FRAME_SIZE, 3) and first.std() > 5
    assert np.abs(first - (theirs * 255).round()).max() <= 1

    sample = DiagonalGaussianDistribution.sample
    monkeypatch.setattr(
        DiagonalGaussianDistribution,
        "sample",
        lambda self, generator=None: sample(self, chunk_generator(config, 1, "frames")),
    )
    steered = pipeline_of(AnimateDiffSparseControlNetPipeline, controlnet=baseline.controlnet)
    [theirs] = steered(
        latents=baseline.noise(config, 1, 4),
        conditioning_frames=[Image.fromarray(frame) for frame in first[-2:]],
        controlnet_frame_indices=[0, 1],
        **asked,
    ).frames
    assert second.shape == (4, *FRAME_SIZE, 3) and second.std() > 5
    assert np.abs(second - (theirs[2:] * 255).round()).max() <= 1


def test_a_given_image_steers_the_first_chunk(baseline, config):
    picture = np.random.default_rng(2).integers(0, 256, (*FRAME_SIZE, 3), dtype=np.uint8)
    plain = frames_of(stream(baseline, replace(config, num_chunks=1)))
    given, other = (
        frames_of(begin(baseline, replace(config, num_chunks=1), Start(image, image[None])))
        for image in (picture, 255 - picture)
    )
    assert not np.array_equal(given[0], plain[0])
    assert not np.array_equal(given[0], other[0])
    assert len(given[0]) == 6
