"""The pyramid that Helios denoises a chunk in: small latents first, then twice the size, twice.

Between two levels the latents are enlarged, and their noise is mended: enlarged noise is the same
in every 2 x 2 block, so noise is added whose values in a block cancel each other.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from t2v.pipeline.denoising import Latents


Resized = Float[Tensor, "_ _ _ _ _"]  # latents of another height and width


def steps_of_levels(num_steps: int, num_levels: int) -> list[int]:
    """Shares the steps of a chunk out among the levels; the small ones, which cost least, first."""
    each, rest = divmod(num_steps, num_levels)
    return [each + (level < rest) for level in range(num_levels)]


def shrink_noise(noise: Latents, num_levels: int) -> Resized:
    """The noise that the smallest level starts from, with the variance of the full size."""
    b = len(noise)
    flat = rearrange(noise, "b c f h w -> (b f) c h w")
    for _ in range(num_levels - 1):
        h, w = flat.shape[2:]
        flat = 2 * interpolate(flat, (h // 2, w // 2), mode="bilinear")
    return rearrange(flat, "(b f) c h w -> b c f h w", b=b)


def enlarge(latents: Latents, noise: Resized, start_sigma: float, gamma: float) -> Resized:
    """Latents of twice the height and width, noised as the next level expects them.

    Args:
        noise: of the new size, from `block_noise`.
        start_sigma: of the next level, before its correction for the new noise.
        gamma: how strongly the values of a block cancel each other.
    """
    large = latents.repeat_interleave(2, dim=3).repeat_interleave(2, dim=4)
    signal = 1 - start_sigma
    scale = 1 / (sqrt(1 + 1 / gamma) * (1 - signal) + signal)
    return scale * large + scale * (1 - signal) / sqrt(gamma) * noise


def block_noise(noise: Latents, gamma: float) -> Latents:
    """Noise with covariance (1 + gamma) I - gamma 11^T in every 2 x 2 block.

    The symmetric root of that matrix in closed form. With gamma 1/3 the matrix is singular (the
    values of a block add up to 0), and a Cholesky decomposition of it fails.

    Args:
        noise: independent values.
    """
    alone = sqrt(1 + gamma)
    together = sqrt(max(0.0, 1 - 3 * gamma))
    blocks = rearrange(noise, "b c f (h i) (w j) -> b c f h i w j", i=2, j=2)
    total = blocks.sum(dim=(4, 6), keepdim=True)
    mixed = alone * blocks + (together - alone) / 4 * total
    return rearrange(mixed, "b c f h i w j -> b c f (h i) (w j)")


def time_shift(num_tokens: int, config: Mapping[str, Any]) -> float:
    """How far timesteps are shifted for that many tokens of the transformer: linear in them."""
    low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    least, most = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    return least + (most - least) * (num_tokens - low) / (high - low)


def step_timestep(timestep: Tensor, batch: int) -> Tensor:
    """A timestep as the transformer reads it: one whole number per video."""
    return timestep.expand(batch).to(torch.int64)
