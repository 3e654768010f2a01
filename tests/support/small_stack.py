"""Small networks with random weights. Every axis has a size of its own, so none can be swapped."""

import torch
from diffusers import AutoencoderKL
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from t2v.models.apm import AnchorTokens
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.encoders import ImageEncoder, TextEncoder
from t2v.models.streaming_transformer import StreamingTransformer
from t2v.models.streaming_unet import StreamingUNet
from t2v.pipeline.stack import Stack
from t2v.training.networks import SCHEDULE, new_tokenizer
from t2v.worlds import find_world


BATCH, CHANNELS, FRAMES, COND_FRAMES, HEIGHT, WIDTH = 2, 5, 6, 3, 10, 14
TEXT_TOKENS, IMAGE_TOKENS, TOKEN_DIM, EMBED_DIM = 7, 4, 12, 9
COND_CHANNELS = (4, 6, 8)  # two halvings
PIXELS_PER_LATENT = 4
STOCK_CONFIG = {
    "in_channels": CHANNELS,
    "out_channels": CHANNELS,
    "down_block_types": ("CrossAttnDownBlock3D", "CrossAttnDownBlock3D"),
    "up_block_types": ("CrossAttnUpBlock3D", "CrossAttnUpBlock3D"),
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "cross_attention_dim": TOKEN_DIM,
    "attention_head_dim": 4,
}
FRAME_SIZE = (20, 28)  # of a stack's frames: 5 x 7 latents, which no halving divides


def randomize(model, seed=0):
    """Random weights everywhere, also where layers begin as the identity."""
    rng = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=rng)
    return model.eval()


def new_unet():
    return StreamingUNet(
        num_text_tokens=TEXT_TOKENS,
        num_image_tokens=IMAGE_TOKENS,
        injector_head_dim=8,
        **STOCK_CONFIG,
    ).eval()


def new_transformer():
    return StreamingTransformer(
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        sample_size=7,
        num_layers=5,
        num_attention_heads=3,
        attention_head_dim=8,
        cross_attention_dim=TOKEN_DIM,
        num_text_tokens=TEXT_TOKENS,
        num_image_tokens=IMAGE_TOKENS,
        num_injectors=2,
        norm_num_groups=4,
        num_frame_embeddings=16,
    ).eval()


def new_feature_extractor(base):
    return base.new_extractor(COND_CHANNELS).eval()


def new_anchor_tokens():
    return AnchorTokens(
        embed_dim=EMBED_DIM, hidden_dim=11, token_dim=TOKEN_DIM, num_tokens=IMAGE_TOKENS
    ).eval()


def new_text_encoder():
    """Knows the words of the shapes stack; reads 5 of them."""
    tokenizer = new_tokenizer(find_world("shapes"))
    tokenizer.model_max_length = TEXT_TOKENS
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TOKEN_DIM,
        intermediate_size=20,
        projection_dim=EMBED_DIM,
        num_hidden_layers=1,
        num_attention_heads=3,
        max_position_embeddings=TEXT_TOKENS,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return TextEncoder(CLIPTextModelWithProjection(config), tokenizer)


def new_image_encoder():
    config = CLIPVisionConfig(
        hidden_size=10,
        intermediate_size=22,
        projection_dim=EMBED_DIM,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=12,
        patch_size=6,
    )
    return ImageEncoder(CLIPVisionModelWithProjection(config))


def new_autoencoder():
    patch = 2
    vae = AutoencoderKL(
        in_channels=3 * patch**2,
        out_channels=3 * patch**2,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(4, 8),
        layers_per_block=1,
        latent_channels=CHANNELS,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )
    return FrameAutoencoder(vae, patch)


def new_stack(frame_size=FRAME_SIZE, new_base=new_unet):
    """All networks of a stack, with random weights and awake memories."""
    unet = randomize(new_base())
    networks = {
        "unet": unet,
        "extractor": randomize(new_feature_extractor(unet), seed=1),
        "anchor_tokens": randomize(new_anchor_tokens(), seed=2),
        "text_encoder": randomize(new_text_encoder(), seed=3),
        "image_encoder": randomize(new_image_encoder(), seed=4),
        "autoencoder": randomize(new_autoencoder(), seed=5),
    }
    for network in networks.values():
        network.requires_grad_(False)
    return Stack(name="small", schedule=SCHEDULE, frame_size=frame_size, **networks)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def some_latents(batch=BATCH):
    return noise(batch, CHANNELS, FRAMES, HEIGHT, WIDTH)


def some_text(batch=BATCH, num_tokens=TEXT_TOKENS):
    return noise(batch, num_tokens, TOKEN_DIM, seed=1)


def some_anchor(batch=BATCH):
    return noise(batch, IMAGE_TOKENS, TOKEN_DIM, seed=2)


def some_cond_frames(batch=BATCH):
    size = (HEIGHT * PIXELS_PER_LATENT, WIDTH * PIXELS_PER_LATENT)
    return noise(batch, COND_FRAMES, 3, *size, seed=3).clamp(-1, 1)


def count_calls(modules):
    """Returns a list that grows by one entry for every call of one of the modules."""
    calls = []
    for module in modules:
        module.register_forward_hook(lambda module, inputs, output: calls.append(module))
    return calls
