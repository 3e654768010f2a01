"""A refiner from its folder, and frames on their way to its size and back."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from t2v.errors import CheckpointError, PresetError
from t2v.models.checkpoints import save_weights
from t2v.pipeline.refiner_loading import load_refiner
from t2v.settings.presets import Preset
from tests.support.small_refiner import SETTINGS, new_refiner
from tests.support.small_stack import new_autoencoder, new_stack, randomize


@pytest.fixture
def preset(tmp_path):
    """A preset with a small stack's autoencoder and text encoder, and a refiner."""
    stack, refiner = new_stack(), new_refiner()
    parts = {
        "autoencoder": stack.autoencoder.vae,
        "text_encoder": stack.text_encoder.model,
        "refiner": refiner.unet,
    }
    for name, network in parts.items():
        save_weights(network, tmp_path / name)
        config = getattr(network.config, "to_dict", lambda c=network.config: dict(c))()
        (tmp_path / name / "config.json").write_text(json.dumps(config, default=str))
    stack.text_encoder.tokenizer.save_pretrained(tmp_path / "tokenizer")
    sizes = {"patch": stack.autoencoder.patch, "schedule": stack.schedule}
    (tmp_path / "stack.json").write_text(json.dumps(sizes))
    return Preset(
        name="odd",
        title="Odd",
        description="For tests.",
        weights=str(tmp_path),
        frame_size=(20, 28),
        display_size=(40, 56),
        fps=7,
        examples=("a red star",),
        defaults={},
        refiner=SETTINGS,
    )


def test_a_refiner_is_built_from_its_folder(preset):
    refiner, expected = load_refiner(preset, "cpu"), new_refiner()
    latents = torch.randn(1, 5, 3, 9, 13, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        text = refiner.text_encoder.encode(["a red star"])
        assert torch.equal(text, expected.text_encoder.encode(["a red star"]))
        assert torch.equal(refiner.unet(latents, 3, text), expected.unet(latents, 3, text))
    assert refiner.settings == SETTINGS


def test_a_refiner_shares_the_networks_of_a_loaded_stack(preset):
    stack = new_stack()
    refiner = load_refiner(preset, stack=stack)
    assert refiner.autoencoder is stack.autoencoder
    assert refiner.text_encoder is stack.text_encoder


def test_its_own_autoencoder_takes_precedence(preset):
    own = randomize(new_autoencoder(), seed=9).vae
    save_weights(own, preset.weights_folder / "refiner" / "autoencoder")
    config = json.dumps(dict(own.config), default=str)
    (preset.weights_folder / "refiner" / "autoencoder" / "config.json").write_text(config)
    stack = new_stack()
    refiner = load_refiner(preset, stack=stack)
    assert torch.equal(refiner.autoencoder.vae.decoder.conv_out.bias, own.decoder.conv_out.bias)
    assert refiner.autoencoder is not stack.autoencoder


def test_the_setting_stack_takes_the_schedule_of_the_stack(preset):
    schedule = {"beta_schedule": "linear", "beta_start": 0.1, "beta_end": 0.1}
    path = preset.weights_folder / "stack.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schedule": schedule}))
    stack_settings = replace(SETTINGS, schedule="stack")
    refiner = load_refiner(replace(preset, refiner=stack_settings), "cpu")
    # sigma / alpha after t + 1 steps that keep 0.9 of the signal's variance each.
    assert refiner.sigmas[2] == pytest.approx(np.sqrt(1 / 0.9**3 - 1), rel=1e-5)


def test_a_preset_without_a_refiner_is_reported(preset):
    with pytest.raises(PresetError, match="preset odd cannot refine: The odd preset has no refi"):
        load_refiner(replace(preset, refiner=None))


def test_weights_that_do_not_fit_are_reported(preset):
    (preset.weights_folder / "refiner" / "000.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"no weights at .*refiner"):
        load_refiner(preset, "cpu")


class Recorded:
    """An autoencoder that keeps the pixels that it is to encode."""

    downsampling = 4

    def __init__(self):
        self.pixels = []

    def encode(self, pixels):
        self.pixels.append(pixels)
        return pixels.permute(0, 4, 1, 2, 3)[..., ::4, ::4].float()


def encoded_pixels(refiner, frames, monkeypatch):
    recorded = Recorded()
    monkeypatch.setattr(refiner.autoencoder, "encode", recorded.encode)
    refiner.encode(frames)
    return torch.cat(recorded.pixels, dim=1)[0]


@pytest.mark.parametrize(
    "size, refined", [((18, 26), (36, 52)), ((32, 32), (43, 43)), ((17, 31), (32, 58))]
)
def test_frames_are_upscaled_in_their_proportions(size, refined):
    refiner = new_refiner()
    assert refiner.refined_size(size) == refined
    frames = np.zeros((3, *size, 3), np.uint8)
    with torch.inference_mode():
        latents = refiner.encode(frames)
        assert latents.shape[1:] == (5, 3, *refiner.latent_shape(refined)[1:])
        assert refiner.decode(latents, refined).shape == (3, *refined, 3)


@pytest.mark.parametrize("size", [(32, 32), (17, 31)])
def test_there_are_no_black_bars(size, monkeypatch):
    refiner, frames = new_refiner(), np.full((11, *size, 3), 255, np.uint8)
    pixels = encoded_pixels(refiner, frames, monkeypatch)
    assert len(pixels) == 11
    assert pixels.min() == 255
    assert all(side % 4 == 0 for side in pixels.shape[1:3])


def test_upscaling_keeps_positions_and_colours(monkeypatch):
    refiner = new_refiner()
    frames = np.zeros((2, 18, 26, 3), np.uint8)
    frames[1, 2:5, 20:24, 2] = 200
    pixels = encoded_pixels(refiner, frames, monkeypatch).float()
    assert pixels[0].max() == 0
    rows, columns = (pixels[1, ..., 2] > 100).nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 9, 40, 47)
    assert pixels[1, ..., :2].max() == 0
