import pytest
import torch
from diffusers import UNet3DConditionModel
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.models.resnet import TemporalConvLayer
from torch import nn

from t2v.errors import ConfigError
from t2v.models.attention import BACKENDS, set_attention_backend, text_attentions
from t2v.models.streaming_unet import StreamingUNet
from t2v.models.temporal_conv import TemporalConv, speed_up_temporal_convs
from tests.support.small_stack import (
    BATCH,
    EMBED_DIM,
    FRAMES,
    STOCK_CONFIG,
    TEXT_TOKENS,
    count_calls,
    new_anchor_tokens,
    new_feature_extractor,
    new_unet,
    noise,
    randomize,
    some_anchor,
    some_cond_frames,
    some_latents,
    some_text,
)


@pytest.fixture(scope="module")
def unet():
    return randomize(new_unet())


@pytest.fixture(scope="module")
def stock(unet):
    stock = UNet3DConditionModel(**STOCK_CONFIG).eval()
    weights = unet.state_dict()
    stock.load_state_dict({key: weights[key] for key in stock.state_dict()})
    return stock


def new_cam_features(unet, latents, text):
    extractor = randomize(new_feature_extractor(unet), seed=1)
    encoded = extractor.encode_frames(some_cond_frames())
    return extractor(latents, 500, extractor.prepare_text(text), encoded)


@torch.no_grad()
def run(unet, latents, timestep, text, cam=None):
    return unet(latents, timestep, text, cam)


def assert_close(actual, expected, atol=1e-5):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=1e-5)


def test_every_stock_weight_keeps_its_name_and_shape(unet, stock):
    ours = {key: tensor.shape for key, tensor in unet.state_dict().items()}
    assert {key: tensor.shape for key, tensor in stock.state_dict().items()}.items() <= ours.items()
    added = {key.split(".")[0] for key in ours.keys() - stock.state_dict().keys()}
    assert added == {"mixers", "injectors", "mid_injector"}


def test_without_memories_it_is_the_stock_unet(unet, stock):
    latents, text = some_latents(), some_text()
    with torch.no_grad():
        expected = stock(latents, 500, text).sample
    assert_close(run(unet, latents, 500, text), expected)


def test_sizes_that_do_not_halve_are_the_stock_unet_too(unet, stock):
    latents, text = some_latents()[..., :9, :13], some_text()
    with torch.no_grad():
        expected = stock(latents, 500, text).sample
    assert_close(run(unet, latents, 500, text), expected)


def test_a_single_frame_is_a_video_too(unet, stock):
    latents, text = some_latents()[:, :, :1], some_text()
    with torch.no_grad():
        expected = stock(latents, 500, text).sample
    assert_close(run(unet, latents, 500, text), expected)


def test_untrained_memories_change_nothing(stock):
    unet = new_unet()
    unet.load_state_dict(stock.state_dict(), strict=False)
    latents, text = some_latents(), some_text()
    with torch.no_grad():
        cam = new_cam_features(unet, latents, text)
    context = unet.prepare_text(text, some_anchor())
    assert_close(run(unet, latents, 500, context, cam), run(unet, latents, 500, text))


def test_trained_memories_change_the_result(unet):
    latents, text = some_latents(), some_text()
    with torch.no_grad():
        cam = new_cam_features(unet, latents, text)
    plain = run(unet, latents, 500, text)
    with_cam = run(unet, latents, 500, text, cam)
    with_apm = run(unet, latents, 500, unet.prepare_text(text, some_anchor()))
    assert (with_cam - plain).abs().max() > 1e-2
    assert (with_apm - plain).abs().max() > 1e-2


def test_apm_strength_zero_is_the_unet_without_apm(unet):
    latents, text = some_latents(), some_text()
    context = unet.prepare_text(text, some_anchor(), apm_strength=0)
    assert torch.equal(run(unet, latents, 500, context), run(unet, latents, 500, text))


