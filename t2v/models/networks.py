"""Builds the networks that a folder of weights describes, and loads their weights."""

import json
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.configuration_utils import ConfigMixin
from diffusers.models import AutoencoderKL
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerFast,
)

from t2v.errors import CheckpointError
from t2v.models.apm import AnchorTokens
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.checkpoints import load_weights
from t2v.models.encoders import OpenClipTextEncoder, TextEncoder
from t2v.models.streaming_base import StreamingBase
from t2v.models.streaming_transformer import StreamingTransformer
from t2v.models.streaming_unet import StreamingUNet
from t2v.models.video_unet import VideoUNet


Network = TypeVar("Network", bound=ConfigMixin)
ClipText = CLIPTextModel | CLIPTextModelWithProjection
BASE_MODELS: dict[str, type[StreamingBase]] = {
    kind.__name__: kind for kind in (StreamingUNet, StreamingTransformer)
}


def build_networks(folder: Path) -> dict[str, nn.Module]:
    """Builds all networks of a stack, by the names of their subfolders.

    They are on the "meta" device, which costs neither time nor memory; `load_network` gives them
    weights.

    Raises:
        CheckpointError: a description is missing or damaged.
    """
    sizes = read_json(folder / "stack.json")
    with torch.device("meta"):
        base = from_config(base_class(folder), folder / "unet")
        networks = {
            "unet": base,
            "extractor": base.new_extractor(sizes["cond_channels"]),
            "anchor_tokens": AnchorTokens(**sizes["anchor_tokens"]),
            "autoencoder": from_config(AutoencoderKL, folder / "autoencoder"),
            "text_encoder": _build_text_encoder(folder, is_open_clip(sizes)),
            "image_encoder": _build_image_encoder(folder, is_open_clip(sizes)),
        }
        if (folder / "first_unet").is_dir():
            networks["first_unet"] = from_config(VideoUNet, folder / "first_unet")
    return networks


def base_class(folder: Path) -> type[StreamingBase]:
    """The class of a stack's base model; a StreamingUNet where its description names none.

    Raises:
        CheckpointError: the description is missing or damaged, or names another class.
    """
    path = folder / "unet" / "config.json"
    name = read_json(path).get("_class_name", StreamingUNet.__name__)
    if name not in BASE_MODELS:
        raise CheckpointError(
            f"_class_name in {path} must be {' or '.join(BASE_MODELS)}, got {name!r}"
        )
    return BASE_MODELS[name]


def is_open_clip(sizes: dict[str, Any]) -> bool:
    """Whether a `stack.json` names OpenCLIP's encoders, as the paper's does."""
    return sizes.get("encoders") == "open_clip"


def from_config(kind: type[Network], folder: Path) -> Network:
    """Builds a network of diffusers from its `config.json`."""
    network = kind.from_config(read_json(folder / "config.json"))
    assert isinstance(network, kind)
    return network


def _build_text_encoder(folder: Path, open_clip: bool) -> ClipText:
    config = CLIPTextConfig(**read_json(folder / "text_encoder" / "config.json"))
    return CLIPTextModel(config) if open_clip else CLIPTextModelWithProjection(config)


def _build_image_encoder(folder: Path, open_clip: bool) -> nn.Module:
    config = read_json(folder / "image_encoder" / "config.json")
    if not open_clip:
        return CLIPVisionModelWithProjection(CLIPVisionConfig(**config))
    from open_clip.transformer import VisionTransformer

    return VisionTransformer(**config)


def load_network(
    network: nn.Module,
    folder: Path,
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Loads the weights of a network, which may be on "meta", for inference.

    Raises:
        CheckpointError: they are missing or do not fit.
    """
    nn.Module.to(network, dtype)  # diffusers' own `to` warns about layers that it does not have
    load_weights(network, folder)
    fill_buffers(network)
    network.requires_grad_(False).eval().to(device)


def load_autoencoder(
    folder: Path, patch: int, device: torch.device | str, dtype: torch.dtype = torch.float32
) -> FrameAutoencoder:
    """Loads the autoencoder in `folder` alone."""
    with torch.device("meta"):
        vae = from_config(AutoencoderKL, folder)
    load_network(vae, folder, device, dtype)
    return FrameAutoencoder(vae, patch)


def load_text_encoder(
    folder: Path, device: torch.device | str, dtype: torch.dtype = torch.float32
) -> TextEncoder:
    """Loads the text encoder and the tokenizer of the stack in `folder` alone."""
    sizes = read_json(folder / "stack.json")
    with torch.device("meta"):
        model = _build_text_encoder(folder, is_open_clip(sizes))
    load_network(model, folder / "text_encoder", device, dtype)
    return with_tokenizer(model, folder, is_open_clip(sizes))


def with_tokenizer(model: ClipText, folder: Path, open_clip: bool) -> TextEncoder:
    """Joins a text model with the tokenizer of the stack in `folder`."""
    tokenizer = folder / "tokenizer"
    if open_clip:
        return OpenClipTextEncoder(model, CLIPTokenizer.from_pretrained(tokenizer))
    return TextEncoder(model, PreTrainedTokenizerFast.from_pretrained(tokenizer))


def fill_buffers(network: nn.Module) -> None:
    """Fills position indices, the only buffers that weight files do not hold."""
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:
                if name != "position_ids":
                    raise ValueError(f"{type(module).__name__}.{name} has no values")
                positions = torch.arange(buffer.shape[-1]).expand(buffer.shape)
                module.register_buffer(name, positions, persistent=False)


def read_json(path: Path) -> dict[str, Any]:
    """Reads a description.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is missing or damaged: {error}") from error
