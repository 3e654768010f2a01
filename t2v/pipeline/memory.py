"""What a stack takes on a GPU, and how it runs on one that has less.

Three profiles, from fast to small:

* full: all networks stay on the GPU.
* balanced: only those of the part that runs now. A video has few parts: text, first chunk, anchor,
  all further chunks. So hardly anything is moved, and little time lost.
* low: the UNets are on the GPU layer by layer, as each layer runs. Every step moves all of them,
  twice: the two halves of the guidance come one after the other.
"""

import os
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from t2v.errors import ConfigError
from t2v.models.attention import TextContext


PROFILES = ("full", "balanced", "low")
STREAMED = ("unet", "extractor", "first_unet", "refiner")  # layer by layer in the low profile
RESIDENT = ("autoencoder",)  # used between all others, and small
PARTS = (  # networks that run together
    ("text_encoder",),
    ("image_encoder", "anchor_tokens"),
    ("first_unet",),
    ("unet", "extractor"),
)
# Latents of more numbers than this keep the GPU busy with one half of the guidance at a time: the
# two together would only take more memory. 24 frames of 512 x 512 pixels.
MOST_TOGETHER = 24 * 4 * 64 * 64


def memory_in_use(device: torch.device) -> tuple[int, bool]:
    """Bytes that this process holds, and whether they are a GPU's."""
    if device.type == "cuda":
        return torch.cuda.memory_reserved(device), True
    resident_pages = Path("/proc/self/statm").read_text().split()[1]
    return int(resident_pages) * os.sysconf("SC_PAGE_SIZE"), False


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
        with torch.inference_mode(False):  # as in `Parked.come`
            self.use()
            for name, network in self._networks.items():
                self._place(name, network)

    def computes_apart(self, num_latents: int) -> bool:
        """Whether the two halves of the guidance come one after the other, not together."""
        return is_apart(self.profile, num_latents)

    def _place(self, name: str, network: nn.Module) -> None:
        if self.profile == "full":
            network.to(self.device)
            return
        network._compiled_call_impl = None  # compiled code expects weights where they were
        if name in RESIDENT:
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


def is_apart(profile: str, num_latents: int) -> bool:
    """Whether a profile computes the two halves of the guidance one after the other.

    Args:
        num_latents: numbers in the latents of one chunk.
    """
    return profile == "low" or (profile == "balanced" and num_latents > MOST_TOGETHER)


def guidance_parts(
    placement: Placement | None, latents: Tensor, *contexts: TextContext
) -> list[tuple[TextContext, ...]]:
    """The texts of one chunk in the batches that networks are to see: all, or one by one."""
    if placement is None or not placement.computes_apart(latents.numel()):
        return [contexts]
    return list(zip(*(context.one_by_one() for context in contexts), strict=True))


def make_room(placement: Placement | None) -> str | None:
    """Goes to the next smaller profile after memory ran out. Not to be called in `except`: an
    error holds on to the tensors that were too many.

    Returns:
        The new profile; None if there is no smaller one.
    """
    lower = lower_profile(placement.profile) if placement else None
    if lower is None:
        return None
    placement.change(lower)
    if placement.device.type == "cuda":
        torch.cuda.empty_cache()
    return lower


def with_room(placement: Placement | None, tell: Callable[[str], None], work: Callable) -> Callable:
    """A function that, where memory runs out, is called again in the next smaller profile.

    Args:
        tell: is given the new profile.
        work: may be called twice with the same arguments.
    """

    def retried(*arguments):
        while True:
            try:
                return work(*arguments)
            except torch.OutOfMemoryError:
                if placement is None or lower_profile(placement.profile) is None:
                    raise
            tell(make_room(placement))

    return retried


def lower_profile(profile: str) -> str | None:
    """The next smaller one; None if there is none."""
    return dict(pairwise(PROFILES)).get(profile)
