"""How much of a GPU the baselines need at their published sizes: counted on the meta device."""

import re

import numpy as np
import pytest
import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    AutoencoderKLHunyuanVideo,
    AutoencoderKLTemporalDecoder,
    AutoencoderKLWan,
    DDIMScheduler,
    HunyuanVideoFramepackTransformer3DModel,
    I2VGenXLUNet,
    MotionAdapter,
    SkyReelsV2Transformer3DModel,
    SparseControlNetModel,
    UNet2DConditionModel,
    UNetMotionModel,
    UNetSpatioTemporalConditionModel,
)
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaModel,
    SiglipVisionConfig,
    SiglipVisionModel,
    UMT5Config,
    UMT5EncoderModel,
)
from transformers import CLIPVisionModelWithProjection as VisionModel

from t2v.baselines.framepack import HISTORY_SIZES, FramePack
from t2v.baselines.freenoise import FreeNoise
from t2v.baselines.i2vgen_xl import I2VGenXL
from t2v.baselines.loading import load_baseline, place, predict_peaks
from t2v.baselines.skyreels import SkyReels
from t2v.baselines.sparsectrl import SparseCtrl
from t2v.baselines.streaming import stream
from t2v.baselines.svd import DECODED_TOGETHER, Svd
from t2v.events import Chunk
from t2v.models.autoencoder import frames_at_once
from t2v.pipeline import loading as pipeline_loading
from t2v.pipeline.offload import Offloader
from t2v.settings.presets import list_presets
from tests.support.live_bytes import LiveBytes
from tests.test_helios_loading import LARGE_UMT5


BATCH = 2  # with guidance
HEIGHT, WIDTH = 16, 24  # of latents: what is counted is proportional to them
LARGE_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
}


def half(*shape):
    return torch.empty(*shape, dtype=torch.float16)


def meta(network, dtype=torch.float16):
    """Some of the library's constants are made on the CPU, whatever the default device."""
    return nn.Module.to(network, "meta", dtype)


def large_vae():
    kinds = ("UpDecoderBlock2D",) * 4
    return meta(AutoencoderKL(**LARGE_VAE, up_block_types=kinds), torch.float32)


def sd_unet(cross_attention_dim, heads):
    return meta(
        UNet2DConditionModel(cross_attention_dim=cross_attention_dim, attention_head_dim=heads)
    )


def text_model(width, layers):
    config = CLIPTextConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
    )
    return meta(CLIPTextModel(config))


def vision_model():
    """ViT-H-14."""
    config = CLIPVisionConfig(
        hidden_size=1280,
        intermediate_size=5120,
        num_hidden_layers=32,
        num_attention_heads=16,
        patch_size=14,
        projection_dim=1024,
    )
    return meta(VisionModel(config))


def first_image():
    return {
        "first_unet": sd_unet(1024, [5, 10, 20, 20]),
        "first_autoencoder": large_vae(),
        "first_text_encoder": text_model(1024, 23),
    }


def framepack(**sizes):
    network = HunyuanVideoFramepackTransformer3DModel(
        has_image_proj=True, has_clean_x_embedder=True, **sizes
    )
    return meta(network)


def llama():
    """Llama 3 with 8 billion parameters, without its output."""
    config = LlamaConfig(
        vocab_size=128_320,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
    )
    return meta(LlamaModel(config))


def siglip():
    config = SiglipVisionConfig(
        hidden_size=1152,
        intermediate_size=4304,
        num_hidden_layers=27,
        num_attention_heads=16,
        image_size=384,
        patch_size=14,
    )
    return meta(SiglipVisionModel(config))


def skyreels_transformer(num_layers=30):
    """The 1.3 billion parameters of the published configuration."""
    transformer = SkyReelsV2Transformer3DModel(
        num_attention_heads=12, ffn_dim=8960, num_layers=num_layers, inject_sample_info=True
    )
    return meta(transformer, torch.bfloat16)


@pytest.fixture(scope="module")
def networks():
    """All networks at their published sizes, by base."""
    with torch.device("meta"):
        adapter = MotionAdapter(use_motion_mid_block=False)
        motion = UNetMotionModel.from_unet2d(sd_unet(768, 8), adapter, load_weights=False)
        return {
            "svd": {
                "unet": meta(UNetSpatioTemporalConditionModel()),
                "autoencoder": meta(AutoencoderKLTemporalDecoder(**LARGE_VAE), torch.float32),
                "image_encoder": vision_model(),
                **first_image(),
            },
            "i2vgen_xl": {
                "unet": meta(I2VGenXLUNet()),
                "autoencoder": large_vae(),
                "image_encoder": vision_model(),
                "text_encoder": text_model(1024, 24),
                **first_image(),
            },
            "sparsectrl": {
                "unet": meta(motion),
                "controlnet": meta(SparseControlNetModel()),
                "autoencoder": large_vae(),
                "text_encoder": text_model(768, 12),
            },
            "freenoise": {
                "unet": meta(
                    UNetMotionModel.from_unet2d(sd_unet(768, 8), adapter, load_weights=False)
                ),
                "autoencoder": large_vae(),
                "text_encoder": text_model(768, 12),
            },
            "framepack": {
                "transformer": framepack(),
                "autoencoder": meta(AutoencoderKLHunyuanVideo(), torch.float32),
                "image_encoder": siglip(),
                "llama": llama(),
                "clip": text_model(768, 12),
                **first_image(),
            },
            "skyreels_v2": {
                "transformer": skyreels_transformer(),
                "autoencoder": meta(AutoencoderKLWan(), torch.float32),
                "umt5": meta(UMT5EncoderModel(UMT5Config(**LARGE_UMT5)), torch.bfloat16),
            },
        }


