"""Quantized weights on the disk: 8-bit integers, and one scale for each output of a layer.

Half the size of half precision. Rounding changes Gaussian weights by about 1 % of their standard
deviation. Networks that are loaded from such files compute as always; `eight_bit` saves memory.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from t2v.errors import CheckpointError


SCALE_SUFFIX = "::scale"
LARGEST = 127
EXACT_BITS = ~0xFF  # of a float32: 16 bits of the mantissa, so that 127 times a scale is exact


def quantize(key: str, weight: Tensor) -> dict[str, Tensor]:
    """Rounds the rows of a weight of two dimensions or more; others become half precision.

    What was dequantized becomes the same integers and scales again.
    """
    if not weight.is_floating_point() or weight.ndim < 2:
        return {key: weight.half() if weight.is_floating_point() else weight}
    rows = weight.float().flatten(1)
    scales = _round_down(rows.abs().amax(1) / LARGEST)
    scales = torch.where(scales == 0, 1.0, scales)
    integers = (rows / scales[:, None]).round().clamp(-LARGEST, LARGEST).to(torch.int8)
    return {key: integers.view(weight.shape), key + SCALE_SUFFIX: scales}


def _round_down(scales: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    return (scales.view(torch.int32) & EXACT_BITS).view(torch.float32)


def dequantize(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Restores quantized weights in float32; others stay as they are.

    Raises:
        CheckpointError: integers and scales do not belong together.
    """
    weights = {key: tensor for key, tensor in tensors.items() if not key.endswith(SCALE_SUFFIX)}
    scales = {key.removesuffix(SCALE_SUFFIX): tensors[key] for key in tensors.keys() - weights}
    for key in scales.keys() | {key for key, weight in weights.items() if _is_quantized(weight)}:
        integers, scale = weights.get(key), scales.get(key)
        if integers is None or scale is None or not _is_quantized(integers):
            raise CheckpointError(f"{key} has integers without scales, or scales without integers")
        if scale.shape != integers.shape[:1]:
            raise CheckpointError(f"{key} has {len(integers)} rows and {scale.numel()} scales")
        weights[key] = (integers.float().flatten(1) * scale[:, None]).view(integers.shape)
    return weights


def _is_quantized(weight: Tensor) -> bool:
    return weight.dtype == torch.int8 and weight.ndim >= 2
