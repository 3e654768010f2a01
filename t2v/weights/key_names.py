"""Names of tensors: ours (which are diffusers') and those in the paper's checkpoints."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

from t2v.models.attention import text_attentions
from t2v.models.cam import FeatureExtractor
from t2v.models.streaming_unet import StreamingUNet
from t2v.models.video_unet import VideoUNet


# Ours to theirs; the first match counts. We number mixers, they name them after their layer.
MERGER = "base_model.cross_attention_merger_"
UNET_KEYS = {
    r"mid_injector\.": f"{MERGER}mid_block.temporal_transformer.",
    r"injectors\.(\d+)\.": rf"{MERGER}down_blocks.\1.temporal_transformer.",
    "": "base_model.",
}
FEATURE_EXTRACTOR_KEYS = {
    r"frame_encoder\.": "unet.controlnet_cond_embedding.",
    "": "unet.",
}
ANCHOR_TOKENS_KEYS = {r"mlp\.": "resampler.context_embedding."}
# ModelScope's names for the parts of one residual block; blocks are numbered in modelscope_names.
RESNET_KEYS = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
# Parts of the authors' checkpoint that are stock models, and where they begin.
STOCK_PARTS = {
    "text_encoder": "text_encoder.text_model.",
    "image_encoder": "image_encoder.model.visual.",
    "autoencoder": "vae.",
}
# What is left of the text half of the authors' CLIP: read by nothing.
UNUSED = {
    f"image_encoder.model.{name}"
    for name in (
        "positional_embedding",
        "text_projection",
        "logit_scale",
        "token_embedding.weight",
        "ln_final.weight",
        "ln_final.bias",
    )
}
# In checkpoints of older versions of transformers: numbers from 0 to 76.
OPTIONAL = {"text_encoder.text_model.embeddings.position_ids"}


def checkpoint_names(part: str, network: nn.Module) -> dict[str, str]:
    """Our key -> the key in `streaming_t2v.ckpt`, for every tensor of one network."""
    if part in STOCK_PARTS:
        return {key: STOCK_PARTS[part] + key for key in network.state_dict()}
    match network:
        case StreamingUNet():
            mixers = {
                rf"mixers\.{i}\.": f"base_model.{layer}."
                for i, layer in enumerate(text_attentions(network))
            }
            table = mixers | UNET_KEYS
        case FeatureExtractor():
            table = FEATURE_EXTRACTOR_KEYS
        case _:
            table = ANCHOR_TOKENS_KEYS
    return {key: _rename(key, table) for key in network.state_dict()}


def _rename(key: str, table: Mapping[str, str]) -> str:
    pattern = next(pattern for pattern in table if re.match(pattern, key))
    return re.sub(f"^{pattern}", table[pattern], key)


def modelscope_names(unet: VideoUNet) -> dict[str, str]:
    """Our key -> ModelScope's, which numbers everything from the input to the output."""
    prefixes = {
        "conv_in": "input_blocks.0.0",
        "transformer_in": "input_blocks.0.1",
        "time_embedding.linear_1": "time_embed.0",
        "time_embedding.linear_2": "time_embed.2",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.temp_attentions.0": "middle_block.2",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
    }
    residuals = {
        ("mid_block", 0): "middle_block.0",
        ("mid_block", 1): "middle_block.3",
    }
    down_blocks: Iterable[Any] = unet.down_blocks
    up_blocks: Iterable[Any] = unet.up_blocks
    number = 0
    for i, block in enumerate(down_blocks):
        for j in range(len(block.resnets)):
            number += 1
            residuals[f"down_blocks.{i}", j] = f"input_blocks.{number}.0"
            prefixes[f"down_blocks.{i}.attentions.{j}"] = f"input_blocks.{number}.1"
            prefixes[f"down_blocks.{i}.temp_attentions.{j}"] = f"input_blocks.{number}.2"
        number += 1
        prefixes[f"down_blocks.{i}.downsamplers.0.conv"] = f"input_blocks.{number}.op"
    number = -1
    for i, block in enumerate(up_blocks):
        for j in range(len(block.resnets)):
            number += 1
            residuals[f"up_blocks.{i}", j] = f"output_blocks.{number}.0"
            prefixes[f"up_blocks.{i}.attentions.{j}"] = f"output_blocks.{number}.1"
            prefixes[f"up_blocks.{i}.temp_attentions.{j}"] = f"output_blocks.{number}.2"
        # The upsampler comes after all parts of the last layer.
        position = 3 if hasattr(block, "attentions") else 1
        prefixes[f"up_blocks.{i}.upsamplers.0"] = f"output_blocks.{number}.{position}"
    for (name, j), theirs in residuals.items():
        prefixes[f"{name}.temp_convs.{j}"] = f"{theirs}.temopral_conv"
        for part, their_part in RESNET_KEYS.items():
            prefixes[f"{name}.resnets.{j}.{part}"] = f"{theirs}.{their_part}"
    table = {rf"{re.escape(ours)}\.": f"{theirs}." for ours, theirs in prefixes.items()}
    return {key: _rename(key, table) for key in unet.state_dict()}
