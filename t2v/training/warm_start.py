"""A warm start: the denoiser of a new world begins with weights that were trained on another one.

Temporal layers, CAM and APM know how things move and how chunks are joined, whatever the things
look like. Only layers that touch latents of another number of channels begin untrained.
"""

from t2v.pipeline.stack import Stack
from t2v.training.denoiser import Denoiser


def start_from(denoiser: Denoiser, stack: Stack) -> float:
    """Copies every tensor that has the same name and shape in a trained stack.

    Returns:
        The share of the denoiser's parameters that were copied, from 0 to 1.
    """
    trained = {
        f"{part}.{name}": tensor
        for part in ("unet", "extractor", "anchor_tokens")
        for name, tensor in getattr(stack, part).state_dict().items()
    }
    own = denoiser.state_dict()
    copied = {
        name: tensor
        for name, tensor in trained.items()
        if name in own and own[name].shape == tensor.shape
    }
    denoiser.load_state_dict(copied, strict=False)
    parameters = dict(denoiser.named_parameters())
    total = sum(parameter.numel() for parameter in parameters.values())
    return sum(parameters[name].numel() for name in copied if name in parameters) / total
