"""Conditional Attention Module (CAM): the short-term memory of StreamingT2V (Sec. 4.1, Fig. 3).

FeatureExtractor turns the last frames of the previous chunk into one feature map per skip
connection of the UNet; FeatureInjector lets that skip connection attend to them.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from diffusers.models.attention_processor import Attention
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad, silu

from t2v.models.attention import AttentionRunner, TextContext, text_attentions
from t2v.models.video_unet import ENCODER_PARTS, Timestep, UNetEncoder, VideoUNet


@dataclass(frozen=True, slots=True)
class CamFeatures:
    """x_CAM: features of the k conditioning frames, "b c k h w" each."""

    skips: list[Tensor]  # one per skip connection, from high to low resolution
    mid: Float[Tensor, "b c k h w"]


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


class FeatureExtractor(UNetEncoder, nn.Module):
    """A copy of the UNet's encoder that also sees the conditioning frames."""

    def __init__(
        self,
        unet: VideoUNet,
        cond_channels: Sequence[int] = (32, 96, 256, 512),
        sees_noise: bool = True,
    ):
        """Starts from the UNet's weights, as in the paper.

        Args:
            cond_channels: widths of E_cond: one more than the halvings from pixels to latents.
            sees_noise: whether it reads the chunk's noisy latents. SparseCtrl's does not: zeros
                take their place.
        """
        super().__init__()
        self.sees_noise = sees_noise
        for name in ENCODER_PARTS:
            setattr(self, name, deepcopy(getattr(unet, name)))
        with torch.device(unet.device):
            frame_encoder = FrameEncoder(cond_channels, unet.conv_in.out_channels)
        self.frame_encoder = frame_encoder.to(unet.dtype)

    def encode_frames(self, cond_frames: Float[Tensor, "b k 3 H W"]) -> Float[Tensor, "b c k h w"]:
        """Runs E_cond on frames in [-1, 1]. Once per chunk: it does not depend on the timestep."""
        b = cond_frames.shape[0]
        x = self.frame_encoder(rearrange(cond_frames, "b k c H W -> (b k) c H W"))
        return rearrange(x, "(b k) c h w -> b c k h w", b=b)

    def prepare_text(self, prompt_embeds: Float[Tensor, "b n d"]) -> TextContext:
        """Computes keys and values of the text, once per video. The CAM has no APM."""
        return TextContext.of_layers(text_attentions(self).values(), prompt_embeds)

    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext,
        encoded_frames: Float[Tensor, "e d k h2 w2"],
    ) -> CamFeatures:
        """Computes x_CAM, the features that the UNet's injectors attend to.

        Args:
            latents: the noisy latents of the chunk. Only their first k frames are read: those that
                show the same as the conditioning frames.
            encoded_frames: from `encode_frames`; those of one video serve both texts of guidance.
        """
        b, (k, *size) = len(latents), encoded_frames.shape[2:]
        if list(latents.shape[3:]) != size:
            raise ValueError(
                f"latents of {list(latents.shape[3:])} pixels, but encoded frames of {size}: "
                f"frames must be {self.frame_encoder.scale} times as large as latents"
            )
        added = rearrange(encoded_frames.expand(b, -1, -1, -1, -1), "b d k h w -> (b k) d h w")
        seen = latents[:, :, :k] if self.sees_noise else torch.zeros_like(latents[:, :, :k])
        encoded = self.encode(seen, timestep, text, added)
        skips = [rearrange(skip, "(b k) c h w -> b c k h w", k=k) for skip in encoded.skips]
        return CamFeatures(skips, rearrange(encoded.mid, "(b k) c h w -> b c k h w", k=k))


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
