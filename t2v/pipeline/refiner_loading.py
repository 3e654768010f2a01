"""Loads the refiner of a preset, next to its base stack or alone."""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.networks import (
    from_config,
    load_autoencoder,
    load_network,
    load_text_encoder,
    read_json,
)
from t2v.models.video_unet import VideoUNet
from t2v.pipeline.acceleration import accelerate
from t2v.pipeline.loading import compute_dtype, device_for, place
from t2v.pipeline.offload import Offloader
from t2v.pipeline.sdedit import training_sigmas
from t2v.pipeline.stack import Refiner, Stack
from t2v.pipeline.vram_estimate import predict_refiner_peaks
from t2v.settings.presets import Preset


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
