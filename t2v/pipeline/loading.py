"""Loads a preset without its refiner, and places its networks on the device as far as they fit."""

from dataclasses import replace
from typing import Any, cast

import torch
from diffusers.models import AutoencoderKL
from torch import nn

from t2v.models.apm import AnchorTokens
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.cam import CamExtractor
from t2v.models.checkpoints import count_weights
from t2v.models.encoders import ImageEncoder, OpenClipImageEncoder
from t2v.models.networks import (
    ClipText,
    build_networks,
    is_open_clip,
    load_network,
    read_json,
    with_tokenizer,
)
from t2v.models.streaming_base import StreamingBase
from t2v.models.video_unet import VideoUNet
from t2v.pipeline.acceleration import accelerate
from t2v.pipeline.arms import load_arm
from t2v.pipeline.offload import Offloader
from t2v.pipeline.stack import Stack
from t2v.pipeline.vram_estimate import choose_profile, describe_choice, predict_peaks
from t2v.settings.acceleration import NO_ACCELERATION, Acceleration
from t2v.settings.memory_profiles import check_profile
from t2v.settings.presets import Preset


def load_stack(
    preset: Preset,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    memory: str | None = None,
    refine: bool = False,
    acceleration: Acceleration = NO_ACCELERATION,
) -> Stack:
    """Loads all networks of a preset except its refiner.

    Args:
        device: by default the GPU if there is one.
        dtype: what networks compute in. By default float32 on the CPU, and on a GPU what the
            preset's `stack.json` says (float32 if it says nothing).
        memory: a memory profile (offload.py); by default the fastest that fits.
        refine: leaves room for the preset's refiner.
        acceleration: of these networks, and of a refiner that is loaded for them.

    Raises:
        CheckpointError: files are missing or do not fit.
        ConfigError: there is no such memory profile.
    """
    device = device_for(device, memory)
    folder = preset.weights_folder
    sizes = read_json(folder / "stack.json")
    dtype = dtype or compute_dtype(sizes, device)

    networks = build_networks(folder)
    for name, network in networks.items():
        load_network(network, folder / name, "cpu", dtype)
    stack = new_stack(preset, networks, sizes, acceleration)
    if preset.conditioning is not None:
        stack = load_arm(stack, preset, preset.conditioning)
        networks |= {"unet": stack.unet, "extractor": stack.extractor}
    offloader: Offloader | None = None
    notices: tuple[str, ...] = ()
    if device.type != "cpu" or memory is not None:
        refiner = refiner_size(preset, stack) if refine else (0, 0)
        offloader, notices = place_stack(stack, networks, device, memory, refiner)
    profile = offloader.profile if offloader else "full"
    notices = (*notices, *accelerate(networks, acceleration, device, profile))
    return replace(stack, offloader=offloader, notices=notices)


def new_stack(
    preset: Preset,
    networks: dict[str, nn.Module],
    sizes: dict[str, Any],
    acceleration: Acceleration = NO_ACCELERATION,
) -> Stack:
    """Makes a stack of networks by name, as `build_networks` has them."""
    open_clip = is_open_clip(sizes)
    image_encoder = OpenClipImageEncoder if open_clip else ImageEncoder
    text_model = cast(ClipText, networks["text_encoder"])
    return Stack(
        name=preset.name,
        unet=cast(StreamingBase, networks["unet"]),
        extractor=cast(CamExtractor, networks["extractor"]),
        anchor_tokens=cast(AnchorTokens, networks["anchor_tokens"]),
        text_encoder=with_tokenizer(text_model, preset.weights_folder, open_clip),
        image_encoder=image_encoder(networks["image_encoder"]),
        autoencoder=FrameAutoencoder(cast(AutoencoderKL, networks["autoencoder"]), sizes["patch"]),
        schedule=sizes["schedule"],
        frame_size=preset.frame_size,
        chunking=preset.chunking,
        image_first=sizes.get("image_first", False),
        first_unet=cast(VideoUNet | None, networks.get("first_unet")),
        acceleration=acceleration,
    )


def refiner_size(preset: Preset, stack: Stack) -> tuple[int, int]:
    """Bytes of the weights of a preset's refiner, and of its latents of one chunk."""
    settings, itemsize = preset.find_refiner(), stack.unet.dtype.itemsize
    channels, scale = stack.latent_shape()[0], stack.autoencoder.downsampling
    height, width = (-(-side // scale) for side in settings.frame_size)
    latents = settings.chunking.chunk_frames * channels * height * width * itemsize
    return count_weights(preset.refiner_folder) * itemsize, latents


def place_stack(
    stack: Stack,
    networks: dict[str, nn.Module],
    device: torch.device,
    memory: str | None,
    refiner: tuple[int, int],
) -> tuple[Offloader, tuple[str, ...]]:
    """Brings networks to the device as far as they fit, or as far as `memory` says.

    Args:
        refiner: bytes from `refiner_size` to leave free.

    Returns:
        The offloader, and notices for the user.
    """
    if device.type != "cuda":
        return Offloader(networks, device, memory or "full"), ()
    peaks = predict_peaks(
        networks,
        stack.latent_shape(),
        stack.chunking.chunk_frames,
        stack.autoencoder.downsampling,
        refiner,
    )
    return place(networks, device, memory, peaks)


def place(
    networks: dict[str, nn.Module], device: torch.device, memory: str | None, peaks: dict[str, int]
) -> tuple[Offloader, tuple[str, ...]]:
    """Brings networks to a GPU as far as they fit, or as far as `memory` says.

    Args:
        peaks: bytes that every memory profile needs.

    Returns:
        The offloader, and notices for the user.
    """
    free_bytes, _ = torch.cuda.mem_get_info(device)
    offloader = Offloader(networks, device, memory or choose_profile(peaks, free_bytes))
    return offloader, describe_choice(offloader.profile, peaks, free_bytes)


def device_for(device: torch.device | str | None, memory: str | None) -> torch.device:
    """The device to load on: by default the GPU if there is one.

    Raises:
        ConfigError: there is no such memory profile.
    """
    if memory is not None:
        check_profile(memory)
    return torch.device(device or default_device())


def default_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compute_dtype(sizes: dict[str, Any], device: torch.device | str) -> torch.dtype:
    """What networks compute in: float32 on the CPU, and on a GPU what `stack.json` says."""
    if torch.device(device).type == "cpu":
        return torch.float32
    return getattr(torch, sizes.get("dtype", "float32"))
