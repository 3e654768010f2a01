"""Loads the networks of a preset, and places them on the device as far as they fit."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from diffusers.models import AutoencoderKL
from torch import nn

from t2v.models.apm import AnchorTokens
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.cam import CamExtractor
from t2v.models.encoders import ImageEncoder, OpenClipImageEncoder
from t2v.models.networks import (
    ClipText,
    build_networks,
    from_config,
    is_open_clip,
    load_autoencoder,
    load_network,
    load_text_encoder,
    read_json,
    with_tokenizer,
)
from t2v.models.streaming_base import StreamingBase
from t2v.models.video_unet import VideoUNet
from t2v.pipeline.acceleration import accelerate
from t2v.pipeline.offload import Offloader
from t2v.pipeline.sdedit import training_sigmas
from t2v.pipeline.stack import Refiner, Stack
from t2v.pipeline.vram_estimate import (
    choose_profile,
    describe_choice,
    predict_peaks,
    predict_refiner_peaks,
)
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


def load_refiner(
    preset: Preset,
    device: torch.device | str | None = None,
    stack: Stack | None = None,
    memory: str | None = None,
) -> Refiner:
    """Loads the refiner of a preset. It shares the base stack's text encoder and autoencoder.

    A folder `autoencoder` in the refiner's own folder takes precedence over the base stack's.

    Args:
        device: by default that of the stack if there is one, else the GPU.
        stack: the preset's, if it is loaded already: nothing is then loaded twice.
        memory: without a stack, a memory profile (offload.py); by default the fastest that fits.

    Raises:
        PresetError: the preset has no refiner, or its weights are not installed.
        CheckpointError: the weights do not fit.
        ConfigError: there is no such memory profile.
    """
    device = device_for(device or (stack.device if stack else None), memory)
    settings = preset.find_refiner()
    folder = preset.weights_folder
    sizes = read_json(folder / "stack.json")
    dtype = stack.unet.dtype if stack else compute_dtype(sizes, device)

    with torch.device("meta"):
        unet = from_config(VideoUNet, preset.refiner_folder)
    load_network(unet, preset.refiner_folder, "cpu", dtype)
    refiner = Refiner(
        name=preset.name,
        unet=unet,
        autoencoder=_refiner_autoencoder(preset, stack, sizes["patch"], device, dtype),
        text_encoder=stack.text_encoder if stack else load_text_encoder(folder, "cpu", dtype),
        settings=settings,
        sigmas=training_sigmas(settings.schedule, sizes["schedule"]),
        preview_chunking=preset.chunking,
    )
    return add_to_stack(refiner, stack) if stack else place_refiner(refiner, device, memory)


def _refiner_autoencoder(
    preset: Preset, stack: Stack | None, patch: int, device: torch.device, dtype: torch.dtype
) -> FrameAutoencoder:
    own: Path = preset.refiner_folder / "autoencoder"
    if own.is_dir():
        return load_autoencoder(own, patch, device, dtype)
    if stack:
        return stack.autoencoder
    return load_autoencoder(preset.weights_folder / "autoencoder", patch, device, dtype)


def refiner_size(preset: Preset, stack: Stack) -> tuple[int, int]:
    """Bytes of the weights of a preset's refiner, and of its latents of one chunk."""
    settings, itemsize = preset.find_refiner(), stack.unet.dtype.itemsize
    channels, scale = stack.latent_shape()[0], stack.autoencoder.downsampling
    height, width = (-(-side // scale) for side in settings.frame_size)
    files = preset.refiner_folder.glob("*.safetensors")
    latents = settings.chunking.chunk_frames * channels * height * width * itemsize
    return sum(file.stat().st_size for file in files), latents


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


def add_to_stack(refiner: Refiner, stack: Stack) -> Refiner:
    """Hands the refiner's network to the offloader of the stack."""
    if stack.offloader:
        stack.offloader.add("refiner", refiner.unet)
    else:
        nn.Module.to(refiner.unet, stack.device)
    profile = stack.offloader.profile if stack.offloader else "full"
    accelerate({"refiner": refiner.unet}, stack.acceleration, stack.device, profile)
    return replace(refiner, offloader=stack.offloader)


def place_refiner(refiner: Refiner, device: torch.device, memory: str | None) -> Refiner:
    """Brings a refiner without a stack to the device, as far as it fits or `memory` says."""
    networks: dict[str, nn.Module] = {
        "refiner": refiner.unet,
        "text_encoder": refiner.text_encoder.model,
        "autoencoder": refiner.autoencoder.vae,
    }
    if device.type != "cuda":
        return replace(refiner, offloader=Offloader(networks, device, memory or "full"))
    channels, height, width = refiner.latent_shape(refiner.settings.frame_size)
    num_latents = refiner.settings.chunking.chunk_frames * channels * height * width
    peaks = predict_refiner_peaks(networks, num_latents)
    offloader, notices = place(networks, device, memory, peaks)
    return replace(refiner, offloader=offloader, notices=notices)


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
