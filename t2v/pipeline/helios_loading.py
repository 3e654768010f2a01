"""Loads a Helios preset from diffusers' layout, and places it on the device as far as it fits.

The library's own `from_pretrained` needs one more package to build a model without memory for
random weights; the "meta" device does the same.
"""

from dataclasses import replace
from pathlib import Path

import torch
from diffusers.models import AutoencoderKLWan, HeliosTransformer3DModel
from torch import nn
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from t2v.errors import CheckpointError
from t2v.models.eight_bit import check_eight_bit, round_weights
from t2v.models.encoders import Umt5TextEncoder
from t2v.models.helios_attention import MAX_TOKENS, use_prepared_text
from t2v.models.networks import from_config, read_json
from t2v.models.shards import load_shards
from t2v.models.video_autoencoder import VideoAutoencoder
from t2v.pipeline.context_parallel import join_processes, share_steps
from t2v.pipeline.helios_stack import HeliosStack
from t2v.pipeline.loading import device_for, place
from t2v.pipeline.offload import Offloader
from t2v.pipeline.vram_estimate import predict_helios_peaks
from t2v.settings.acceleration import Acceleration
from t2v.settings.presets import Preset


Networks = tuple[HeliosTransformer3DModel, UMT5EncoderModel, AutoencoderKLWan]


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

    transformer, text_model, vae = build_helios(folder)
    kept = set(transformer._keep_in_fp32_modules or ())
    load_shards(
        transformer,
        folder / "transformer",
        lambda key: torch.float32 if kept & set(key.split(".")) else dtype,
        hint,
    )
    load_shards(text_model, folder / "text_encoder", lambda _: dtype, hint)
    load_shards(vae, folder / "vae", lambda _: torch.float32, hint)
    networks: dict[str, nn.Module] = {
        "transformer": transformer,
        "umt5": text_model,
        "autoencoder": vae,
    }
    for network in networks.values():
        network.requires_grad_(False).eval()
    if acceleration.eight_bit:
        round_weights(transformer.blocks)
    stack = HeliosStack(
        name=preset.name,
        transformer=transformer,
        text_encoder=Umt5TextEncoder(text_model, load_tokenizer(folder / "tokenizer")),
        autoencoder=VideoAutoencoder(vae),
        scheduler_config=read_json(folder / "scheduler" / "scheduler_config.json"),
        frame_size=preset.frame_size,
        chunking=preset.chunking,
    )
    offloader, notices = place_helios(stack, networks, device, memory)
    notices = (*notices, *accelerate_helios(stack, acceleration, offloader))
    return replace(stack, offloader=offloader, notices=notices)


def build_helios(folder: Path) -> Networks:
    """Builds the networks that a folder describes, on the "meta" device.

    Raises:
        CheckpointError: a description is missing or damaged.
    """
    with torch.device("meta"):
        transformer = from_config(HeliosTransformer3DModel, folder / "transformer")
        text_model = UMT5EncoderModel(UMT5Config(**read_json(folder / "text_encoder/config.json")))
        vae = from_config(AutoencoderKLWan, folder / "vae")
    # Frequencies of positions, the only values that weight files do not hold.
    config = transformer.config
    transformer.rope = type(transformer.rope)(config["rope_dim"], config["rope_theta"])
    use_prepared_text(transformer)
    return transformer, text_model, vae


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Loads the tokenizer, cut to the length that the weights were trained with.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"the tokenizer in {folder} cannot be read: {error}") from error
    tokenizer.model_max_length = min(tokenizer.model_max_length, MAX_TOKENS)
    return tokenizer


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
        return (
            *notices,
            "The networks are not compiled: that needs the memory profile full, "
            f"and there is room for {profile}.",
        )
    stack.transformer.compile_repeated_blocks(dynamic=True)
    return notices
