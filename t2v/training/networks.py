"""The sizes of the embedded stacks: the paper's architecture at a hundredth of its size."""

import math
from collections.abc import Callable
from typing import Any

import torch
from diffusers.models import AutoencoderKL
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerFast,
)

from t2v.models.apm import AnchorTokens
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.cam import CamExtractor
from t2v.models.encoders import ImageEncoder, TextEncoder
from t2v.models.streaming_base import StreamingBase
from t2v.models.streaming_transformer import StreamingTransformer
from t2v.models.streaming_unet import StreamingUNet
from t2v.models.video_unet import VideoUNet
from t2v.settings.chunking import PAPER_CHUNKING
from t2v.training.options import BaseModelName
from t2v.worlds.world import World


FRAME_SIZE = 64
CHUNKING = PAPER_CHUNKING  # of the embedded stacks
REFINED_SIZE = 176  # 2.75 times as large; the paper's refiner upscales 256 by 2.8
NUM_TEXT_TOKENS = 28
NUM_IMAGE_TOKENS = 16
NUM_TRAIN_TIMESTEPS = 1000
WIDTH = 128  # of text tokens and image embeddings
PAD, START, UNKNOWN, END = "<pad>", "<start>", "<unknown>", "<end>"


def new_autoencoder(world: World) -> FrameAutoencoder:
    """Builds an autoencoder of 64 x 64 x 3 pixels and 8 x 8 latents of the world's channels."""
    patch = SIZES["patch"]
    vae = AutoencoderKL(
        in_channels=3 * patch**2,
        out_channels=3 * patch**2,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(64, 128),
        layers_per_block=1,
        latent_channels=world.latent_channels,
        norm_num_groups=16,
        mid_block_add_attention=False,
        sample_size=FRAME_SIZE // patch,
    )
    return FrameAutoencoder(vae, patch)


def new_tokenizer(world: World) -> PreTrainedTokenizerFast:
    """Builds a tokenizer with one token per word; other words become UNKNOWN."""
    ids = {word: i for i, word in enumerate((PAD, START, UNKNOWN, END, *world.vocabulary()))}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, ids[START]), (END, ids[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=START,
        unk_token=UNKNOWN,
        eos_token=END,
        model_max_length=NUM_TEXT_TOKENS,
    )


def new_text_encoder(world: World) -> TextEncoder:
    """Builds a text encoder of two causal layers, like CLIP's."""
    tokenizer = new_tokenizer(world)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=NUM_TEXT_TOKENS,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        hidden_act="gelu",
    )
    return TextEncoder(CLIPTextModelWithProjection(config), tokenizer)


def new_image_encoder() -> ImageEncoder:
    """Builds a small vision transformer over 8 x 8 patches."""
    config = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=4 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=FRAME_SIZE,
        patch_size=8,
        hidden_act="gelu",
    )
    return ImageEncoder(CLIPVisionModelWithProjection(config))


def shifted_cosine_betas(shift: float) -> list[float]:
    """The cosine schedule (Nichol & Dhariwal, 2021) with its SNR divided by shift^2.

    Sixteen frames repeat the same content: noise that hides an image does not hide a video. With
    the shift (Hoogeboom et al., 2023), half of all steps decide layout and motion.
    """
    u = torch.linspace(0, 1, NUM_TRAIN_TIMESTEPS + 1, dtype=torch.float64)
    snr = 1 / torch.tan(u * math.pi / 2).clamp(min=1e-9).square() / shift**2
    alphas_cumprod = snr / (1 + snr)
    betas = 1 - alphas_cumprod[1:] / alphas_cumprod[:-1]
    return [round(beta, 7) for beta in betas.clamp(max=0.999).tolist()]


SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": NUM_TRAIN_TIMESTEPS,
    "trained_betas": shifted_cosine_betas(4.0),
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,  # Lin et al., 2024: sampling begins at pure noise
    "timestep_spacing": "trailing",
    "set_alpha_to_one": True,
}


# Sizes that the networks' own configs leave out; saved as `stack.json` next to the weights.
SIZES: dict[str, Any] = {
    "patch": 4,
    "cond_channels": (16, 24, 32, 48),
    "anchor_tokens": {
        "embed_dim": WIDTH,
        "hidden_dim": 2 * WIDTH,
        "token_dim": WIDTH,
        "num_tokens": NUM_IMAGE_TOKENS,
    },
    "schedule": SCHEDULE,
    "image_first": True,
}


def new_unet(world: World) -> StreamingUNet:
    """Builds a UNet of two resolutions, 8 x 8 and 4 x 4."""
    return StreamingUNet(
        num_text_tokens=NUM_TEXT_TOKENS,
        num_image_tokens=NUM_IMAGE_TOKENS,
        injector_head_dim=16,
        sample_size=8,
        in_channels=world.latent_channels,
        out_channels=world.latent_channels,
        down_block_types=("CrossAttnDownBlock3D",) * 2,
        up_block_types=("CrossAttnUpBlock3D",) * 2,
        block_out_channels=(64, 128),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=WIDTH,
        attention_head_dim=16,
        num_frame_embeddings=CHUNKING.chunk_frames,
        skip_temporal_layers_at_one_frame=world.skip_temporal_layers_at_one_frame,
    )


def new_transformer(world: World) -> StreamingTransformer:
    """Builds a transformer over 8 x 8 tokens a frame, about as costly as the UNet."""
    return StreamingTransformer(
        num_text_tokens=NUM_TEXT_TOKENS,
        num_image_tokens=NUM_IMAGE_TOKENS,
        sample_size=8,
        in_channels=world.latent_channels,
        out_channels=world.latent_channels,
        num_layers=8,
        num_attention_heads=6,
        attention_head_dim=32,
        cross_attention_dim=WIDTH,
        num_injectors=4,
        norm_num_groups=16,
        num_frame_embeddings=CHUNKING.chunk_frames,
    )


BASE_MODELS: dict[BaseModelName, Callable[[World], StreamingBase]] = {
    "unet": new_unet,
    "transformer": new_transformer,
}


def new_refiner(world: World) -> VideoUNet:
    """Builds a UNet for 24 frames at a time: 22 x 22 without attention, and 11 x 11."""
    return VideoUNet(
        sample_size=22,
        in_channels=world.latent_channels,
        out_channels=world.latent_channels,
        down_block_types=("DownBlock3D", "CrossAttnDownBlock3D"),
        up_block_types=("CrossAttnUpBlock3D", "UpBlock3D"),
        block_out_channels=(32, 64),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=WIDTH,
        attention_head_dim=16,
    )


def new_extractor(base: StreamingBase) -> CamExtractor:
    return base.new_extractor(SIZES["cond_channels"])


def new_anchor_tokens() -> AnchorTokens:
    return AnchorTokens(**SIZES["anchor_tokens"])
