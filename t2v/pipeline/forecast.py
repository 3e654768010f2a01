"""What a stack will take on a GPU in every memory profile, before anything of it is there."""

from collections.abc import Mapping

from torch import nn

from t2v.models.autoencoder import frames_at_once
from t2v.pipeline.memory import PARTS, PROFILES, RESIDENT, STREAMED, is_apart


# Bytes of the largest moment of a denoising step, beside the weights, per byte of one chunk's
# latents with guidance. Counted on the meta device (tests/test_flops.py).
ACTIVATION_FACTOR = 2700
# The same with one half of the guidance at a time, per byte of the latents without guidance.
APART_FACTOR = 2900
# The same for decoding, per byte of the frames that are decoded together, in the network's floats.
DECODING_FACTOR = 280
RESERVE = 600 * 2**20  # of the driver, of libraries, and lost between allocations
GIGABYTE = 10**9


def predict_peaks(
    networks: Mapping[str, nn.Module],
    latent_shape: tuple[int, int, int],
    num_frames: int,
    downsampling: int,
    refiner: tuple[int, int] = (0, 0),
) -> dict[str, int]:
    """Bytes that every profile is expected to take on the GPU at most.

    Args:
        networks: of a stack by name, on any device.
        latent_shape: channels, height, width of one frame's latents.
        num_frames: denoised together.
        downsampling: pixels per latent, in each direction.
        refiner: bytes of its weights and of its latents of one chunk, if it runs too.
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
    """The same for a refiner that runs alone.

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


def step_bytes(profile: str, num_latents: int, itemsize: int) -> int:
    """Bytes of the largest moment of a step with guidance, beside the weights."""
    factor = APART_FACTOR if is_apart(profile, num_latents) else 2 * ACTIVATION_FACTOR
    return factor * num_latents * itemsize


def choose_profile(peaks: Mapping[str, int], free_bytes: int) -> str:
    """The fastest profile that fits; the smallest if none does."""
    return next((profile for profile in PROFILES if peaks[profile] <= free_bytes), PROFILES[-1])


def describe_fit(peaks: Mapping[str, int], free_bytes: int) -> str:
    """What will and what will not fit, in one sentence, before anything is made."""
    needs = ", ".join(
        f"{profile} {peaks[profile] / GIGABYTE:.1f} GB "
        f"({'fits' if peaks[profile] <= free_bytes else 'does not fit'})"
        for profile in PROFILES
    )
    return f"{free_bytes / GIGABYTE:.1f} GB of the GPU are free; memory profiles need: {needs}."


def describe_choice(profile: str, peaks: Mapping[str, int], free_bytes: int) -> tuple[str, ...]:
    """The same with what was chosen of it, as one notice."""
    return (f"{describe_fit(peaks, free_bytes)} Running {profile}.",)


def _num_bytes(network: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
