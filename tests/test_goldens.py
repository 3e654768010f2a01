"""The authors' own modules, run once on a tiny configuration, said what must come out.

Sizes, layers and indices are read from goldens.json: another set of the same format drops in.
"""

import copy
import re

import pytest
import torch
from diffusers import UNet3DConditionModel
from diffusers.schedulers import scheduling_ddim
from einops import rearrange

from t2v.models.apm import AnchorTokens
from t2v.models.attention import text_attentions
from t2v.models.cam import FeatureExtractor
from t2v.models.networks import load_network
from t2v.models.streaming_unet import StreamingUNet
from t2v.pipeline.denoising import denoise, guided, make_scheduler
from t2v.weights.convert import convert_streaming_t2v


GUIDANCE_SCALE = 7.5
PAPER_SCHEDULE = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
    "set_alpha_to_one": False,
}


@pytest.fixture(scope="module")
def io(goldens):
    return goldens.tensors("tiny_io")


@pytest.fixture(scope="module")
def stack(goldens, tmp_path_factory):
    return new_tiny_stack(goldens, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def unet(stack):
    return stack[0]


@pytest.fixture(scope="module")
def extractor(stack):
    return stack[1]


@pytest.fixture(scope="module")
def anchor_tokens(stack):
    return stack[2]


@pytest.fixture(scope="module")
def split(goldens):
    """Takes the authors' context apart: text tokens, then image tokens."""
    num_text_tokens = goldens.facts["tiny_io"]["shapes"]["apm_attn/x_cross"][1]
    return lambda context: (context[:, :num_text_tokens], context[:, num_text_tokens:])


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def new_tiny_stack(goldens, folder):
    """The authors' weights, converted and loaded as the app does it."""
    model, shapes = goldens.facts["tiny_model"], goldens.facts["tiny_io"]["shapes"]
    sizes, resampler = model["differences_from_full"], model["differences_from_full"]["resampler"]
    num_text_tokens = shapes["apm_attn/x_cross"][1]
    unet = StreamingUNet(
        num_text_tokens=num_text_tokens,
        num_image_tokens=shapes["apm_attn/context"][1] - num_text_tokens,
        injector_head_dim=sizes["merger attention_head_dim"],
        **model["unet_config"],
    )
    extractor = FeatureExtractor(unet, sizes["E_cond channels"])
    anchor_tokens = AnchorTokens(
        embed_dim=shapes["resampler/b2_input"][-1],
        hidden_dim=resampler["inner_dim"],
        token_dim=resampler["cross_attention_dim"],
        num_tokens=resampler["expansion_factor"],
    )
    networks = {"unet": unet, "extractor": extractor, "anchor_tokens": anchor_tokens}
    convert_streaming_t2v(goldens.tensors("tiny_model"), networks, folder, torch.float32)
    for part, network in networks.items():
        load_network(network, folder / part, "cpu")
    return unet, extractor, anchor_tokens


def assert_close(actual, expected, atol=1e-4):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


def cam_features(extractor, io, case, text):
    latents, timestep = io[f"{case}/sample"], io[f"{case}/timestep"]
    encoded = extractor.encode_frames(io[f"{case}/cond_frames"])
    return extractor(latents, timestep, extractor.prepare_text(text), encoded)


def as_batch(tensor, like):
    return rearrange(tensor, "(b k) c h w -> b c k h w", b=like.shape[0])


def test_pixel_encoder(extractor, io):
    encoded = extractor.encode_frames(io["full/cond_frames"])
    assert_close(encoded, as_batch(io["econd/output"], like=encoded))


def test_cam_features(extractor, io, split):
    text, _ = split(io["full/context"])
    cam = cam_features(extractor, io, "full", text)
    *skips, mid = cam
    expected = [key for key in io if key.startswith("full/cam_down.")]
    assert len(skips) == len(expected)
    for i, skip in enumerate(skips):
        assert_close(skip, as_batch(io[f"full/cam_down.{i}"], like=skip))
    assert_close(mid, as_batch(io["full/cam_mid"], like=mid))


def test_injectors(unet, io):
    indices = [re.fullmatch(r"merger(\d+)/sample", key) for key in io]
    indices = [int(match[1]) for match in indices if match]
    assert indices
    for i in indices:
        skip, cam, expected = (
            rearrange(io[f"merger{i}/{name}"], "b f c h w -> b c f h w")
            for name in ("sample", "cond", "output")
        )
        assert_close(unet.injectors[i](skip, cam), expected)


def test_appearance_mixing(goldens, unet, io, split):
    layers = list(text_attentions(unet))
    mixer = unet.mixers[layers.index(goldens.facts["tiny_io"]["apm_attn_path"])]
    context = io["apm_attn/context"]
    assert_close(mixer.conv_ln(mixer.conv(context)), io["apm_attn/x_mixed"])
    assert_close(mixer(*split(context)), io["apm_attn/x_cross"])


def test_attention_to_mixed_tokens(goldens, unet, io, split):
    attention = text_attentions(unet)[goldens.facts["tiny_io"]["apm_attn_path"]]
    text = unet.prepare_text(*split(io["apm_attn/context"]))
    assert_close(attention(io["apm_attn/hidden"], text), io["apm_attn/output"])


def test_anchor_tokens(anchor_tokens, io):
    assert_close(anchor_tokens(io["resampler/b2_input"]), io["resampler/b2_output"])


def test_anchor_tokens_of_several_frames(anchor_tokens, io):
    assert_close(anchor_tokens(io["resampler/b1f3_input"][None]), io["resampler/b1f3_output"])


@pytest.mark.parametrize("case", ["full", "full_nonsquare"])
def test_unet_with_both_memories(unet, extractor, io, split, case):
    text, tokens = split(io[f"{case}/context"])
    cam = cam_features(extractor, io, case, text)
    latents, timestep = io[f"{case}/sample"], io[f"{case}/timestep"]
    output = unet(latents, timestep, unet.prepare_text(text, tokens), cam)
    assert_close(output, io[f"{case}/output"])


def test_unet_without_cam(unet, io, split):
    context = unet.prepare_text(*split(io["full/context"]))
    output = unet(io["full/sample"], io["full/timestep"], context)
    assert_close(output, io["unet_alone/output"])


def test_unet_with_alpha_zero(unet, io, split):
    unet = copy.deepcopy(unet)
    for mixer in unet.mixers:
        mixer.alpha.zero_()
    context = unet.prepare_text(*split(io["full/context"]))
    output = unet(io["full/sample"], io["full/timestep"], context)
    assert_close(output, io["unet_alpha0/output"])


def test_apm_strength_zero_is_the_stock_unet(goldens, unet, io, split):
    stock = UNet3DConditionModel(**goldens.facts["tiny_model"]["unet_config"]).eval()
    weights = unet.state_dict()
    stock.load_state_dict({key: weights[key] for key in stock.state_dict()})
    text, tokens = split(io["full/context"])
    latents, timestep = io["full/sample"], io["full/timestep"]
    output = unet(latents, timestep, unet.prepare_text(text, tokens, apm_strength=0))
    assert_close(output, stock(latents, timestep, text).sample)
    assert_close(output, io["unet_alpha0/output"])


@pytest.fixture
def predict(unet, extractor, io):
    """What the recorded sampler asks of the networks: both memories, without and with text."""
    text = torch.cat([io["sampler/negative_text"], io["sampler/text"]])
    tokens = torch.cat([io["sampler/img_tokens_uncond"], io["sampler/img_tokens_cond"]])
    unet_text = unet.prepare_text(text, tokens)
    cam_text = extractor.prepare_text(text)
    encoded = extractor.encode_frames(io["sampler/cond_frames"])

    def predict(latents, timestep):
        return unet(latents, timestep, unet_text, extractor(latents, timestep, cam_text, encoded))

    return predict


def assert_trajectory(predict, generator, io):
    scheduler = make_scheduler("ddim", PAPER_SCHEDULE, len(io["sampler/timesteps"]))
    assert scheduler.timesteps.tolist() == io["sampler/timesteps"].tolist()
    steps = denoise(
        guided(predict, GUIDANCE_SCALE), io["sampler/init_latents"], scheduler, generator
    )
    for i, (latents, _) in enumerate(steps):
        assert_close(latents, io[f"sampler/latents.{i}"], atol=1e-3)
    assert i == len(scheduler.timesteps) - 1


def test_sampler_trajectory_with_the_recorded_noise(predict, io, monkeypatch):
    noises = iter([io[f"sampler/eta_noise.{i}"] for i in range(len(io["sampler/timesteps"]))])

    def recorded(shape, **_):
        noise = next(noises)
        assert tuple(shape) == noise.shape
        return noise

    monkeypatch.setattr(scheduling_ddim, "randn_tensor", recorded)
    assert_trajectory(predict, torch.Generator(), io)


def test_sampler_draws_its_noise_in_the_order_of_the_authors(goldens, predict, io):
    described = goldens.facts["tiny_io"]["cases"]["sampler/*"]
    seed = int(re.search(r"generator seed (\d+)", described)[1])
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(io["sampler/init_latents"].shape, generator=generator)
    assert_close(noise, io["sampler/init_latents"])
    assert_trajectory(predict, generator, io)