@torch.inference_mode()
def count_step(base, networks, frames=16):
    """Peak bytes of a step with guidance, per latent pixel and frame."""
    with torch.device("meta"), LiveBytes() as step:
        if base == "svd":
            networks["unet"](
                half(BATCH, frames, 8, HEIGHT, WIDTH),
                torch.tensor(1.0),
                half(BATCH, 1, 1024),
                half(BATCH, 3),
            )
        elif base == "i2vgen_xl":
            networks["unet"](
                half(BATCH, 4, frames, HEIGHT, WIDTH),
                torch.tensor(1),
                fps=torch.ones(BATCH),
                image_latents=half(BATCH, 4, frames, HEIGHT, WIDTH),
                image_embeddings=half(BATCH, 1, 1024),
                encoder_hidden_states=half(BATCH, 77, 1024),
            )
        else:
            text = half(BATCH * frames, 77, 768)
            latents = half(BATCH, 4, frames, HEIGHT, WIDTH)
            down, mid = networks["controlnet"](
                latents,
                torch.tensor(1),
                text,
                half(1, 4, frames, HEIGHT, WIDTH),
                conditioning_mask=half(1, 1, frames, HEIGHT, WIDTH),
                return_dict=False,
            )
            networks["unet"](
                latents,
                torch.tensor(1),
                text,
                down_block_additional_residuals=down,
                mid_block_additional_residual=mid,
            )
    return step.most / (frames * HEIGHT * WIDTH)


@torch.inference_mode()
def count_free_noise(networks, frames=32):
    """The same for FreeNoise, whose windows are of 16 frames."""
    with torch.device("meta"):
        pipeline = AnimateDiffPipeline(
            vae=networks["autoencoder"],
            text_encoder=networks["text_encoder"],
            tokenizer=None,
            unet=networks["unet"],
            motion_adapter=MotionAdapter(use_motion_mid_block=False),
            scheduler=DDIMScheduler(),
        )
        pipeline.enable_free_noise(context_length=16, context_stride=4)
        meta(networks["unet"])
        with LiveBytes() as step:
            latents = half(BATCH, 4, frames, HEIGHT, WIDTH)
            networks["unet"](latents, torch.tensor(1), half(BATCH * frames, 77, 768))
    return step.most / (frames * HEIGHT * WIDTH)


@torch.inference_mode()
def count_decoding(base, networks, together):
    """Peak bytes of decoding, per latent pixel."""
    with torch.device("meta"), LiveBytes() as decoding:
        latents = torch.empty(together, 4, HEIGHT, WIDTH)
        more = {"num_frames": together} if base == "svd" else {}
        networks["autoencoder"].decode(latents, **more)
    return decoding.most / (HEIGHT * WIDTH)


