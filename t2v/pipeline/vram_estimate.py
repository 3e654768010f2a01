"""Estimates the VRAM of a stack in every memory profile, before anything is loaded."""

from collections.abc import Mapping

from torch import nn

from t2v.models.autoencoder import frames_at_once
from t2v.models.eight_bit import stored_bytes
from t2v.models.helios_attention import text_bytes
from t2v.pipeline.offload import PARTS, RESIDENT, STREAMED, is_apart
from t2v.settings.memory_profiles import PROFILES


# Peak bytes of a denoising step, without the weights, per byte of one chunk's latents with
# guidance. Counted on the meta device (tests/test_flops.py).
ACTIVATION_FACTOR = 2700
# The same with one text of guidance at a time, per byte of the latents without guidance.
APART_FACTOR = 2900
# The same for decoding, per byte of the frames that are decoded together, in the network's dtype.
DECODING_FACTOR = 280
# Helios: peak bytes of a denoising step per latent pixel of a chunk, and of decoding per latent
# pixel of one frame, without the weights. Counted in the same way (tests/test_helios_loading.py).
HELIOS_STEP_BYTES = 110_000
HELIOS_DECODING_BYTES = 1_300_000
RESERVE = 600 * 2**20  # of the driver and libraries, and lost between allocations
GIGABYTE = 10**9


