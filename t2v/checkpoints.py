"""Weights: reading them from the authors' checkpoint, reading and writing our own.

Weights load in full or not at all: names and shapes are compared first, the model changes after.
Our own are safetensors: one file, or a folder whose files together hold all tensors.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from t2v.errors import CheckpointError
from t2v.models.apm import AnchorTokens
from t2v.models.attention import text_attentions
from t2v.models.cam import FeatureExtractor
from t2v.models.refiner_unet import RefinerUNet
from t2v.models.unet import StreamingUNet


MAX_FILE_BYTES = 16 * 2**20
MAX_NAMED_KEYS = 5  # per kind of misfit, in an error message

# Ours to theirs, first match wins. Mixers are numbered here and named after their layer there.
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
# Parts of the authors' checkpoint that are stock models: loaded by their own libraries.
STOCK_PREFIXES = ("image_encoder.", "text_encoder.", "vae.")


def load_streaming_t2v(
    weights: Mapping[str, Tensor],
    unet: StreamingUNet,
    feature_extractor: FeatureExtractor,
    anchor_tokens: AnchorTokens,
) -> None:
    """Loads the `state_dict` of the authors' `streaming_t2v.ckpt`.

    Raises:
        CheckpointError: names every kind of misfit; no model was changed.
    """
    models = (unet, feature_extractor, anchor_tokens)
    names = [authors_names(model) for model in models]
    weights = {key: tensor for key, tensor in weights.items() if not key.startswith(STOCK_PREFIXES)}
    expected = {
        names_of_model[ours]: tensor
        for model, names_of_model in zip(models, names, strict=True)
        for ours, tensor in model.state_dict().items()
    }
    check_fit(weights, expected, "the checkpoint does not fit StreamingT2V")
    for model, names_of_model in zip(models, names, strict=True):
        _assign(model, {ours: weights[theirs] for ours, theirs in names_of_model.items()})


def authors_names(model: nn.Module) -> dict[str, str]:
    """Our key -> the key in the authors' `streaming_t2v.ckpt`, for every tensor of the model."""
    match model:
        case StreamingUNet():
            mixers = {
                rf"mixers\.{i}\.": f"base_model.{layer}."
                for i, layer in enumerate(text_attentions(model))
            }
            table = mixers | UNET_KEYS
        case FeatureExtractor():
            table = FEATURE_EXTRACTOR_KEYS
        case _:
            table = ANCHOR_TOKENS_KEYS
    return {key: _rename(key, table) for key in model.state_dict()}


def _rename(key: str, table: Mapping[str, str]) -> str:
    pattern = next(pattern for pattern in table if re.match(pattern, key))
    return re.sub(f"^{pattern}", table[pattern], key)


def load_modelscope_refiner(weights: Mapping[str, Tensor], unet: RefinerUNet) -> None:
    """Loads the `state_dict` of ModelScope's Vid2VidSDUNet (MS-Vid2Vid-XL), the paper's refiner.

    Raises:
        CheckpointError: names every kind of misfit; the model was not changed.
    """
    own, names = unet.state_dict(), modelscope_names(unet)
    # A convolution with kernel 1 over time is the linear layer that diffusers has in its place.
    weights = {
        key: tensor.squeeze(-1) if tensor.ndim == 3 else tensor for key, tensor in weights.items()
    }
    expected = {names[ours]: tensor for ours, tensor in own.items()}
    check_fit(weights, expected, "the checkpoint does not fit the refiner")
    _assign(unet, {ours: weights[theirs] for ours, theirs in names.items()})


def modelscope_names(unet: RefinerUNet) -> dict[str, str]:
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
    number = 0
    for i, block in enumerate(unet.down_blocks):
        for j in range(len(block.resnets)):
            number += 1
            residuals[f"down_blocks.{i}", j] = f"input_blocks.{number}.0"
            prefixes[f"down_blocks.{i}.attentions.{j}"] = f"input_blocks.{number}.1"
            prefixes[f"down_blocks.{i}.temp_attentions.{j}"] = f"input_blocks.{number}.2"
        number += 1
        prefixes[f"down_blocks.{i}.downsamplers.0.conv"] = f"input_blocks.{number}.op"
    number = -1
    for i, block in enumerate(unet.up_blocks):
        for j in range(len(block.resnets)):
            number += 1
            residuals[f"up_blocks.{i}", j] = f"output_blocks.{number}.0"
            prefixes[f"up_blocks.{i}.attentions.{j}"] = f"output_blocks.{number}.1"
            prefixes[f"up_blocks.{i}.temp_attentions.{j}"] = f"output_blocks.{number}.2"
        # The upsampler stands behind whatever its last layer has.
        place = 3 if hasattr(block, "attentions") else 1
        prefixes[f"up_blocks.{i}.upsamplers.0"] = f"output_blocks.{number}.{place}"
    for (block, j), theirs in residuals.items():
        prefixes[f"{block}.temp_convs.{j}"] = f"{theirs}.temopral_conv"
        for part, their_part in RESNET_KEYS.items():
            prefixes[f"{block}.resnets.{j}.{part}"] = f"{theirs}.{their_part}"
    table = {rf"{re.escape(ours)}\.": f"{theirs}." for ours, theirs in prefixes.items()}
    return {key: _rename(key, table) for key in unet.state_dict()}


