"""I2VGen-XL: the frames of the library's pipeline."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, I2VGenXLPipeline
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from diffusers.pipelines.deprecated.i2vgen_xl.pipeline_i2vgen_xl import _center_crop_wide
from PIL import Image
from torch.nn.functional import layer_norm

from t2v.baselines.i2vgen_xl import squared
from t2v.baselines.interface import chunk_generator
from t2v.baselines.streaming import begin, stream
from t2v.events import Chunk, Start
from tests.support.small_baselines import FRAME_SIZE


@pytest.fixture(scope="module")
def baseline(loaded):
    return loaded("i2vgen-xl")


@pytest.fixture(scope="module")
def config(installed):
    return installed("i2vgen-xl").config(
        prompt="a red star",
        negative_prompt="blue",
        num_chunks=2,
        num_inference_steps=3,
        seed=5,
    )


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(2).integers(0, 256, (*FRAME_SIZE, 3), dtype=np.uint8)


def frames_of(events):
    return [event.frames for event in events if isinstance(event, Chunk)]


@pytest.mark.parametrize("guidance_scale", [9.0, 1.0])
def test_frames_are_those_of_the_pipeline_in_the_library(
    baseline, config, picture, monkeypatch, guidance_scale
):
    """With our noise, because its one running generator cannot resume: within 1/255.

    The library continues the last frame in a second call. It is given the embeddings of the prompt,
    because with these versions of the libraries its own text encoding fails.
    """
    config = replace(config, guidance_scale=guidance_scale)
    ours = frames_of(begin(baseline, config, Start(picture, picture[None])))
    embeds = baseline.encode_prompts(config).of_chunk(0)
    with warnings.catch_warnings(action="ignore"):  # the library has moved it to its old ones
        pipeline = I2VGenXLPipeline(
            vae=baseline.autoencoder.vae,
            text_encoder=baseline.text_encoder.model,
            tokenizer=baseline.text_encoder.tokenizer,
            image_encoder=baseline.image_encoder,
            feature_extractor=baseline.image_processor,
            unet=baseline.unet,
            scheduler=DDIMScheduler.from_config(baseline.schedule),
        )
    pipeline.set_progress_bar_config(disable=True)
    sample = DiagonalGaussianDistribution.sample
    theirs, image = [], Image.fromarray(picture)
    for index in range(2):

        def ours_sampled(self, generator=None, index=index):
            return sample(self, chunk_generator(config, index, "frames"))

        monkeypatch.setattr(DiagonalGaussianDistribution, "sample", ours_sampled)
        [frames] = pipeline(
            prompt_embeds=embeds[-1:],
            negative_prompt_embeds=embeds[:1] if guidance_scale > 1 else None,
            image=image,
            height=FRAME_SIZE[0],
            width=FRAME_SIZE[1],
            num_frames=5,
            num_inference_steps=3,
            guidance_scale=guidance_scale,
            target_fps=16,
            latents=baseline.noise(config, index, 4),
            output_type="np",
        ).frames
        theirs.append((frames * 255).round()[min(index, 1) :])
        # Ours, so that a difference does not grow.
        image = Image.fromarray(ours[index][-1])
    assert [len(frames) for frames in ours] == [5, 4]
    assert min(frames.std() for frames in ours) > 5
    assert max(np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)) <= 1


def test_a_prompt_is_read_without_the_last_layer_of_the_text_model(baseline):
    """As the library means it (clip_skip=1): the last layer left out, its norm not."""
    encoder = baseline.text_encoder
    ids = encoder.tokenize(["a red star"])
    states = encoder.model(ids, output_hidden_states=True).hidden_states
    norm = encoder.model.final_layer_norm
    expected = layer_norm(states[1], norm.normalized_shape, norm.weight, norm.bias, norm.eps)
    torch.testing.assert_close(encoder.encode(["a red star"]), expected)
    last = encoder.model(ids).last_hidden_state
    assert not torch.allclose(encoder.encode(["a red star"]), last, atol=0.01)


def test_the_image_is_cut_to_a_square_as_the_library_does_it():
    for size in ((24, 16), (40, 40), (50, 21)):
        pixels = np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
        theirs = _center_crop_wide(image, (size[0], size[0]))
        assert np.array_equal(np.asarray(squared(image)), np.asarray(theirs))


def test_a_given_image_takes_the_place_of_the_drawn_one(baseline, config, picture):
    given = frames_of(begin(baseline, config, Start(picture, picture[None])))
    drawn = frames_of(stream(baseline, config))
    assert not np.array_equal(given[0], drawn[0])


def test_the_number_of_frames_a_second_is_read(baseline, config, picture, monkeypatch):
    start = Start(picture, picture[None])
    before = frames_of(begin(baseline, config, start))
    monkeypatch.setattr(baseline, "fps", 7)
    assert not np.array_equal(before[0], frames_of(begin(baseline, config, start))[0])
