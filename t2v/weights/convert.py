"""Converts the paper's checkpoints to a folder that `load_stack` reads.

`streaming_t2v.ckpt` is a Lightning pickle: 3407 tensors in float32 (3.2 billion numbers), and as
much again of optimizer state. Tensors are read one by one and written in half precision, so memory
holds at most those of one written file.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from t2v.errors import CheckpointError
from t2v.models.checkpoints import check_fit, write_weights
from t2v.models.networks import build_networks
from t2v.weights.key_names import OPTIONAL, UNUSED, checkpoint_names
from t2v.weights.safe_load import read_tensors


MAX_CONVERTED_BYTES = 2**29  # converting takes twice as much memory

Configs = dict[str, dict[str, Any]]  # by network
UNET: dict[str, Any] = {
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": [*["CrossAttnDownBlock3D"] * 3, "DownBlock3D"],
    "up_block_types": ["UpBlock3D", *["CrossAttnUpBlock3D"] * 3],
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "cross_attention_dim": 1024,
    "attention_head_dim": 64,
}
# Contents of `stack.json` and of the `config.json` of every network.
CONFIGS: Configs = {
    "stack": {
        "patch": 1,
        "cond_channels": [32, 96, 256, 512],
        "anchor_tokens": {
            "embed_dim": 1024,
            "hidden_dim": 1280,
            "token_dim": 1024,
            "num_tokens": 16,
        },
        "encoders": "open_clip",
        "schedule": {
            "num_train_timesteps": 1000,
            "beta_schedule": "scaled_linear",
            "beta_start": 0.00085,
            "beta_end": 0.012,
            "prediction_type": "epsilon",
            "steps_offset": 1,
            "set_alpha_to_one": False,
        },
    },
    "unet": UNET | {"num_text_tokens": 77, "num_image_tokens": 16, "injector_head_dim": 64},
    "first_unet": UNET,
    "text_encoder": {  # OpenCLIP ViT-H-14 without its last layer
        "vocab_size": 49408,
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 23,
        "num_attention_heads": 16,
        "max_position_embeddings": 77,
        "hidden_act": "gelu",
    },
    "image_encoder": {  # OpenCLIP ViT-H-14, with open_clip's names
        "image_size": 224,
        "patch_size": 14,
        "width": 1280,
        "layers": 32,
        "heads": 16,
        "mlp_ratio": 4.0,
        "output_dim": 1024,
    },
    "autoencoder": {  # Stable Diffusion's
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "block_out_channels": [128, 256, 512, 512],
        "layers_per_block": 2,
        "latent_channels": 4,
        "norm_num_groups": 32,
        "scaling_factor": 0.18215,
    },
}
TOKENIZER_FILES = {
    "vocabulary": "vocab.json",
    "merges": "merges.txt",
    "tokenizer_config": "tokenizer_config.json",
    "special_tokens": "special_tokens_map.json",
}


def convert_modelscope(
    files: Mapping[str, Path], folder: Path, dtype: str = "float16", configs: Configs = CONFIGS
) -> None:
    """Writes everything that `load_stack` reads into an empty folder.

    Args:
        files: by use, as in `presets/modelscope.toml`.
        dtype: of the stored weights, and of computations on a GPU.
        configs: for other sizes than the paper's.

    Raises:
        CheckpointError: a file is refused or damaged, or does not fit.
    """
    write_configs(folder, configs | {"stack": configs["stack"] | {"dtype": dtype}})
    networks = build_networks(folder)
    first_unet = networks.pop("first_unet")
    stored = getattr(torch, dtype)
    convert_streaming_t2v(read_tensors(files["streaming_t2v"]), networks, folder, stored)
    convert_stock_unet(read_tensors(files["first_unet"]), first_unet, folder / "first_unet", stored)
    (folder / "tokenizer").mkdir()
    for use, name in TOKENIZER_FILES.items():
        shutil.copyfile(files[use], folder / "tokenizer" / name)


def write_configs(folder: Path, configs: Configs = CONFIGS) -> None:
    """Writes what `build_networks` reads: `stack.json`, and a `config.json` for every network.

    Raises:
        CheckpointError: the folder cannot be written.
    """
    for name, config in configs.items():
        path = folder / ("stack.json" if name == "stack" else f"{name}/config.json")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise CheckpointError(f"cannot write {path}: {error.strerror}") from error


def convert_streaming_t2v(
    weights: Mapping[str, Tensor],
    networks: Mapping[str, nn.Module],
    folder: Path,
    dtype: torch.dtype,
) -> None:
    """Splits the `state_dict` of `streaming_t2v.ckpt` into one subfolder per network.

    Args:
        networks: from `build_networks`; only their names and shapes are read.

    Raises:
        CheckpointError: see `match_streaming_t2v`, and then nothing was written; or a tensor does
            not fit `dtype`.
    """
    names = match_streaming_t2v(weights, networks)
    for part in networks:
        parts = ((ours, weights[theirs]) for ours, theirs in names[part].items())
        write_weights(parts, folder / part, dtype, max_file_bytes=MAX_CONVERTED_BYTES)


def match_streaming_t2v(
    weights: Mapping[str, Tensor], networks: Mapping[str, nn.Module]
) -> dict[str, dict[str, str]]:
    """Finds the place of every tensor of `streaming_t2v.ckpt`: part -> our key -> its key there.

    Raises:
        CheckpointError: names the keys that are missing, unknown or of another shape.
    """
    names = {part: checkpoint_names(part, network) for part, network in networks.items()}
    expected = {
        names[part][ours]: tensor
        for part, network in networks.items()
        for ours, tensor in network.state_dict().items()
    }
    used = {key: weights[key] for key in weights.keys() - UNUSED - OPTIONAL}
    check_fit(used, expected, "the checkpoint does not fit StreamingT2V")
    return names


def convert_stock_unet(
    weights: Mapping[str, Tensor], unet: nn.Module, folder: Path, dtype: torch.dtype
) -> None:
    """Converts a UNet3DConditionModel of diffusers, the form of ms-1.7b and zeroscope.

    Raises:
        CheckpointError: names every key that is missing, unknown or of another shape.
    """
    check_fit(weights, unet.state_dict(), "the checkpoint does not fit a ModelScope UNet")
    parts = ((key, weights[key]) for key in unet.state_dict())
    write_weights(parts, folder, dtype, max_file_bytes=MAX_CONVERTED_BYTES)
