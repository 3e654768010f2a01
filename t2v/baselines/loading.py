"""Loads a baseline from diffusers' layout, and places it on the device as far as it fits."""

from collections.abc import Callable, Mapping

import torch
from torch import nn

from t2v.baselines.framepack_loading import load_framepack
from t2v.baselines.freenoise import load_freenoise
from t2v.baselines.i2vgen_xl import load_i2vgen_xl
from t2v.baselines.interface import Baseline
from t2v.baselines.skyreels import load_skyreels
from t2v.baselines.sparsectrl import load_sparsectrl
from t2v.baselines.svd import load_svd
from t2v.errors import CheckpointError
from t2v.pipeline.loading import device_for
from t2v.pipeline.loading import place as place_networks
from t2v.pipeline.offload import Offloader
from t2v.pipeline.vram_estimate import predict_baseline_peaks
from t2v.settings.bases import BaseName
from t2v.settings.model_files import missing_file
from t2v.settings.presets import Preset


LOADERS: dict[BaseName, Callable[[Preset, torch.dtype], Baseline]] = {
    "svd": load_svd,
    "i2vgen_xl": load_i2vgen_xl,
    "sparsectrl": load_sparsectrl,
    "freenoise": load_freenoise,
    "framepack": load_framepack,
    "skyreels_v2": load_skyreels,
}
# What networks compute in on a GPU, where it is not float16: as they were trained.
PRECISIONS: dict[BaseName, torch.dtype] = {
    "framepack": torch.bfloat16,
    "skyreels_v2": torch.bfloat16,
}


def load_baseline(
    preset: Preset,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    memory: str | None = None,
) -> Baseline:
    """Loads all networks of a baseline.

    Args:
        device: by default the GPU if there is one.
        dtype: what networks compute in: by default float16 or bfloat16 on a GPU, as they were
            trained, and float32 on the CPU. Autoencoders always compute in float32.
        memory: a memory profile (offload.py); by default the fastest that fits.

    Raises:
        CheckpointError: files are missing or do not fit.
        ConfigError: there is no such memory profile.
    """
    device = device_for(device, memory)
    half = PRECISIONS.get(preset.base, torch.float16)
    dtype = dtype or (torch.float32 if device.type == "cpu" else half)
    missing = missing_file(preset.weights_folder, preset.abilities.needed)
    if missing is not None:
        raise CheckpointError(f"{missing} is missing; `{preset.download_command}` gets it")
    baseline = LOADERS[preset.base](preset, dtype)
    place(baseline, device, memory)
    return baseline


def place(baseline: Baseline, device: torch.device, memory: str | None) -> None:
    """Brings networks to the device as far as they fit, or as far as `memory` says."""
    if device.type == "cpu" and memory is None:
        return
    if device.type != "cuda":
        baseline.offloader = Offloader(baseline.networks, device, memory or "full")
        return
    peaks = predict_peaks(
        type(baseline),
        baseline.networks,
        baseline.frame_size,
        baseline.latents_together,
        baseline.downsampling,
    )
    baseline.offloader, notices = place_networks(dict(baseline.networks), device, memory, peaks)
    baseline.notices += notices


def predict_peaks(
    kind: type[Baseline],
    networks: Mapping[str, nn.Module],
    frame_size: tuple[int, int],
    latents_together: int,
    downsampling: int,
) -> dict[str, int]:
    """Estimates the peak bytes of every memory profile on a GPU.

    Args:
        networks: of the baseline by name, on any device.
        frame_size: height, width in pixels.
        latents_together: over time, of one denoising.
        downsampling: pixels per latent, in each direction.
    """
    height, width = (side // downsampling for side in frame_size)
    work = max(kind.step_bytes * latents_together, kind.decoding_bytes) * height * width
    return predict_baseline_peaks(networks, kind.together, work)
