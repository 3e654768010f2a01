"""Conditional Attention Module (CAM): the short-term memory of StreamingT2V (Sec. 4.1, Fig. 3).

FeatureExtractor turns the last frames of the previous chunk into one feature map per skip
connection of the UNet; FeatureInjector lets that skip connection attend to them. CamExtractor is
what it shares with the extractor of another base model (streaming_transformer.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from copy import deepcopy

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.modeling_utils import ModelMixin
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, silu

from t2v.models.attention import AttentionRunner, TextContext, text_attentions
from t2v.models.video_unet import ENCODER_PARTS, Timestep, UNetEncoder, VideoUNet


# x_CAM: features of the k conditioning frames, one map for each injector. Of a UNet these are the
# skip connections, from high to low resolution, and the mid block.
CamFeatures = list[Float[Tensor, "n _ k _ _"]]


class FrameEncoder(nn.Module):
    """E_cond: maps frames to the size and width of the UNet's first features.

    The resolution halves between every two of `channels`.
    """

    def __init__(self, channels: Sequence[int], out_channels: int):
        super().__init__()
        self.channels = tuple(channels)
        self.scale = 2 ** (len(channels) - 1)
        self.conv_in = nn.Conv2d(3, channels[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for i in range(len(channels) - 1):
            self.blocks.append(nn.Conv2d(channels[i], channels[i], 3, padding=1))
            self.blocks.append(nn.Conv2d(channels[i], channels[i + 1], 3, padding=1, stride=2))
        self.conv_out = nn.Conv2d(channels[-1], out_channels, 3, padding=1)
        # Zero, so that an untrained extractor is the UNet it was copied from.
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)  # type: ignore[arg-type] # Conv2d has one

    def forward(self, frames: Float[Tensor, "n 3 H W"]) -> Float[Tensor, "n c h w"]:
        x = silu(self.conv_in(frames))
        for conv in self.blocks:
            x = silu(conv(x))
        return self.conv_out(x)


class CamExtractor(nn.Module, ABC):
    """The first layers of a base model, copied, that also see the conditioning frames."""

    def __init__(
        self, base: ModelMixin, parts: Iterable[str], cond_channels: Sequence[int], channels: int
    ):
        """Starts from the base model's weights, as in the paper, and with a new E_cond.

        Args:
            parts: names of the layers to copy.
            cond_channels: widths of E_cond: one more than the halvings from pixels to latents.
            channels: of the features that those of the frames are added to.
        """
        super().__init__()
        for name in parts:
            setattr(self, name, deepcopy(getattr(base, name)))
        with torch.device(base.device):
            frame_encoder = FrameEncoder(cond_channels, channels)
        self.frame_encoder = frame_encoder.to(base.dtype)

    def encode_frames(self, cond_frames: Float[Tensor, "b k 3 H W"]) -> Float[Tensor, "b c k h w"]:
        """Runs E_cond on frames in [-1, 1]. Once per chunk: it does not depend on the timestep."""
        b = cond_frames.shape[0]
        x = self.frame_encoder(rearrange(cond_frames, "b k c H W -> (b k) c H W"))
        return rearrange(x, "(b k) c h w -> b c k h w", b=b)

    def prepare_text(self, prompt_embeds: Float[Tensor, "b n d"]) -> TextContext:
        """Computes keys and values of the text, once per video. The CAM has no APM."""
        return TextContext.of_layers(text_attentions(self).values(), prompt_embeds)

    @abstractmethod
    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext,
        encoded_frames: Float[Tensor, "e d k h2 w2"],
    ) -> CamFeatures:
        """Computes x_CAM, the features that the base model's injectors attend to.

        Args:
            latents: the noisy latents of the chunk. Only their first k frames are read: those that
                show the same as the conditioning frames.
            encoded_frames: from `encode_frames`; those of one video serve both texts of guidance.
        """

    def beside(
        self, latents: Float[Tensor, "b c f h w"], encoded_frames: Float[Tensor, "e d k h2 w2"]
    ) -> tuple[Float[Tensor, "b c k h w"], Float[Tensor, "bk d h2 w2"]]:
        """The latents of the conditioning frames, and what is added to their first features."""
        b, (k, *size) = len(latents), encoded_frames.shape[2:]
        if list(latents.shape[3:]) != size:
            raise ValueError(
                f"latents of {list(latents.shape[3:])} pixels, but encoded frames of {size}: "
                f"frames must be {self.frame_encoder.scale} times as large as latents"
            )
        added = rearrange(encoded_frames.expand(b, -1, -1, -1, -1), "b d k h w -> (b k) d h w")
        return latents[:, :, :k], added


class FeatureExtractor(UNetEncoder, CamExtractor):
    """A copy of the UNet's encoder that also sees the conditioning frames."""

    def __init__(
        self,
        unet: VideoUNet,
        cond_channels: Sequence[int] = (32, 96, 256, 512),
        sees_noise: bool = True,
    ):
        """Starts from the UNet's weights; see CamExtractor.

        Args:
            sees_noise: whether it reads the chunk's noisy latents. SparseCtrl's does not: zeros
                take their place.
        """
        super().__init__(unet, ENCODER_PARTS, cond_channels, unet.conv_in.out_channels)
        self.sees_noise = sees_noise

    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext,
        encoded_frames: Float[Tensor, "e d k h2 w2"],
    ) -> CamFeatures:
        latents, added = self.beside(latents, encoded_frames)
        seen = latents if self.sees_noise else torch.zeros_like(latents)
        skips, mid, _ = self.encode(seen, timestep, text, added)
        k = latents.shape[2]
        return [rearrange(x, "(b k) c h w -> b c k h w", k=k) for x in (*skips, mid)]


