"""Acceleration, chosen when networks are loaded: frames change by rounding only."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from t2v.errors import ConfigError
from t2v.models.attention import set_attention_backend
from t2v.settings.acceleration import Acceleration


AT_EVERY_STEP = ("unet", "extractor", "first_unet", "refiner")


def accelerate(
    networks: Mapping[str, nn.Module],
    acceleration: Acceleration,
    device: torch.device,
    profile: str,
) -> tuple[str, ...]:
    """Prepares loaded networks, given by their names in a stack.

    Args:
        profile: the memory profile.

    Returns:
        Notices for the user.
    """
    notices: tuple[str, ...] = ()
    in_the_loop = {name: networks[name] for name in AT_EVERY_STEP if name in networks}
    if acceleration.channels_last:
        for network in networks.values():
            use_channels_last(network)
    if acceleration.attention != "torch":
        notices = choose_attention(in_the_loop, acceleration.attention)
    if acceleration.eight_bit:
        notices = (*notices, "8-bit weights are for Helios alone, and are not used.")
    if not acceleration.compiled:
        return notices
    if profile == "full":
        compile_networks(in_the_loop, device)
        return notices
    return (*notices, not_compiled(profile))


def not_compiled(profile: str) -> str:
    """The notice that networks which move between host and GPU are not compiled."""
    return (
        "The networks are not compiled: that needs the memory profile full, "
        f"and there is room for {profile}."
    )


def choose_attention(networks: Mapping[str, nn.Module], backend: str) -> tuple[str, ...]:
    """Runs attention on a backend, or on torch's where that does not load. Returns notices."""
    try:
        for network in networks.values():
            set_attention_backend(network, backend)
    except ConfigError as error:
        for network in networks.values():
            set_attention_backend(network, "torch")
        return (f"{str(error)[0].upper()}{str(error)[1:]}. Torch's attention is used instead.",)
    return ()


def compile_networks(
    networks: Mapping[str, nn.Module], device: torch.device, backend: str = "inductor"
) -> None:
    """Compiles every network as one graph with static shapes.

    On a GPU the kernels of a call are recorded and replayed together (CUDA graphs), because 16
    small frames take less time than launching their kernels one by one. Another frame size, or
    another number of texts, is compiled again.

    Args:
        backend: of torch.compile.
    """
    options: dict[str, Any] = {"mode": "reduce-overhead"} if device.type == "cuda" else {}
    for network in networks.values():
        network.compile(backend=backend, dynamic=False, fullgraph=True, **options)


def use_channels_last(model: nn.Module) -> None:
    """Stores convolution weights with the channels last.

    Module by module, because torch has one such layout for images and another for videos.
    """
    # torch's annotations leave out calls of `to` with a memory format alone.
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        elif isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
