"""The refiner's network: ModelScope's graph, and what the embedded refiner needs of it."""

import pytest
import torch
from diffusers import UNet3DConditionModel
from diffusers.models.upsampling import Upsample2D
from safetensors.torch import load_file, save_file

from t2v.errors import CheckpointError
from t2v.models.attention import text_attentions
from t2v.models.networks import from_config, load_network
from t2v.models.video_unet import CroppingUpsampler, VideoUNet
from t2v.weights.convert_refiner import convert_refiner
from tests.support.small_stack import STOCK_CONFIG, count_calls, randomize, some_latents, some_text


PAPER_OPTIONS = {"downsample_padding": (2, 1), "crop_upsampled_rows": True}
GOLDEN_CONFIG = {
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "CrossAttnUpBlock3D"),
    "block_out_channels": (32, 64),
    "layers_per_block": 2,
    "cross_attention_dim": 32,
    "attention_head_dim": 8,
    **PAPER_OPTIONS,
}
# Attention at the lower resolution only, as in the embedded refiner.
EMBEDDED_CONFIG = {
    **STOCK_CONFIG,
    "down_block_types": ("DownBlock3D", "CrossAttnDownBlock3D"),
    "up_block_types": ("CrossAttnUpBlock3D", "UpBlock3D"),
}


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def golden_weights(goldens):
    return goldens.folder / goldens.facts["refiner"]["files"][0]


def convert(weights, folder):
    convert_refiner({"refiner": weights}, folder, dtype="float32", config=GOLDEN_CONFIG)


def test_the_network_equals_the_authors(goldens, tmp_path):
    """Their weights, converted and loaded as the app does it."""
    convert(golden_weights(goldens), tmp_path / "refiner")
    unet = from_config(VideoUNet, tmp_path / "refiner")
    load_network(unet, tmp_path / "refiner", "cpu")
    io = goldens.load(goldens.facts["refiner"]["files"][1])
    output = unet(io["sample"], io["timestep"], unet.prepare_text(io["context"]))
    torch.testing.assert_close(output, io["output"], atol=1e-4, rtol=0)


def test_weights_that_do_not_fit_are_reported_with_the_keys_of_the_checkpoint(goldens, tmp_path):
    weights = load_file(golden_weights(goldens))
    del weights["output_blocks.2.1.conv.bias"]
    weights["input_blocks.3.op.bias"] = torch.zeros(5)
    save_file(weights, tmp_path / "weights.safetensors")
    with pytest.raises(CheckpointError) as error:
        convert(tmp_path / "weights.safetensors", tmp_path / "refiner")
    assert not (tmp_path / "refiner").exists()
    assert "1 keys missing (output_blocks.2.1.conv.bias)" in str(error.value)
    assert "input_blocks.3.op.bias [5] instead of [32]" in str(error.value)


@pytest.mark.parametrize("config", [STOCK_CONFIG, EMBEDDED_CONFIG], ids=["all", "lower only"])
@pytest.mark.parametrize("size", [(10, 14), (9, 13)], ids=["even", "odd"])
def test_without_options_it_is_the_stock_unet(config, size):
    unet = randomize(VideoUNet(**config))
    stock = UNet3DConditionModel(**config).eval()
    stock.load_state_dict(unet.state_dict())
    latents, text = some_latents()[..., : size[0], : size[1]], some_text()
    expected = stock(latents, 412, text).sample
    torch.testing.assert_close(unet(latents, 412, text), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("height", [8, 9, 10, 11])
@pytest.mark.parametrize("width", [12, 13])
def test_cropping_works_at_every_size(height, width):
    unet = randomize(VideoUNet(**STOCK_CONFIG, **PAPER_OPTIONS))
    latents = some_latents()[..., :height, :width]
    assert unet(latents, 412, some_text()).shape == latents.shape


def test_cropping_drops_the_outer_rows_that_padding_has_added():
    stock = Upsample2D(1, use_conv=True)
    torch.nn.init.dirac_(stock.conv.weight)
    torch.nn.init.zeros_(stock.conv.bias)
    rows = torch.arange(4.0).view(1, 1, 4, 1).expand(1, 1, 4, 3)
    doubled = CroppingUpsampler(stock)(rows)
    assert doubled.shape == (1, 1, 6, 6)
    assert doubled[0, 0, :, 4].tolist() == [0, 1, 1, 2, 2, 3]
    assert CroppingUpsampler(stock)(rows, (5, 5))[0, 0, :, 4].tolist() == [0, 1, 1, 2, 2]


def test_its_config_survives_json():
    unet = VideoUNet(**EMBEDDED_CONFIG, **PAPER_OPTIONS)
    config = {key: list(v) if isinstance(v, tuple) else v for key, v in unet.config.items()}
    again = VideoUNet.from_config(config)
    again.load_state_dict(unet.state_dict())
    latents, text = some_latents(), some_text()
    assert torch.equal(again.eval()(latents, 412, text), unet.eval()(latents, 412, text))


def test_keys_and_values_of_the_text_are_computed_once():
    unet = randomize(VideoUNet(**EMBEDDED_CONFIG))
    layers = text_attentions(unet).values()
    calls = count_calls([projection for layer in layers for projection in (layer.to_k, layer.to_v)])
    text = unet.prepare_text(some_text())
    num_calls = len(calls)
    for timestep in (599, 300):
        unet(some_latents(), timestep, text)
    assert len(calls) == num_calls == 2 * len(layers)


def test_one_prompt_serves_several_videos():
    unet = randomize(VideoUNet(**EMBEDDED_CONFIG))
    latents, text = some_latents(), some_text(1)
    together = unet(latents, 412, unet.prepare_text(text))
    alone = unet(latents[1:], 412, text)
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-5)


def test_gradients_reach_every_weight():
    unet = VideoUNet(**EMBEDDED_CONFIG)
    with torch.enable_grad():
        unet(some_latents(), 412, some_text()).square().mean().backward()
    without = [name for name, weight in unet.named_parameters() if weight.grad is None]
    assert not without
