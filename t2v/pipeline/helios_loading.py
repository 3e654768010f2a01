"""Loads a Helios preset from diffusers' layout, and places it on the device as far as it fits."""

from dataclasses import replace
from pathlib import Path

import torch
from diffusers.models import HeliosTransformer3DModel
from torch import nn

from t2v.models.eight_bit import check_eight_bit, round_weights
from t2v.models.helios_attention import use_prepared_text
from t2v.models.networks import from_config, read_json
from t2v.models.wan import load_autoencoder, load_text_encoder, load_transformer
from t2v.pipeline.acceleration import not_compiled
from t2v.pipeline.context_parallel import join_processes, share_steps
from t2v.pipeline.helios_stack import HeliosStack
from t2v.pipeline.loading import device_for, place
from t2v.pipeline.offload import Offloader
from t2v.pipeline.vram_estimate import predict_helios_peaks
from t2v.settings.acceleration import Acceleration
from t2v.settings.presets import Preset


def load_helios(
    preset: Preset,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    memory: str | None = None,
    acceleration: Acceleration | None = None,
) -> HeliosStack:
    """Loads all networks of a Helios preset.

    Args:
        device: by default the GPU if there is one.
        dtype: what transformer and text encoder compute in: by default bfloat16 on a GPU, float32
            on the CPU. The autoencoder always computes in float32, as the authors run it.
        memory: a memory profile (offload.py); by default the fastest that fits.
        acceleration: of the transformer: its blocks are compiled, and their weights rounded to 8
            bits, if it says so.

    Raises:
        CheckpointError: files are missing or do not fit.
        ConfigError: there is no such memory profile, or no package for 8-bit weights, or
            no GPU for this process.
    """
    acceleration = acceleration or Acceleration()
    if acceleration.eight_bit:
        check_eight_bit()  # before gigabytes are read
    device = device_for(device, memory)
    if acceleration.context_parallel:
        join_processes(device)
    folder = preset.weights_folder
    dtype = dtype or (torch.float32 if device.type == "cpu" else torch.bfloat16)
    hint = f"; `{preset.download_command}` gets it" if preset.download_command else ""

    transformer = build_transformer(folder / "transformer")
    load_transformer(transformer, folder / "transformer", dtype, hint)
    text_encoder = load_text_encoder(folder, dtype, hint)
    autoencoder = load_autoencoder(folder / "vae", hint)
    networks: dict[str, nn.Module] = {
        "transformer": transformer,
        "umt5": text_encoder.model,
        "autoencoder": autoencoder.vae,
    }
    if acceleration.eight_bit:
        round_weights(transformer.blocks)
    stack = HeliosStack(
        name=preset.name,
        transformer=transformer,
        text_encoder=text_encoder,
        autoencoder=autoencoder,
        scheduler_config=read_json(folder / "scheduler" / "scheduler_config.json"),
        frame_size=preset.frame_size,
        chunking=preset.chunking,
    )
    offloader, notices = place_helios(stack, networks, device, memory)
    notices = (*notices, *accelerate_helios(stack, acceleration, offloader))
    return replace(stack, offloader=offloader, notices=notices)


def build_transformer(folder: Path) -> HeliosTransformer3DModel:
    """Builds the transformer that a folder describes, on the "meta" device.

    Raises:
        CheckpointError: the description is missing or damaged.
    """
    with torch.device("meta"):
        transformer = from_config(HeliosTransformer3DModel, folder)
    # Frequencies of positions, the only values that weight files do not hold.
    config = transformer.config
    transformer.rope = type(transformer.rope)(config["rope_dim"], config["rope_theta"])
    use_prepared_text(transformer)
    return transformer


def place_helios(
    stack: HeliosStack, networks: dict[str, nn.Module], device: torch.device, memory: str | None
) -> tuple[Offloader | None, tuple[str, ...]]:
    """Brings networks to the device as far as they fit, or as far as `memory` says."""
    if device.type != "cuda":
        if device.type == "cpu" and memory is None:
            return None, ()
        return Offloader(networks, device, memory or "full"), ()
    peaks = predict_helios_peaks(
        networks, stack.frame_size, stack.chunk_latents, stack.autoencoder.downsampling
    )
    return place(networks, device, memory, peaks)


def accelerate_helios(
    stack: HeliosStack, acceleration: Acceleration, offloader: Offloader | None
) -> tuple[str, ...]:
    """Compiles the block that the transformer repeats, where all of it stays on the device.

    With context parallel, its steps are shared instead.

    Returns:
        Notices for the user.
    """
    notices: tuple[str, ...] = ()
    if acceleration.context_parallel:
        share_steps(stack)
        if acceleration.compiled:
            notices = ("The networks are not compiled: several GPUs share their steps.",)
            acceleration = replace(acceleration, compiled=False)
    if acceleration.attention != "torch" or acceleration.channels_last:
        notices += ("Attention and Channels last are not for Helios, and are not used.",)
    if not acceleration.compiled:
        return notices
    profile = offloader.profile if offloader else "full"
    if profile != "full":
        return (*notices, not_compiled(profile))
    stack.transformer.compile_repeated_blocks(dynamic=True)
    return notices
