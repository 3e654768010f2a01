"""The sizes of the `shapes` stack: the paper's architecture at a hundredth of its size."""

import math

import torch
from diffusers import AutoencoderKL
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerFast,
)

from t2v.config import CHUNK_FRAMES
from t2v.models.apm import AnchorTokens
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.cam import FeatureExtractor
from t2v.models.encoders import ImageEncoder, TextEncoder
from t2v.models.refiner_unet import RefinerUNet
from t2v.models.unet import StreamingUNet
from t2v.training.captions import vocabulary


FRAME_SIZE = 64
REFINED_SIZE = 176  # 2.75 times as large; the paper's refiner makes 2.8 times of 256
LATENT_CHANNELS = 12
NUM_TEXT_TOKENS = 28
NUM_IMAGE_TOKENS = 16
WIDTH = 128  # of text tokens and image embeddings
PAD, START, UNKNOWN, END = "<pad>", "<start>", "<unknown>", "<end>"


def new_autoencoder() -> FrameAutoencoder:
    """64 x 64 x 3 pixels to 8 x 8 x 12 latents."""
    patch = SIZES["patch"]
    vae = AutoencoderKL(
        in_channels=3 * patch**2,
        out_channels=3 * patch**2,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(64, 128),
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=16,
        mid_block_add_attention=False,
        sample_size=FRAME_SIZE // patch,
    )
    return FrameAutoencoder(vae, patch)


def new_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word; words it does not know become UNKNOWN."""
    ids = {word: i for i, word in enumerate((PAD, START, UNKNOWN, END, *vocabulary()))}
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


def new_text_encoder() -> TextEncoder:
    """Two causal layers, as CLIP's."""
    tokenizer = new_tokenizer()
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
    """A small vision transformer over 8 x 8 patches."""
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


def shifted_cosine_betas(shift: float, num_steps: int = 1000) -> list[float]:
    """The cosine schedule (Nichol & Dhariwal, 2021) with its SNR divided by shift^2.

    Sixteen frames say one thing sixteen times: noise that hides a picture does not hide a video.
    Shifted (Hoogeboom et al., 2023), half of all steps are where layout and motion are decided.
    """
    u = torch.linspace(0, 1, num_steps + 1, dtype=torch.float64)
    snr = 1 / torch.tan(u * math.pi / 2).clamp(min=1e-9).square() / shift**2
    alphas_cumprod = snr / (1 + snr)
    betas = 1 - alphas_cumprod[1:] / alphas_cumprod[:-1]
    return [round(beta, 7) for beta in betas.clamp(max=0.999).tolist()]


SCHEDULE = {
    "num_train_timesteps": 1000,
    "trained_betas": shifted_cosine_betas(4.0),
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,  # Lin et al., 2024: sampling begins at pure noise
    "timestep_spacing": "trailing",
    "set_alpha_to_one": True,
}


# What the networks' own configs do not say; `stack.json` beside the weights.
SIZES = {
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


def new_unet() -> StreamingUNet:
    """Two resolutions, 8 x 8 and 4 x 4."""
    return StreamingUNet(
        num_text_tokens=NUM_TEXT_TOKENS,
        num_image_tokens=NUM_IMAGE_TOKENS,
        injector_head_dim=16,
        sample_size=8,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("CrossAttnDownBlock3D",) * 2,
        up_block_types=("CrossAttnUpBlock3D",) * 2,
        block_out_channels=(64, 128),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=WIDTH,
        attention_head_dim=16,
        num_frame_embeddings=CHUNK_FRAMES,
    )


def new_refiner() -> RefinerUNet:
    """Two resolutions, 22 x 22 without attention and 11 x 11: it runs on 24 frames at a time."""
    return RefinerUNet(
        sample_size=22,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("DownBlock3D", "CrossAttnDownBlock3D"),
        up_block_types=("CrossAttnUpBlock3D", "UpBlock3D"),
        block_out_channels=(32, 64),
        layers_per_block=1,
        norm_num_groups=16,
        cross_attention_dim=WIDTH,
        attention_head_dim=16,
    )


def new_extractor(unet: StreamingUNet) -> FeatureExtractor:
    return FeatureExtractor.from_unet(unet, SIZES["cond_channels"])


def new_anchor_tokens() -> AnchorTokens:
    return AnchorTokens(**SIZES["anchor_tokens"])
