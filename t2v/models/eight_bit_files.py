"""Weights in 8 bits on the disk: whole numbers, and one scale for each output of a layer.

Half the size of half precision. Gaussian weights lose about 1 % of their size to rounding. Networks
that are loaded from such files compute as always; `eight_bit` is about memory.
"""

import torch
from torch import Tensor

from t2v.errors import CheckpointError


SCALE_SUFFIX = "::scale"
LARGEST = 127


def pack(key: str, weight: Tensor) -> dict[str, Tensor]:
    """Rounds the rows of a weight of two dimensions or more; others become half precision.

    Rounding again what was unpacked changes nothing.
    """
    if not weight.is_floating_point() or weight.ndim < 2:
        return {key: weight.half() if weight.is_floating_point() else weight}
    rows = weight.float().flatten(1)
    scales = rows.abs().amax(1) / LARGEST
    scales = torch.where(scales == 0, 1.0, scales)
    numbers = (rows / scales[:, None]).round().to(torch.int8)
    return {key: numbers.view(weight.shape), key + SCALE_SUFFIX: scales}


def unpack(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Restores the weights in float32; those that were not rounded stay as they are.

    Raises:
        CheckpointError: a scale does not belong to any weight.
    """
    weights = {key: tensor for key, tensor in tensors.items() if not key.endswith(SCALE_SUFFIX)}
    for key in tensors.keys() - weights.keys():
        name, scales = key.removesuffix(SCALE_SUFFIX), tensors[key]
        numbers = weights.get(name)
        if numbers is None or numbers.ndim < 2 or scales.shape != numbers.shape[:1]:
            raise CheckpointError(f"{key} fits no weight")
        weights[name] = (numbers.float().flatten(1) * scales[:, None]).view(numbers.shape)
    return weights
