"""How networks run faster. Chosen when they are loaded; frames change by rounding only."""

from collections.abc import Mapping

import torch
from torch import nn

from t2v.config import Acceleration
from t2v.errors import ConfigError
from t2v.models.attention import set_attention_backend


AT_EVERY_STEP = ("unet", "extractor", "first_unet", "refiner")


def accelerate(
    networks: Mapping[str, nn.Module],
    acceleration: Acceleration,
    device: torch.device,
    profile: str,
) -> tuple[str, ...]:
    """Prepares networks that are loaded, by their names in a stack.

    Args:
        profile: of the memory.

    Returns:
        What the user should know, in sentences.
    """
    notices = ()
    in_the_loop = {name: networks[name] for name in AT_EVERY_STEP if name in networks}
    if acceleration.channels_last:
        for network in networks.values():
            use_channels_last(network)
    if acceleration.attention != "torch":
        notices = choose_attention(in_the_loop, acceleration.attention)
    if not acceleration.compiled:
        return notices
    if profile == "full":
        compile_networks(in_the_loop, device)
        return notices
    return (
        *notices,
        "The networks are not compiled: that needs the memory profile full, "
        f"and there is room for {profile}.",
    )


def choose_attention(networks: Mapping[str, nn.Module], backend: str) -> tuple[str, ...]:
    """Makes the attention of the networks run on a backend; on torch's where it does not load."""
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
    """Has every network compiled as one graph, with static shapes.

    On a GPU the kernels of a call are recorded, and replayed together (CUDA graphs): 16 small
    frames take less time than launching their kernels one by one. Another size of frames, or
    another number of texts, is compiled again.

    Args:
        backend: of torch.compile.
    """
    options = {"mode": "reduce-overhead"} if device.type == "cuda" else {}
    for network in networks.values():
        network.compile(backend=backend, dynamic=False, fullgraph=True, **options)


def use_channels_last(model: nn.Module) -> None:
    """Module by module: torch has one such layout for images and another for videos."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)
        elif isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)
