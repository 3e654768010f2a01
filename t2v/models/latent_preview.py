"""Rough previews of latents without the decoder: a least-squares linear map to colours."""

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate


Array = np.ndarray
NUM_PICTURES = 16  # that the map is fitted to


class LatentPreview:
    """Shows one frame in about the right colours, at the cost of one small matrix product.

    Args:
        latents: of `pictures`; the map is fitted to both.
        detail: pixels of a preview per latent, in each direction.
    """

    def __init__(
        self, latents: Float[Tensor, "c f h w"], pictures: UInt8[Tensor, "f H W 3"], detail: int
    ):
        self._detail = detail
        pixels = pictures.shape[1] // latents.shape[2] // detail  # of a picture, in one of ours
        seen = rearrange(_read(latents), "c f h w -> (f h w) c")
        shape = "f (h s a) (w t b) rgb -> (f h w) (s t rgb)"
        sizes = {"s": detail, "t": detail, "a": pixels, "b": pixels}
        shown = reduce(pictures.numpy() / 255, shape, "mean", **sizes)
        self._map = np.linalg.lstsq(_with_one(seen), shown)[0]

    def __call__(self, latents: Float[Tensor, "c h w"]) -> UInt8[Array, "H W 3"]:
        seen = rearrange(_read(latents), "c h w -> h w c")
        shape = "h w (s t rgb) -> (h s) (w t) rgb"
        shown = rearrange(_with_one(seen) @ self._map, shape, s=self._detail, t=self._detail)
        return (shown.clip(0, 1) * 255).round().astype(np.uint8)


def colour_fields(side: int) -> UInt8[Tensor, "f {side} {side} 3"]:
    """Pictures of random colour patches, few or many, with soft or hard edges."""
    rng = torch.Generator().manual_seed(0)
    fields = []
    for number in range(NUM_PICTURES):
        patches = torch.rand(1, 3, *[2 ** (number % 4 + 1)] * 2, generator=rng)
        mode = "nearest" if number % 2 else "bilinear"
        fields.append(interpolate(patches, (side, side), mode=mode))
    return (torch.cat(fields) * 255).round().byte().movedim(1, -1).contiguous()


def _read(latents: Tensor) -> Float[Array, "*shape"]:
    """Replaces values that overflowed: a preview must not break a run."""
    return latents.float().cpu().nan_to_num(0, 0, 0).numpy()


def _with_one(values: Float[Array, "*n c"]) -> Float[Array, "*n c_and_1"]:
    """Appends a channel of ones, for the offset of the linear map."""
    return np.concatenate([values, np.ones_like(values[..., :1])], axis=-1)
