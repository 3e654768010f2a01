"""Autoencoder of whole chunks: Wan's, which also shortens time."""

from functools import cached_property

import numpy as np
import torch
from diffusers.models import AutoencoderKLWan
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from t2v.models.autoencoder import channel_values, to_pixels
from t2v.models.latent_preview import LatentPreview, colour_fields


class VideoAutoencoder(nn.Module):
    """Runs a diffusers AutoencoderKLWan with standardised latents.

    A chunk's first frame becomes a latent of its own, every further four frames one more. Inside,
    the library works latent by latent, so its peak memory does not depend on the length of a chunk.
    """

    def __init__(self, vae: AutoencoderKLWan):
        super().__init__()
        self.vae = vae

    @property
    def downsampling(self) -> int:
        """Pixels per latent, in each direction."""
        return self.vae.config["scale_factor_spatial"]

    def num_latents(self, num_frames: int) -> int:
        """Latents of that many frames which are encoded together."""
        return 1 + (num_frames - 1) // self.vae.config["scale_factor_temporal"]

    @cached_property
    def preview(self) -> LatentPreview:
        """Shows latents without decoding them. Fitted at its first use."""
        pictures = colour_fields(8 * self.downsampling)
        with torch.no_grad():
            latents = self.encode(pictures[:, None].to(self.vae.device))
        return LatentPreview(rearrange(latents, "f c 1 h w -> c f h w"), pictures, detail=1)

    def encode(self, frames: UInt8[Tensor, "b f H W 3"]) -> Float[Tensor, "b c n h w"]:
        """Encodes frames as standardised latents (the mean of the posterior)."""
        mean, std = self._scale()
        pixels = rearrange(to_pixels(frames), "b f c H W -> b c f H W").to(self.vae.dtype)
        raw = self.vae.encode(pixels).latent_dist.mode().float()
        return (raw - mean) / std

    def decode(self, latents: Float[Tensor, "1 c n h w"]) -> UInt8[np.ndarray, "f H W 3"]:
        """Decodes one chunk.

        Raises:
            FloatingPointError: pixels are NaN or infinite; as bytes they would be black.
        """
        mean, std = self._scale()
        raw = (latents * std + mean).to(self.vae.dtype)
        [pixels] = self.vae.decode(raw, return_dict=False)[0].float()
        if not pixels.isfinite().all():
            raise FloatingPointError("decoded pixels are no numbers")
        frames = (pixels / 2 + 0.5).clamp(0, 1).mul(255).round().byte()
        return rearrange(frames, "c f H W -> f H W c").cpu().numpy()

    def _scale(self) -> tuple[Float[Tensor, "c 1 1 1"], Float[Tensor, "c 1 1 1"]]:
        config, device = self.vae.config, self.vae.device
        mean, std = (
            channel_values(tuple(config[name]), device).unsqueeze(-1)
            for name in ("latents_mean", "latents_std")
        )
        return mean, std
