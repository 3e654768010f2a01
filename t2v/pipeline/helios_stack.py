"""The networks of a Helios preset, and how they are run."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from diffusers.models import HeliosTransformer3DModel
from diffusers.schedulers import HeliosDMDScheduler
from jaxtyping import Float, UInt8
from torch import Tensor

from t2v.models.encoders import Umt5TextEncoder
from t2v.models.helios_attention import PreparedText, prepare_text
from t2v.models.video_autoencoder import VideoAutoencoder
from t2v.pipeline.offload import Offloader
from t2v.settings.chunking import Chunking
from t2v.settings.config import GenerationConfig


# Latents of the past that a chunk sees: the oldest in patches of 4 x 8 x 8, then 2 x 4 x 4, and the
# newest as fine as the chunk itself. How the weights were trained.
HISTORY_SIZES = (16, 2, 1)
History = dict[str, Tensor]  # arguments of the transformer


@dataclass(frozen=True, slots=True)
class HeliosStack:
    """The networks of a Helios preset, and how they are run."""

    name: str
    transformer: HeliosTransformer3DModel
    text_encoder: Umt5TextEncoder
    autoencoder: VideoAutoencoder
    scheduler_config: dict[str, Any]
    frame_size: tuple[int, int]  # height, width in pixels
    chunking: Chunking
    offloader: Offloader | None = None  # None: all networks stay where they compute
    notices: tuple[str, ...] = ()  # for the user, when a video begins

    @property
    def device(self) -> torch.device:
        """Where networks compute; idle ones may be offloaded."""
        return self.offloader.device if self.offloader else self.transformer.device

    def use(self, *names: str) -> None:
        """Loads the networks that run next: "umt5" or "transformer"."""
        if self.offloader:
            self.offloader.use(*names)

    def prepare(self, prompt_embeds: Float[Tensor, "1 n d"]) -> PreparedText:
        """What the transformer reads of a prompt, computed once for all of its steps."""
        return prepare_text(self.transformer, prompt_embeds.to(self.device, self.transformer.dtype))

    @property
    def num_levels(self) -> int:
        """Sizes that a chunk is denoised in."""
        return self.scheduler_config["stages"]

    @property
    def chunk_latents(self) -> int:
        """Latents of a chunk, over time."""
        return self.autoencoder.num_latents(self.chunking.chunk_frames)

    def new_scheduler(self) -> Any:
        """A scheduler of the weights' own, which keeps state while a chunk is drawn."""
        return HeliosDMDScheduler.from_config(self.scheduler_config)

    def latent_shape(self, frame_size: tuple[int, int] | None = None) -> tuple[int, int, int]:
        """Channels, height, width of the latents of one frame, by default of the stack's size."""
        scale = self.autoencoder.downsampling
        height, width = frame_size or self.frame_size
        return self.transformer.config["in_channels"], height // scale, width // scale

    def num_tokens(self, latents: Float[Tensor, "1 c n h w"]) -> int:
        """Tokens that the transformer makes of the latents of a chunk."""
        return latents[0, 0].numel() // prod(self.transformer.config["patch_size"])

    def num_steps(self, config: GenerationConfig, index: int) -> int:
        """Steps of a chunk. The first gets twice as many, as the authors give it."""
        return config.num_inference_steps * (1 if index else 2)

    def picture(
        self, latents: Float[Tensor, "c h w"], frame_size: tuple[int, int] | None
    ) -> UInt8[np.ndarray, "H W 3"]:
        """A rough preview of one frame: one pixel per latent, however small its level is."""
        enlarged = self.latent_shape(frame_size)[1] // latents.shape[1]
        picture = self.autoencoder.preview(latents)
        return picture.repeat(enlarged, axis=0).repeat(enlarged, axis=1)

    def history(
        self, history: Float[Tensor, "1 c k h w"], anchor: Float[Tensor, "1 c 1 h w"]
    ) -> History:
        """Both memories as the transformer reads them: latents, and where in time they are.

        The anchor is at time 0, the history follows, the chunk itself comes last.
        """
        sizes = (1, *HISTORY_SIZES, self.chunk_latents)
        times = torch.arange(sum(sizes), device=self.device)[None].split(sizes, dim=1)
        first, far, middle, near, chunk = times
        dtype = self.transformer.dtype
        far_latents, middle_latents, near_latents = history.to(dtype).split(HISTORY_SIZES, dim=2)
        return {
            "indices_hidden_states": chunk,
            "indices_latents_history_short": torch.cat([first, near], dim=1),
            "indices_latents_history_mid": middle,
            "indices_latents_history_long": far,
            "latents_history_short": torch.cat([anchor.to(dtype), near_latents], dim=2),
            "latents_history_mid": middle_latents,
            "latents_history_long": far_latents,
        }