@torch.inference_mode()
def test_the_peak_memory_of_a_chunk_of_framepack_is_estimated():
    """With one layer of each kind: more need no more at a time. The text is given.

    Decoded are the latents of one tile; all 18 need 6 % more, which is in the estimate.
    """
    height, width = (side // 8 for side in list_presets()["framepack"].frame_size)
    with torch.device("meta"):
        text = half(1, 256, 3072)
        network = framepack(num_layers=1, num_single_layers=1, num_refiner_layers=1)
        network.context_embedder.forward = lambda *_: text
        with LiveBytes() as step:
            network(
                half(1, 16, 9, height, width),
                torch.ones(1),
                text,
                torch.ones(1, 256, device="cpu"),  # its sum is read
                half(1, 768),
                half(1, 729, 1152),
                torch.arange(9),
                half(1),
                half(1, 16, 2, height, width),
                torch.arange(2),
                half(1, 16, 2, height, width),
                torch.arange(HISTORY_SIZES[1]),
                half(1, 16, HISTORY_SIZES[0], height, width),
                torch.arange(HISTORY_SIZES[0]),
            )
        vae = meta(AutoencoderKLHunyuanVideo(), torch.float32)
        vae.enable_tiling()
        with LiveBytes() as decoding:
            vae.decode(torch.empty(1, 16, 5, height, width))
    assert 0.9 < step.most / (9 * height * width) / FramePack.step_bytes <= 1
    assert 0.9 < decoding.most / (height * width) / FramePack.decoding_bytes <= 1


@torch.inference_mode()
def test_the_peak_memory_of_a_chunk_of_skyreels_is_estimated():
    """27 385 bytes for a step, with one block of thirty; 1 325 848 for decoding."""
    with torch.device("meta"):
        transformer, vae = skyreels_transformer(num_layers=1), AutoencoderKLWan()
        latents = torch.empty(1, 16, 25, HEIGHT, WIDTH)
        times = torch.empty(1, 25, dtype=torch.int64)
        text = torch.empty(1, 512, 4096, dtype=torch.bfloat16)
        with LiveBytes() as step:
            transformer(latents.bfloat16(), times, text, enable_diffusion_forcing=True, fps=[1])
        with LiveBytes() as decoding:
            vae.decode(latents)
        with LiveBytes() as encoding:
            vae.encode(torch.empty(1, 3, 17, 8 * HEIGHT, 8 * WIDTH))
    assert 0.9 < step.most / (SkyReels.step_bytes * 25 * HEIGHT * WIDTH) <= 1
    assert 0.9 < decoding.most / (SkyReels.decoding_bytes * HEIGHT * WIDTH) <= 1
    assert encoding.most < decoding.most


def test_skyreels_has_1_4_billion_parameters_and_29_gb_of_files(networks):
    """In float32, as they are published; about 1.3 billion are in its blocks."""
    counts = [
        sum(tensor.numel() for tensor in network.parameters())
        for network in networks["skyreels_v2"].values()
    ]
    assert counts == [1_435_525_696, 126_892_531, 5_680_910_336]
    [source] = list_presets()["skyreels-v2"].sources
    assert source.gigabytes == pytest.approx(4 * sum(counts) / 1e9, abs=0.1)


KINDS = {
    "svd": ("svd", Svd),
    "svd-xt": ("svd", Svd),
    "i2vgen-xl": ("i2vgen_xl", I2VGenXL),
    "sparsectrl": ("sparsectrl", SparseCtrl),
    "freenoise": ("freenoise", FreeNoise),
    "framepack": ("framepack", FramePack),
    "skyreels-v2": ("skyreels_v2", SkyReels),
}


@pytest.mark.parametrize("name", ["svd-xt", "i2vgen-xl", "sparsectrl", "freenoise"])
def test_the_peak_memory_of_a_chunk_is_estimated(networks, name):
    base, kind = KINDS[name]
    together = DECODED_TOGETHER if kind is Svd else frames_at_once(*list_presets()[name].frame_size)
    is_whole = kind is FreeNoise
    step = count_free_noise(networks[base]) if is_whole else count_step(base, networks[base])
    decoding = count_decoding(base, networks[base], together)
    assert 0.9 < step / kind.step_bytes <= 1
    assert 0.9 < decoding / kind.decoding_bytes <= 1


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_preset_says_what_it_needs_of_a_gpu(networks, name):
    """Computed, as its description says: in half precision, autoencoders in float32."""
    base, kind = KINDS[name]
    preset = list_presets()[name]
    latents = {FreeNoise: 64, FramePack: 9, SkyReels: 25}.get(kind, preset.chunking.chunk_frames)
    peaks = predict_peaks(kind, networks[base], preset.frame_size, latents, 8)
    full, balanced, low = (round(peaks[profile] / 1e9) for profile in ("full", "balanced", "low"))
    assert f"{full} GB of a GPU at full speed" in preset.description
    assert f"{balanced} GB with idle networks offloaded" in preset.description
    assert f"{low} GB layer by layer" in preset.description
    assert preset.memory in (None, (low, full))


class PretendedOffloader(Offloader):
    """Knows its profile, and moves nothing."""

    def __init__(self, networks, device, profile):
        self.profile = profile


@pytest.mark.parametrize(
    "name", ["svd", "i2vgen-xl", "sparsectrl", "freenoise", "framepack", "skyreels-v2"]
)
def test_it_says_before_the_start_what_fits(installed, name, monkeypatch):
    """A GPU of 3 GB, as far as a machine without one can say."""
    baseline = load_baseline(installed(name), device="cpu")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * 10**9, 3 * 10**9))
    monkeypatch.setattr(pipeline_loading, "Offloader", PretendedOffloader)
    place(baseline, torch.device("cuda"), None)
    assert baseline.offloader.profile == "full"  # these are small
    assert re.search(
        r"2\.0 GB of the GPU are free; .* full 0\.\d GB \(fits\), .*\. Running full\.$",
        baseline.notices[-1],
    )
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5 * 10**8, 3 * 10**9))
    place(baseline, torch.device("cuda"), None)
    assert baseline.offloader.profile == "low"
    assert re.search(r"full 0\.\d GB \(does not fit\)", baseline.notices[-1])


@pytest.mark.parametrize("name", ["sparsectrl", "framepack", "skyreels-v2"])
def test_idle_networks_leave_the_device(installed, name):
    """With the profile low, on the CPU as a stand-in for a GPU: the frames are the same."""
    whole, offloaded = (
        load_baseline(installed(name), device="cpu", memory=memory) for memory in (None, "low")
    )
    config = installed(name).config(
        prompt="a red star", num_chunks=2, num_inference_steps=2, seed=5
    )
    one, other = (
        [event.frames for event in stream(baseline, config) if isinstance(event, Chunk)]
        for baseline in (whole, offloaded)
    )
    assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))
