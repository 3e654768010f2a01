"""Offloading: runs a stack on a GPU that cannot hold all of its networks.

Three memory profiles, from fast to small:

* full: all networks stay on the GPU.
* balanced: only the networks of the current part are on the GPU. A video has few parts (text, first
  chunk, anchor, all further chunks), so little is moved and little time is lost.
* low: the largest networks are loaded layer by layer, as each layer runs. Every step moves a UNet
  twice, because the two texts of guidance are computed one after the other.
"""

import os
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor, nn

from t2v.models.attention import TextContext
from t2v.models.eight_bit import is_packed
from t2v.settings.memory_profiles import PROFILES, check_profile


# Layer by layer in the low profile.
STREAMED = (
    "unet",
    "controlnet",
    "extractor",
    "first_unet",
    "refiner",
    "transformer",
    "umt5",
    "llama",
)
RESIDENT = ("autoencoder",)  # never offloaded: small, and used between all others
PARTS = (  # networks that run together
    ("text_encoder",),
    ("image_encoder", "anchor_tokens"),
    ("first_unet",),
    ("unet", "extractor"),
)
# Latents with more numbers than this keep the GPU busy with one text of guidance: both together
# would only take more memory. 24 frames of 512 x 512 pixels.
MOST_TOGETHER = 24 * 4 * 64 * 64


class MemoryInUse(TypedDict):
    """Fields of a StepDone."""

    memory: int
    is_gpu: bool


def memory_in_use(device: torch.device) -> MemoryInUse:
    """Bytes in use, and whether they are a GPU's.

    Of a GPU it is what its driver counts, of all programs; on the CPU, what this process holds.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return {"memory": total - free, "is_gpu": True}
    resident_pages = Path("/proc/self/statm").read_text().split()[1]
    return {"memory": int(resident_pages) * os.sysconf("SC_PAGE_SIZE"), "is_gpu": False}


def gpu_bytes() -> int:
    """Memory of the GPU that this process uses, in all; 0 without one."""
    if not torch.cuda.is_available():
        return 0
    return int(torch.cuda.get_device_properties(0).total_memory)


class OffloadedModule:
    """Keeps tensors in pinned host memory, and copies them to the device on demand."""

    def __init__(self, tensors: list[Tensor], device: torch.device):
        self._tensors = tensors
        self._device = device
        self._on_host = [_to_host(tensor.detach(), device) for tensor in tensors]
        self.offload()

    def load(self) -> None:
        """Copies the tensors to the device."""
        # Outside of inference mode: parameters accept no tensors created in it.
        with torch.inference_mode(False):
            for tensor, on_host in zip(self._tensors, self._on_host, strict=True):
                replace_data(tensor, copy_to(on_host, self._device))

    def offload(self) -> None:
        """Drops the copies on the device. Weights never change, so nothing is copied back."""
        for tensor, on_host in zip(self._tensors, self._on_host, strict=True):
            replace_data(tensor, on_host)


def replace_data(tensor: Tensor, data: Tensor) -> None:
    """Gives a parameter or buffer other values, where every module that has it finds them.

    A packed tensor has its values in others, which follow only if the two are swapped.
    """
    if is_packed(tensor):
        torch.utils.swap_tensors(tensor, nn.Parameter(data.detach(), requires_grad=False))
    else:
        tensor.data = data


def _to_host(tensor: Tensor, device: torch.device) -> Tensor:
    if is_packed(tensor):
        return tensor.detach().cpu()  # which cannot be pinned
    tensor = tensor.cpu()
    return tensor.pin_memory() if device.type == "cuda" else tensor


def copy_to(tensor: Tensor, device: torch.device) -> Tensor:
    """Copies a tensor without waiting for the device."""
    return tensor.to(device, non_blocking=True)


class Offloader:
    """Loads and offloads the networks of a stack as a memory profile asks for."""

    def __init__(self, networks: Mapping[str, nn.Module], device: torch.device, profile: str):
        self.device = device
        self._networks: dict[str, nn.Module] = {}
        self._offloaded: dict[str, OffloadedModule] = {}
        self._loaded: set[str] = set()
        check_profile(profile)
        self.profile = profile
        for name, network in networks.items():
            self.add(name, network)

    def add(self, name: str, network: nn.Module) -> None:
        """Takes care of one more network, which is on the host."""
        self._networks[name] = network
        self._place(name, network)

    def change(self, profile: str) -> None:
        """Changes to a smaller profile.

        Raises:
            ConfigError: there is no such profile.
        """
        check_profile(profile)
        self.profile = profile
        with torch.inference_mode(False):  # as in `OffloadedModule.load`
            self.use()
            for name, network in self._networks.items():
                self._place(name, network)

    def computes_apart(self, num_latents: int) -> bool:
        """Whether the two texts of guidance are computed one after the other, not together."""
        return is_apart(self.profile, num_latents)

    def use(self, *names: str) -> None:
        """Loads the networks that run next, and offloads the others."""
        for name in self._loaded - set(names):
            self._offloaded[name].offload()
        for name in set(names) & self._offloaded.keys() - self._loaded:
            self._offloaded[name].load()
        self._loaded = set(names) & self._offloaded.keys()

    def _place(self, name: str, network: nn.Module) -> None:
        if self.profile == "full":
            network.to(self.device)
            return
        # Compiled code expects weights to stay where they were.
        network._compiled_call_impl = None
        if name in RESIDENT:
            network.to(self.device)
        elif self.profile == "low" and name in STREAMED:
            self._offloaded.pop(name, None)
            self._stream(network)
        elif name not in self._offloaded:
            tensors = [*network.parameters(), *network.buffers()]
            self._offloaded[name] = OffloadedModule(tensors, self.device)

    def _stream(self, network: nn.Module) -> None:
        """Loads every layer right before it runs, and offloads it right after."""
        for layer in network.modules():
            own = [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]
            if not own:
                continue
            offloaded = OffloadedModule(own, self.device)
            layer.register_forward_pre_hook(lambda *_, offloaded=offloaded: offloaded.load())
            layer.register_forward_hook(
                lambda *_, offloaded=offloaded: offloaded.offload(), always_call=True
            )


def is_apart(profile: str, num_latents: int) -> bool:
    """Whether a profile computes the two texts of guidance one after the other.

    Args:
        num_latents: numbers in the latents of one chunk.
    """
    return profile == "low" or (profile == "balanced" and num_latents > MOST_TOGETHER)


def guidance_parts(
    offloader: Offloader | None, latents: Tensor, *contexts: TextContext
) -> list[tuple[TextContext, ...]]:
    """Splits the texts of a chunk into the batches that networks see: all, or one by one."""
    if offloader is None or not offloader.computes_apart(latents.numel()):
        return [contexts]
    return list(zip(*(context.one_by_one() for context in contexts), strict=True))


def lower_profile(profile: str) -> str | None:
    """The next smaller profile; None if there is none."""
    return dict(pairwise(PROFILES)).get(profile)
