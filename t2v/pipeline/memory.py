"""What a stack takes on a GPU, and how it runs on one that has less.

Three profiles, from fast to small:

* full: all networks stay on the GPU.
* balanced: only those of the part that runs now. A video has few parts: text, first chunk, anchor,
  all further chunks. So hardly anything is moved, and little time lost.
* low: the UNets are on the GPU layer by layer, as each layer runs. Every step moves all of them.
"""

from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from t2v.errors import ConfigError
from t2v.models.autoencoder import frames_at_once


PROFILES = ("full", "balanced", "low")
STREAMED = ("unet", "extractor", "first_unet", "refiner")  # layer by layer in the low profile
RESIDENT = ("autoencoder",)  # used between all others, and small
PARTS = (  # networks that run together
    ("text_encoder",),
    ("image_encoder", "anchor_tokens"),
    ("first_unet",),
    ("unet", "extractor"),
)
# Bytes of the largest moment of a denoising step, beside the weights, per byte of one chunk's
# latents with guidance. Counted on the meta device (tests/test_flops.py).
ACTIVATION_FACTOR = 2700
# The same for decoding, per byte of the frames that are decoded together, in the network's floats.
DECODING_FACTOR = 280
RESERVE = 600 * 2**20  # of the driver, of libraries, and lost between allocations
GIGABYTE = 10**9


def check_profile(profile: str) -> None:
    """
    Raises:
        ConfigError: there is no such profile.
    """
    if profile not in PROFILES:
        raise ConfigError(f"memory must be one of {', '.join(PROFILES)}, got {profile!r}")


class Parked:
    """Tensors of a module that come to the device and go again; their home is the host."""

    def __init__(self, tensors: list[Tensor], device: torch.device):
        self._tensors = tensors
        self._device = device
        self._homes = [_home(tensor.data, device) for tensor in tensors]
        self.leave()

    def come(self) -> None:
        # Outside of inference mode: parameters take no tensors that were born in it.
        with torch.inference_mode(False):
            for tensor, home in zip(self._tensors, self._homes, strict=True):
                tensor.data = copy_to(home, self._device)

    def leave(self) -> None:
        for tensor, home in zip(self._tensors, self._homes, strict=True):
            tensor.data = home


def _home(tensor: Tensor, device: torch.device) -> Tensor:
    tensor = tensor.cpu()
    return tensor.pin_memory() if device.type == "cuda" else tensor


def copy_to(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device, non_blocking=True)


class Placement:
    """Keeps the networks of a stack where a profile wants them."""

    def __init__(self, networks: Mapping[str, nn.Module], device: torch.device, profile: str):
        self.device = device
        self.notice = ""  # for the user, when a video begins
        self._networks: dict[str, nn.Module] = {}
        self._parked: dict[str, Parked] = {}
        self._here: set[str] = set()
        check_profile(profile)
        self.profile = profile
        for name, network in networks.items():
            self.add(name, network)

    def add(self, name: str, network: nn.Module) -> None:
        """Takes care of one more network, which is on the host."""
        self._networks[name] = network
        self._place(name, network)

    def change(self, profile: str) -> None:
        """Goes to a profile; from there only to smaller ones.

        Raises:
            ConfigError: there is no such profile.
        """
        check_profile(profile)
        self.profile = profile
        self.use()
        for name, network in self._networks.items():
            self._place(name, network)

    def _place(self, name: str, network: nn.Module) -> None:
        if self.profile == "full" or name in RESIDENT:
            network.to(self.device)
        elif self.profile == "low" and name in STREAMED:
            self._parked.pop(name, None)
            self._stream(network)
        elif name not in self._parked:
            tensors = [*network.parameters(), *network.buffers()]
            self._parked[name] = Parked(tensors, self.device)

    def use(self, *names: str) -> None:
        """These networks run next; what is not among them may leave the device."""
        for name in self._here - set(names):
            self._parked[name].leave()
        for name in set(names) & self._parked.keys() - self._here:
            self._parked[name].come()
        self._here = set(names) & self._parked.keys()

    def _stream(self, network: nn.Module) -> None:
        for module in network.modules():
            own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
            if not own:
                continue
            parked = Parked(own, self.device)
            module.register_forward_pre_hook(lambda module, inputs, parked=parked: parked.come())
            module.register_forward_hook(
                lambda module, inputs, output, parked=parked: parked.leave(), always_call=True
            )


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
    latents = 2 * num_frames * channels * height * width * itemsize
    decoded = frames_at_once(height * downsampling, width * downsampling) * 3
    decoded *= height * width * downsampling**2 * itemsize
    work = max(ACTIVATION_FACTOR * latents, DECODING_FACTOR * decoded)

    resident = sum(sizes[name] for name in RESIDENT)
    parts = [[sizes.get(name, 0) for name in part] for part in PARTS]
    streamed = [[0 if name in STREAMED else sizes.get(name, 0) for name in part] for part in PARTS]
    refiner_weights, refiner_latents = refiner
    refiner_work = 2 * ACTIVATION_FACTOR * refiner_latents
    peaks = {
        "full": sum(sizes.values()) + refiner_weights + max(work, refiner_work),
        "balanced": resident + max(max(map(sum, parts)) + work, refiner_weights + refiner_work),
        "low": resident + max(max(map(sum, streamed)) + work, refiner_work),
    }
    return {profile: RESERVE + peak for profile, peak in peaks.items()}


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


def lower_profile(profile: str) -> str | None:
    """The next smaller one; None if there is none."""
    return dict(pairwise(PROFILES)).get(profile)


def _num_bytes(network: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in (*network.parameters(), *network.buffers()))