def predict_peaks(
    networks: Mapping[str, nn.Module],
    latent_shape: tuple[int, int, int],
    num_frames: int,
    downsampling: int,
    refiner: tuple[int, int] = (0, 0),
) -> dict[str, int]:
    """Estimates the peak bytes of every profile on the GPU.

    Args:
        networks: of a stack by name, on any device.
        latent_shape: channels, height, width of one frame's latents.
        num_frames: of one chunk.
        downsampling: pixels per latent, in each direction.
        refiner: bytes of its weights and of its latents of one chunk, if it runs as well.
    """
    sizes = {name: _num_bytes(network) for name, network in networks.items()}
    itemsize = next(networks["unet"].parameters()).itemsize
    channels, height, width = latent_shape
    num_latents = num_frames * channels * height * width
    decoding = DECODING_FACTOR * itemsize * 3 * height * width * downsampling**2
    decoding *= frames_at_once(height * downsampling, width * downsampling)
    refiner_weights, refiner_latents = refiner

    peaks = {}
    for profile in PROFILES:
        work = max(step_bytes(profile, num_latents, itemsize), decoding)
        refiner_work = step_bytes(profile, refiner_latents // itemsize, itemsize)
        streamed = STREAMED if profile == "low" else ()
        resident = sum(sizes[name] for name in RESIDENT)
        parts = [sum(sizes.get(name, 0) for name in part if name not in streamed) for part in PARTS]
        if profile == "full":
            peak = sum(sizes.values()) + refiner_weights + max(work, refiner_work)
        else:
            held = 0 if "refiner" in streamed else refiner_weights
            peak = resident + max(max(parts) + work, held + refiner_work)
        peaks[profile] = RESERVE + peak
    return peaks


def predict_refiner_peaks(networks: Mapping[str, nn.Module], num_latents: int) -> dict[str, int]:
    """Estimates the same for a refiner that runs alone.

    Args:
        networks: "refiner", "text_encoder" and "autoencoder".
        num_latents: numbers in the latents of one of its chunks.
    """
    sizes = {name: _num_bytes(network) for name, network in networks.items()}
    itemsize = next(networks["refiner"].parameters()).itemsize
    peaks = {}
    for profile in PROFILES:
        work = step_bytes(profile, num_latents, itemsize)
        if profile == "full":
            peak = sum(sizes.values()) + work
        else:
            held = 0 if profile == "low" else sizes["refiner"]
            peak = sizes["autoencoder"] + max(sizes["text_encoder"], held + work)
        peaks[profile] = RESERVE + peak
    return peaks


def predict_helios_peaks(
    networks: Mapping[str, nn.Module],
    frame_size: tuple[int, int],
    chunk_latents: int,
    downsampling: int,
) -> dict[str, int]:
    """Estimates the same for a Helios stack.

    Args:
        networks: "transformer", "umt5" and "autoencoder".
        frame_size: height, width in pixels.
        chunk_latents: latents of a chunk, over time.
        downsampling: pixels per latent, in each direction.
    """
    sizes = {name: _num_bytes(network) for name, network in networks.items()}
    pixels = frame_size[0] * frame_size[1] // downsampling**2
    work = max(HELIOS_STEP_BYTES * chunk_latents * pixels, HELIOS_DECODING_BYTES * pixels)
    work += text_bytes(networks["transformer"])
    layers = {name: _largest_layer(network) for name, network in networks.items()}
    peaks = {
        "full": sum(sizes.values()) + work,
        "balanced": sizes["autoencoder"] + max(sizes["umt5"], sizes["transformer"] + work),
        "low": sizes["autoencoder"] + max(layers["umt5"], layers["transformer"] + work),
    }
    return {profile: RESERVE + peaks[profile] for profile in PROFILES}


def predict_baseline_peaks(
    networks: Mapping[str, nn.Module], together: tuple[tuple[str, ...], ...], work: int
) -> dict[str, int]:
    """Estimates the same for a baseline.

    Args:
        networks: by name; "autoencoder" is resident.
        together: names of networks that run at the same time.
        work: peak bytes of a step or of decoding, whichever is more, without the weights.
    """
    sizes = {name: _num_bytes(network) for name, network in networks.items()}
    layers = {name: _largest_layer(network) for name, network in networks.items()}
    alone = tuple((name,) for name in networks if name not in RESIDENT)
    balanced = [sum(sizes[name] for name in part) for part in (*together, *alone)]
    low = [
        sum((layers if name in STREAMED else sizes)[name] for name in part)
        for part in (*together, *alone)
    ]
    resident = sum(sizes[name] for name in RESIDENT)
    peaks = {
        "full": sum(sizes.values()) + work,
        "balanced": resident + max(balanced) + work,
        "low": resident + max(low) + work,
    }
    return {profile: RESERVE + peaks[profile] for profile in PROFILES}


def step_bytes(profile: str, num_latents: int, itemsize: int) -> int:
    """Estimates the peak bytes of a step with guidance, without the weights."""
    factor = APART_FACTOR if is_apart(profile, num_latents) else 2 * ACTIVATION_FACTOR
    return factor * num_latents * itemsize


def choose_profile(peaks: Mapping[str, int], free_bytes: int) -> str:
    """The fastest profile that fits; the smallest if none does."""
    return next((profile for profile in PROFILES if peaks[profile] <= free_bytes), PROFILES[-1])


def describe_fit(peaks: Mapping[str, int], free_bytes: int) -> str:
    """Says in one sentence which profiles fit."""
    needs = ", ".join(
        f"{profile} {peaks[profile] / GIGABYTE:.1f} GB "
        f"({'fits' if peaks[profile] <= free_bytes else 'does not fit'})"
        for profile in PROFILES
    )
    return f"{free_bytes / GIGABYTE:.1f} GB of the GPU are free; memory profiles need: {needs}."


def describe_choice(profile: str, peaks: Mapping[str, int], free_bytes: int) -> tuple[str, ...]:
    """Says the same and the chosen profile, as one notice."""
    return (f"{describe_fit(peaks, free_bytes)} Running {profile}.",)


def _num_bytes(network: nn.Module) -> int:
    return sum(stored_bytes(tensor) for tensor in (*network.parameters(), *network.buffers()))


def _largest_layer(network: nn.Module) -> int:
    """Bytes of the largest layer, which is alone on the GPU in the low profile."""
    return max(
        sum(stored_bytes(tensor) for tensor in layer.parameters(recurse=False))
        for layer in network.modules()
    )
