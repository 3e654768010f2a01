"""Warm starts: the networks of a new world begin with weights that were trained on another one.

Temporal layers, CAM and APM know how things move and how chunks are joined, whatever the things
look like. Only layers that touch latents of another number of channels begin untrained.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from t2v.pipeline.stack import Stack


def weights_of(stack: Stack) -> dict[str, Tensor]:
    """The weights of a stack by their names in a `Denoiser`."""
    return {
        f"{part}.{name}": tensor
        for part in ("unet", "extractor", "anchor_tokens")
        for name, tensor in getattr(stack, part).state_dict().items()
    }


def start_from(network: nn.Module, trained: Mapping[str, Tensor]) -> float:
    """Copies every trained tensor that has the same name and shape in a network.

    Returns:
        The share of the network's parameters that were copied, from 0 to 1.
    """
    own = network.state_dict()
    copied = {
        name: tensor
        for name, tensor in trained.items()
        if name in own and own[name].shape == tensor.shape
    }
    network.load_state_dict(copied, strict=False)
    parameters = dict(network.named_parameters())
    total = sum(parameter.numel() for parameter in parameters.values())
    return sum(parameters[name].numel() for name in copied if name in parameters) / total
