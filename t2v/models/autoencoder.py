"""Autoencoder: frames to latents and back. All conversions of pixel layout and range are here."""

from functools import cache, cached_property

import numpy as np
import torch
from diffusers.models import AutoencoderKL
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from t2v.models.latent_preview import LatentPreview, colour_fields


class FrameAutoencoder(nn.Module):
    """Runs a diffusers AutoencoderKL frame by frame, with standardised latents.

    Args:
        vae: its config's `latents_mean` and `latents_std` (one value per channel) standardise the
            latents; without them `scaling_factor` does.
        patch: every patch x patch block of pixels becomes channels before the first convolution,
            which makes a small autoencoder `patch` times cheaper in each direction.
    """

    def __init__(self, vae: AutoencoderKL, patch: int = 1):
        super().__init__()
        self.vae = vae
        # torch's annotations leave out calls of `to` with a memory format alone.
        nn.Module.to(vae, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.patch = patch

    @property
    def downsampling(self) -> int:
        """Pixels per latent, in each direction."""
        return self.patch * 2 ** (len(self.vae.config["block_out_channels"]) - 1)

    @cached_property
    def preview(self) -> LatentPreview:
        """Shows latents without decoding them. Fitted at its first use."""
        pictures = colour_fields(8 * self.downsampling)
        with torch.no_grad():
            [latents] = self.encode(pictures[None].to(self.vae.device))
        return LatentPreview(latents, pictures, detail=self.patch)

    def _scale(self) -> tuple[Tensor | float, Tensor | float]:
        config, device = self.vae.config, self.vae.device
        mean, std = config["latents_mean"], config["latents_std"]
        if mean is None or std is None:
            return 0.0, 1 / config["scaling_factor"]
        return channel_values(tuple(mean), device), channel_values(tuple(std), device)

    def posterior(self, pixels: Float[Tensor, "n 3 H W"]) -> DiagonalGaussianDistribution:
        """The distribution of raw latents of pixels in [-1, 1]."""
        patches = self._input(pixel_unshuffle(pixels, self.patch))
        return self.vae.encode(patches).latent_dist

    def reconstruct(self, raw: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 3 H W"]:
        """Decodes raw latents to pixels of about [-1, 1]."""
        return pixel_shuffle(self.vae.decode(self._input(raw)).sample, self.patch)

    def _input(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x.to(self.vae.dtype, memory_format=torch.channels_last)

    def encode(self, frames: UInt8[Tensor, "b f H W 3"]) -> Float[Tensor, "b c f h w"]:
        """Encodes frames as standardised latents (the mean of the posterior)."""
        return self.encode_pixels(to_pixels(frames))

    def encode_pixels(self, pixels: Float[Tensor, "b f 3 H W"]) -> Float[Tensor, "b c f h w"]:
        """The same of pixels in [-1, 1]."""
        mean, std = self._scale()
        raw = self.posterior(rearrange(pixels, "b f c h w -> (b f) c h w")).mean.float()
        return rearrange((raw - mean) / std, "(b f) c h w -> b c f h w", b=len(pixels))

    def raw(self, latents: Float[Tensor, "b c f h w"]) -> Float[Tensor, "bf c h w"]:
        """Undoes the standardisation, for the decoder."""
        mean, std = self._scale()
        return rearrange(latents, "b c f h w -> (b f) c h w") * std + mean

    def decode(self, latents: Float[Tensor, "1 c f h w"]) -> UInt8[np.ndarray, "f H W 3"]:
        """Decodes one video a few frames at a time, so that memory does not grow with f.

        Raises:
            FloatingPointError: pixels are NaN or infinite; as bytes they would be black.
        """
        raw = self.raw(latents)
        together = frames_at_once(*(side * self.downsampling for side in raw.shape[2:]))
        pixels = torch.cat([self.reconstruct(part) for part in raw.split(together)])
        if not pixels.isfinite().all():
            raise FloatingPointError("decoded pixels are no numbers")
        pixels = rearrange(pixels, "f c h w -> f h w c").float()
        return ((pixels + 1) * 127.5).round().clamp(0, 255).byte().cpu().numpy()


@cache
def channel_values(values: tuple[float, ...], device: torch.device) -> Float[Tensor, "c 1 1"]:
    """One value per channel, as pictures are multiplied with them."""
    with torch.inference_mode(False):  # cached, and training needs it as well
        return torch.tensor(values, device=device).view(-1, 1, 1)


def frames_at_once(height: int, width: int) -> int:
    """How many frames of a size are decoded together: 8 of 256 x 256, 1 of 720 x 720."""
    return max(1, min(8, 8 * 256 * 256 // (height * width)))


def to_pixels(frames: UInt8[Tensor, "*n H W 3"]) -> Float[Tensor, "*n 3 H W"]:
    """Converts uint8 frames to channels-first floats in [-1, 1], as all networks read them."""
    return frames.movedim(-1, -3).float() / 127.5 - 1
