"""Temporal layers that are skipped at one frame, and unchanged on clips."""

import pytest
import torch
from diffusers.models.resnet import TemporalConvLayer
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel

from t2v.models.streaming_unet import StreamingUNet
from tests.support.small_stack import (
    new_feature_extractor,
    new_unet,
    randomize,
    some_latents,
    some_text,
)


@pytest.fixture(scope="module")
def unet():
    return randomize(new_unet())


@pytest.fixture(scope="module")
def skipping(unet):
    """The same weights, with temporal layers skipped at one frame."""
    skipping = StreamingUNet.from_config(
        {**unet.config, "skip_temporal_layers_at_one_frame": True}
    ).eval()
    skipping.load_state_dict(unet.state_dict())
    return skipping


@torch.no_grad()
def run(unet, num_frames):
    return unet(some_latents()[:, :, :num_frames], 500, some_text())


def temporal_layers(model):
    kinds = (TemporalConvLayer, TransformerTemporalModel)
    return [module for module in model.modules() if isinstance(module, kinds)]


def test_clips_are_unchanged(unet, skipping):
    assert torch.equal(run(skipping, 5), run(unet, 5))


def test_single_frames_do_not_depend_on_temporal_weights(unet, skipping):
    before = run(skipping, 1)
    other = StreamingUNet.from_config(skipping.config).eval()
    other.load_state_dict(skipping.state_dict())
    for layer in temporal_layers(other):
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter)
    assert torch.equal(run(other, 1), before)
    # Without the setting, temporal layers change single frames: the setting belongs to the weights.
    assert (run(unet, 1) - before).abs().max() > 0.1


def test_every_temporal_layer_is_skipped(skipping):
    x = torch.randn(3, 16, 4, 4)
    layers = temporal_layers(skipping)
    assert len(layers) == len(temporal_layers(new_unet())) > 10
    for layer in layers:
        outputs = layer(x, num_frames=1)
        assert (outputs if isinstance(outputs, torch.Tensor) else outputs.sample) is x


def test_untrained_temporal_layers_change_nothing():
    """A clip of 5 frames equals 5 single frames."""
    torch.manual_seed(0)
    unet = StreamingUNet.from_config(
        {**new_unet().config, "skip_temporal_layers_at_one_frame": True}
    ).eval()
    together, latents = run(unet, 5), some_latents()
    with torch.no_grad():
        alone = [unet(latents[:, :, [i]], 500, some_text()) for i in range(5)]
    torch.testing.assert_close(together, torch.cat(alone, dim=2), atol=1e-5, rtol=1e-5)


def test_the_extractor_copies_the_setting_of_its_unet(skipping):
    kinds = {type(layer).__name__ for layer in temporal_layers(new_feature_extractor(skipping))}
    assert kinds == {"SkippingConv", "SkippingTransformer"}