class FeatureInjector(nn.Module):
    """Attends across time, separately at every pixel, and adds the result to the skip."""

    def __init__(self, channels: int, head_dim: int = 64, norm_groups: int = 32):
        super().__init__()
        if channels % head_dim:
            raise ValueError(f"channels={channels} is not a multiple of head_dim={head_dim}")
        self.norm = nn.GroupNorm(norm_groups, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.attention = Attention(
            channels,
            heads=channels // head_dim,
            dim_head=head_dim,
            processor=AttentionRunner(),  # type: ignore[arg-type] # not one of diffusers' own
        )
        self.proj_out = nn.Linear(channels, channels)
        # Zero, so that an untrained CAM leaves the pretrained UNet as it was.
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(
        self, skip: Float[Tensor, "b c f h w"], cam: Float[Tensor, "b c k h w"]
    ) -> Float[Tensor, "b c f h w"]:
        b, _, _, h, w = skip.shape

        # Every pixel becomes a sequence over time: f queries, k keys, no positional encoding.
        x = self.proj_in(rearrange(self.norm(skip), "b c f h w -> (b h w) f c"))
        x = self.attention(x, rearrange(cam, "b c k h w -> (b h w) k c"))
        x = self.proj_out(x)
        return skip + rearrange(x, "(b h w) f c -> b c f h w", b=b, h=h, w=w)


class AddInjector(nn.Module):
    """Add-Cond: the CAM's ablation without attention, in the manner of ControlNet and SparseCtrl.

    Features of the k conditioning frames are added to the same frames of the skip, all other frames
    get zeros, a mask says which is which, and the 1x1 convolution before the sum begins as zero.
    Unlike a FeatureInjector it tells no later frame what the conditioning frames show; that is left
    to the temporal layers of the UNet.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.proj_out = nn.Linear(channels + 1, channels)  # the last of its inputs is the mask
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(
        self, skip: Float[Tensor, "b c f h w"], cam: Float[Tensor, "b c k h w"]
    ) -> Float[Tensor, "b c f h w"]:
        f, k = skip.shape[2], cam.shape[2]
        known = torch.cat([cam, torch.ones_like(cam[:, :1])], dim=1)
        x = self.proj_out(rearrange(pad(known, (0, 0, 0, 0, 0, f - k)), "b c f h w -> b f h w c"))
        return skip + rearrange(x, "b f h w c -> b c f h w")


def inject(
    injector: nn.Module, features: Float[Tensor, "bf c h w"], cam: Float[Tensor, "b c k h w"]
) -> Float[Tensor, "bf c h w"]:
    """Runs an injector on features whose frames are in the batch."""
    skip = rearrange(features, "(b f) c h w -> b c f h w", b=len(cam))
    return rearrange(injector(skip, cam), "b c f h w -> (b f) c h w")
