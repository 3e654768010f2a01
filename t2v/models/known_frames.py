"""Known frames beside the noisy latents: the rivals of the CAM that concatenate.

They take the place of a FeatureExtractor. What they compute has one channel more than the latents,
the mask (1 where a frame is known); a StreamingUNet with injector="concat" reads it next to the
noisy latents, through input channels that begin as zero.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from t2v.models.attention import TextContext
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.video_unet import Timestep


class KnownFrames(nn.Module):
    """Conc-Cond (paper, Sec. 5.2): clean latents of the known frames, zeros after them.

    Nothing here is learnt.
    """

    def __init__(self, autoencoder: FrameAutoencoder):
        super().__init__()
        self._autoencoder = (autoencoder,)  # in a tuple: its weights are not counted as ours

    @torch.no_grad()
    def encode_frames(self, cond_frames: Float[Tensor, "b k 3 H W"]) -> Float[Tensor, "b d k h w"]:
        """Latents of frames in [-1, 1], and the mask. Once per chunk."""
        [autoencoder] = self._autoencoder
        with torch.autocast(cond_frames.device.type, enabled=False):
            latents = autoencoder.encode_pixels(cond_frames).to(cond_frames.dtype)
        return torch.cat([latents, torch.ones_like(latents[:, :1])], dim=1)

    def prepare_text(self, prompt_embeds: Float[Tensor, "b n d"]) -> TextContext:
        """Nothing here attends to the text."""
        return TextContext.of_layers((), prompt_embeds)

    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,  # noqa: ARG002 # as a FeatureExtractor is called
        text: TextContext,  # noqa: ARG002
        encoded_frames: Float[Tensor, "e d k h w"],
    ) -> Float[Tensor, "b d f h w"] | None:
        """What the UNet reads beside the noisy latents, of which only the shape is used."""
        b, num_frames = latents.shape[0], latents.shape[2]
        return self.spread(encoded_frames, num_frames).expand(b, -1, -1, -1, -1)

    def spread(
        self, encoded: Float[Tensor, "e d k h w"], num_frames: int
    ) -> Float[Tensor, "e d f h w"]:
        """Known frames at the places where they are in the chunk."""
        return pad(encoded, (0, 0, 0, 0, 0, num_frames - encoded.shape[2]))


class MaskedFrames(KnownFrames):
    """The kind of SEINE and OpenSora: in training, each clip shows 1 to k of its k known frames."""

    def spread(
        self, encoded: Float[Tensor, "e d k h w"], num_frames: int
    ) -> Float[Tensor, "e d f h w"]:
        if self.training:
            e, k, device = len(encoded), encoded.shape[2], encoded.device
            counts = torch.randint(1, k + 1, (e, 1), device=device)
            ranks = torch.rand(e, k, device=device).argsort(dim=1).argsort(dim=1)
            encoded = encoded * (ranks < counts).view(e, 1, k, 1, 1)
        return super().spread(encoded, num_frames)


class NoFrames(KnownFrames):
    """Nothing is known: the base model alone, trained for as long as its rivals."""

    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext,
        encoded_frames: Float[Tensor, "e d k h w"],
    ) -> None:
        """None: the UNet then draws as without any conditioning."""


class RepeatedFrame(KnownFrames):
    """The kind of I2VGen-XL, SVD and DynamiCrafter: the frame that the chunk begins with, for all.

    A chunk overlaps the video by this one frame.
    """

    def spread(
        self, encoded: Float[Tensor, "e d k h w"], num_frames: int
    ) -> Float[Tensor, "e d f h w"]:
        return encoded[:, :, :1].expand(-1, -1, num_frames, -1, -1)