class RecomputingAttention(AttnProcessor2_0):
    """The method written down naively: mixes again in every layer, step and frame."""

    def __init__(self, mixer, strength):
        super().__init__()
        self.mixer = mixer
        self.strength = strength

    def __call__(self, attn, hidden_states, encoder_hidden_states, attention_mask=None):
        text = encoder_hidden_states[:, :TEXT_TOKENS]
        tokens = encoder_hidden_states[:, TEXT_TOKENS:]
        x_cross = self.mixer(text, tokens, self.strength)
        return super().__call__(attn, hidden_states, x_cross)


@torch.no_grad()
def run_naively(stock, mixers, latents, timestep, text, tokens, strength):
    for attn, mixer in zip(text_attentions(stock).values(), mixers, strict=True):
        attn.set_processor(RecomputingAttention(mixer, strength))
    context = torch.cat([text, tokens], dim=1)
    output = stock(latents, timestep, context).sample
    for attn in text_attentions(stock).values():
        attn.set_processor(AttnProcessor2_0())
    return output


@pytest.mark.parametrize("strength", [0.0, 0.7, 1.0, 2.0])
def test_text_prepared_once_gives_what_recomputing_gives(unet, stock, strength):
    latents, text, tokens = some_latents(), some_text(), some_anchor()
    context = unet.prepare_text(text, tokens, strength)
    expected = run_naively(stock, unet.mixers, latents, 500, text, tokens, strength)
    assert_close(run(unet, latents, 500, context), expected)


def test_text_is_prepared_once_for_all_steps_and_frames():
    unet = randomize(new_unet())
    attentions = text_attentions(unet).values()
    keys = count_calls([attn.to_k for attn in attentions])
    values = count_calls([attn.to_v for attn in attentions])
    mixers = count_calls(unet.mixers)
    context = unet.prepare_text(some_text(), some_anchor())
    for timestep in (900, 500, 100):
        run(unet, some_latents(), timestep, context)
    assert len(keys) == len(values) == len(mixers) == len(attentions)


def test_text_context_holds_no_copy_per_frame(unet):
    context = unet.prepare_text(some_text(), some_anchor())
    for keys, values in context.keys_values.values():
        assert keys.shape[:2] == values.shape[:2] == (BATCH, TEXT_TOKENS)


def test_videos_of_a_batch_do_not_see_each_other(unet):
    latents, text, tokens = some_latents(), some_text(), some_anchor()
    timesteps = torch.tensor([900, 100])
    with torch.no_grad():
        cam = new_cam_features(unet, latents, text)
    together = run(unet, latents, timesteps, unet.prepare_text(text, tokens), cam)
    for i, timestep in enumerate(timesteps):
        only = slice(i, i + 1)
        own_cam = [features[only] for features in cam]
        own_text = unet.prepare_text(text[only], tokens[only])
        assert_close(together[only], run(unet, latents[only], timestep, own_text, own_cam))


def test_text_for_a_different_number_of_videos_is_refused(unet):
    with pytest.raises(ValueError, match="2 videos of latents, but text for 3"):
        run(unet, some_latents(), 500, unet.prepare_text(some_text(batch=3)))


def test_two_texts_for_one_video_are_two_predictions(unet):
    latents, text = some_latents(batch=1), some_text()
    extractor = randomize(new_feature_extractor(unet), seed=1)
    with torch.no_grad():
        encoded = extractor.encode_frames(some_cond_frames(batch=1))
        cam = extractor(latents, 500, extractor.prepare_text(text), encoded)
    output = run(unet, latents, 500, text, cam)
    assert len(cam[0]) == len(output) == 2
    assert_close(output, run(unet, torch.cat([latents, latents]), 500, text, cam))


def test_cam_features_of_another_number_of_videos_are_refused(unet):
    with torch.no_grad():
        cam = new_cam_features(unet, some_latents(), some_text())
    with pytest.raises(ValueError, match="1 videos of latents, but CAM features of 2"):
        run(unet, some_latents(batch=1), 500, some_text(batch=1), cam)