def load_weights(model: nn.Module, path: Path) -> None:
    """Loads weights written by `save_weights`: one safetensors file or a folder of them.

    Raises:
        CheckpointError: they are missing, unreadable or do not fit; the model was not changed.
    """
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise CheckpointError(f'no weights at {path}; README.md, "Weights", says how to get them')
    weights = {}
    for file in files:
        try:
            weights |= load_file(file)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{file} cannot be read: {error}") from error
    check_fit(weights, model.state_dict(), f"{path} does not fit {type(model).__name__}")
    _assign(model, weights)


def save_weights(model: nn.Module, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Writes the weights as files of at most 16 MB, which every file host takes.

    Args:
        dtype: what floating-point weights are stored as; the model's own by default.
    """
    write_weights(model.state_dict().items(), folder, dtype, max_file_bytes=MAX_FILE_BYTES)


def write_weights(
    weights: Iterable[tuple[str, Tensor]],
    folder: Path,
    dtype: torch.dtype | None = None,
    *,
    max_file_bytes: int,
) -> None:
    """Writes names and tensors as `load_weights` reads them. Holds one file's tensors at a time.

    Args:
        dtype: what floating-point weights are stored as; their own by default.
        max_file_bytes: of one file; only a tensor that is larger alone makes a larger one.

    Raises:
        CheckpointError: a tensor has values that `dtype` cannot hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    shard, num_bytes, num_files = {}, 0, 0
    for key, tensor in weights:
        tensor = _stored(key, tensor, dtype)
        if shard and num_bytes + tensor.nbytes > max_file_bytes:
            save_file(shard, folder / f"{num_files:03d}.safetensors")
            shard, num_bytes, num_files = {}, 0, num_files + 1
        shard[key] = tensor
        num_bytes += tensor.nbytes
    save_file(shard, folder / f"{num_files:03d}.safetensors")


def _stored(key: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    stored = tensor.to("cpu", dtype if tensor.is_floating_point() else None).contiguous()
    if stored.dtype != tensor.dtype and not stored.isfinite().all() and tensor.isfinite().all():
        raise CheckpointError(f"{key} has values that {stored.dtype} cannot hold; use bfloat16")
    return stored


def check_fit(
    weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], complaint: str
) -> None:
    """Compares names and shapes; no value is looked at.

    Raises:
        CheckpointError: begins with `complaint`, and names every kind of misfit.
    """
    misfits = {
        "missing": sorted(expected.keys() - weights.keys()),
        "unexpected": sorted(weights.keys() - expected.keys()),
        "of the wrong shape": [
            f"{key} {list(weights[key].shape)} instead of {list(expected[key].shape)}"
            for key in sorted(expected.keys() & weights.keys())
            if weights[key].shape != expected[key].shape
        ],
    }
    if any(misfits.values()):
        raise CheckpointError(
            f"{complaint}: " + "; ".join(_list(*item) for item in misfits.items())
        )


def _list(kind: str, keys: list[str]) -> str:
    named = ", ".join(keys[:MAX_NAMED_KEYS]) + (", ..." if len(keys) > MAX_NAMED_KEYS else "")
    return f"{len(keys)} keys {kind}" + (f" ({named})" if keys else "")


def _assign(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Keeps the model's dtypes. A model built on "meta" gets its memory here."""
    own = model.state_dict()
    # Copies: what a file holds may lie in memory as no network likes it, and the file may go.
    weights = {key: tensor.to(own[key].dtype, copy=True) for key, tensor in weights.items()}
    is_meta = any(tensor.is_meta for tensor in own.values())
    model.load_state_dict(weights, assign=is_meta)
