"""A look at latents that needs no decoder."""

import numpy as np
import pytest
import torch

from t2v.events import StepDone
from t2v.models.latent_preview import LatentPreview, colour_fields
from t2v.models.networks import load_autoencoder
from t2v.pipeline.loading import load_stack
from t2v.pipeline.streaming_t2v import stream
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import find_preset
from t2v.worlds import CLASSES, find_world
from tests.support.small_stack import count_calls, new_stack


def error_of(picture, frame):
    """How far colours are off, on average, where both have the size of the smaller one."""
    scale = frame.shape[0] // picture.shape[0]
    height, width = picture.shape[:2]
    small = frame.reshape(height, scale, width, scale, 3).mean((1, 3))
    return np.abs(picture - small).mean()


@pytest.mark.parametrize("name", CLASSES)
def test_the_preview_shows_what_is_in_a_picture(name):
    autoencoder = load_autoencoder(find_preset(name).weights_folder / "autoencoder", 4, "cpu")
    world, rng = find_world(name), np.random.default_rng(0)
    frames = world.draw([world.sample(rng) for _ in range(8)], np.full((8, 1), 4.0))
    pictures = [autoencoder.preview(latents[:, 0]) for latents in autoencoder.encode(frames)]
    frames = frames[:, 0].numpy()
    errors = [[error_of(picture, frame) for frame in frames] for picture in pictures]
    assert pictures[0].shape == (32, 32, 3)
    assert np.argmin(errors, axis=1).tolist() == list(range(8))
    assert np.mean(np.diag(errors)) < 25


def test_no_decoder_runs_and_the_map_is_made_once():
    autoencoder = new_stack().autoencoder
    decoded = count_calls([autoencoder.vae.decoder])
    encoded = count_calls([autoencoder.vae.encoder])
    for _ in range(3):
        autoencoder.preview(torch.zeros(5, 5, 7))
    assert (len(decoded), len(encoded)) == (0, 1)


def test_latents_linear_in_colour_give_the_exact_colours():
    pictures = colour_fields(16)
    latents = torch.cat([pictures.float() * 0.1 - 3, -pictures.float()], dim=-1)
    preview = LatentPreview(latents.movedim(-1, 0), pictures, detail=1)
    np.testing.assert_array_equal(preview(latents[3].movedim(-1, 0)), pictures[3].numpy())


def test_latents_that_overflowed_do_not_break_the_preview():
    pictures = colour_fields(16)
    latents = pictures.float().movedim(-1, 0)
    latents[:, 2:4] = torch.nan
    preview = LatentPreview(latents, pictures, detail=1)
    assert preview(torch.full((3, 4, 5), torch.inf)).shape == (4, 5, 3)


def test_every_step_shows_the_first_new_frame_of_its_chunk(monkeypatch):
    stack = load_stack(find_preset("shapes"), "cpu")
    autoencoder, decoded = stack.autoencoder, []
    decode = autoencoder.decode
    monkeypatch.setattr(
        autoencoder, "decode", lambda latents: decoded.append(latents) or decode(latents)
    )
    config = GenerationConfig(prompt="a red star", num_chunks=3, num_inference_steps=2)
    steps = [event for event in stream(stack, config) if isinstance(event, StepDone)]
    assert [step.picture.shape for step in steps] == [(32, 32, 3)] * 6
    of_chunks = [latents for latents in decoded if latents.shape[2] > 1]  # not the image's
    for last, latents in zip(steps[1::2], of_chunks, strict=True):
        np.testing.assert_array_equal(last.picture, autoencoder.preview(latents[0, :, 0]))