def test_a_config_builds_the_same_unet_again(unet):
    again = StreamingUNet.from_config(unet.config)
    assert {key: tensor.shape for key, tensor in again.state_dict().items()} == {
        key: tensor.shape for key, tensor in unet.state_dict().items()
    }


def test_every_weight_learns():
    unet, anchor_tokens = randomize(new_unet()), randomize(new_anchor_tokens())
    extractor = randomize(new_feature_extractor(unet), seed=1)
    text, latents = some_text(), some_latents()
    cam = extractor(
        latents,
        torch.tensor([900, 100]),
        extractor.prepare_text(text),
        extractor.encode_frames(some_cond_frames()),
    )
    context = unet.prepare_text(text, anchor_tokens(noise(BATCH, EMBED_DIM)))
    unet(latents, torch.tensor([900, 100]), context, cam).square().mean().backward()
    for model in (unet, extractor, anchor_tokens):
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name


def test_training_in_bfloat16_attends_in_float32(unet, monkeypatch):
    """Autocast would turn the queries back into bfloat16, whose backward is slow on the CPU."""
    seen = set()

    def spy(q, k, v):
        seen.update((q.dtype, k.dtype, v.dtype))
        return torch.nn.functional.scaled_dot_product_attention(q, k, v)

    monkeypatch.setattr("t2v.models.attention.scaled_dot_product_attention", spy)
    with torch.autocast("cpu", torch.bfloat16):
        output = run(unet, some_latents(), 500, some_text())
    assert seen == {torch.float32}
    expected = run(unet, some_latents(), 500, some_text())
    assert (output - expected).abs().max() < 0.1 * expected.abs().max()


def test_temporal_convolution_equals_torchs(stock):
    latents = noise(BATCH * FRAMES, 16, 3, 5)
    layer = next(m for m in stock.modules() if isinstance(m, TemporalConvLayer))
    with torch.no_grad():
        expected = layer(latents, num_frames=FRAMES)
    keys = list(layer.state_dict())
    speed_up_temporal_convs(layer)
    assert list(layer.state_dict()) == keys
    assert isinstance(layer.conv4[-1], TemporalConv)
    with torch.no_grad():
        assert_close(layer(latents, num_frames=FRAMES), expected)


def test_no_slow_convolution_remains(unet):
    for model in (unet, new_feature_extractor(unet)):
        convs = [module for module in model.modules() if isinstance(module, nn.Conv3d)]
        assert convs
        assert {type(conv) for conv in convs} == {TemporalConv}


def attend_by_hand(q, k, v):
    return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1) @ v


def test_apm_does_not_vanish_with_the_backend(monkeypatch):
    """In the authors' code the mixing lives in the xFormers processor and is lost without it."""
    unet, latents = randomize(new_unet()), some_latents()
    context = unet.prepare_text(some_text(), some_anchor())
    with_torch = run(unet, latents, 500, context)
    monkeypatch.setitem(BACKENDS, "by hand", attend_by_hand)
    set_attention_backend(unet, "by hand")
    context = unet.prepare_text(some_text(), some_anchor())
    assert_close(run(unet, latents, 500, context), with_torch)


def test_an_unknown_backend_is_refused(unet):
    with pytest.raises(ConfigError, match="one of torch, xformers, got 'flash'"):
        set_attention_backend(unet, "flash")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_xformers_without_a_gpu_is_refused_with_the_reason(unet):
    with pytest.raises(ConfigError, match="needs a CUDA GPU"):
        set_attention_backend(unet, "xformers")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="xFormers needs a GPU")
def test_both_backends_give_the_same_frames(unet):
    unet = randomize(new_unet()).cuda()
    latents = some_latents().cuda()
    context = unet.prepare_text(some_text().cuda(), some_anchor().cuda())
    with_torch = run(unet, latents, 500, context)
    set_attention_backend(unet, "xformers")
    assert_close(run(unet, latents, 500, context), with_torch, atol=1e-3)
