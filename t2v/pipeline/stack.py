"""What one preset puts on the one device: a Stack makes videos, a Refiner sharpens them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from torch.nn.functional import interpolate, pad

from t2v.models.apm import AnchorTokens
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.cam import CamExtractor
from t2v.models.encoders import ImageEncoder, TextEncoder
from t2v.models.known_frames import KnownFrames
from t2v.models.streaming_base import StreamingBase
from t2v.models.video_unet import VideoUNet
from t2v.pipeline.denoising import Latents
from t2v.pipeline.offload import Offloader
from t2v.pipeline.sdedit import Sigmas
from t2v.settings.acceleration import NO_ACCELERATION, Acceleration
from t2v.settings.chunking import PAPER_CHUNKING, Chunking
from t2v.settings.config import RefinerSettings
from t2v.settings.sizes import fit_area


ENCODER_BATCH = 8  # frames that the autoencoder encodes at once, however long the chunk is


@dataclass(frozen=True, slots=True)
class Stack:
    """The networks of the Initialization and Streaming T2V Stages, and how they are run."""

    name: str
    unet: StreamingBase  # the paper's base is a UNet; shapes-dit has a transformer
    extractor: CamExtractor | KnownFrames  # CAM, or what takes its place
    anchor_tokens: AnchorTokens  # APM
    text_encoder: TextEncoder
    image_encoder: ImageEncoder
    autoencoder: FrameAutoencoder
    schedule: dict[str, Any]  # noise schedule of the training: arguments of diffusers' schedulers
    frame_size: tuple[int, int]  # height, width in pixels
    chunking: Chunking = PAPER_CHUNKING
    image_first: bool = False  # draw an image first, and make it the anchor of the first chunk
    first_unet: VideoUNet | None = None  # draws the first chunk; None: `unet` does
    offloader: Offloader | None = None  # None: all networks stay where they compute
    acceleration: Acceleration = NO_ACCELERATION
    notices: tuple[str, ...] = ()  # for the user, when a video begins

    @property
    def initial_unet(self) -> StreamingBase | VideoUNet:
        """Draws the first chunk. In the paper's stack this is the public text-to-video UNet."""
        return self.first_unet or self.unet

    @property
    def device(self) -> torch.device:
        """Where networks compute; idle ones may be offloaded."""
        return self.offloader.device if self.offloader else self.unet.device

    def use(self, *names: str) -> None:
        """Loads the networks that run next, by the names of their fields."""
        if self.offloader:
            self.offloader.use(*names)

    def latent_shape(self, frame_size: tuple[int, int] | None = None) -> tuple[int, int, int]:
        """Channels, height, width of the latents of one frame, by default of the stack's size."""
        scale = self.autoencoder.downsampling
        height, width = frame_size or self.frame_size
        return self.unet.config["in_channels"], height // scale, width // scale


@dataclass(frozen=True, slots=True)
class Refiner:
    """The networks of the Streaming Refinement Stage, and how they are run."""

    name: str  # of the preset
    unet: VideoUNet
    autoencoder: FrameAutoencoder
    text_encoder: TextEncoder
    settings: RefinerSettings
    sigmas: Sigmas
    preview_chunking: Chunking = PAPER_CHUNKING  # of the videos that it is given
    offloader: Offloader | None = None  # None: all networks stay where they compute
    notices: tuple[str, ...] = ()  # for the user, when a video begins

    @property
    def device(self) -> torch.device:
        """Where networks compute; idle ones may be offloaded."""
        return self.offloader.device if self.offloader else self.unet.device

    def use(self, name: str) -> None:
        """Loads the network that runs next: "refiner" or "text_encoder"."""
        if self.offloader:
            self.offloader.use(name)

    def encode(self, frames: UInt8[np.ndarray, "f H W 3"]) -> Latents:
        """Computes latents of frames, upscaled to the refiner's size in their own proportions.

        Sides that are no multiple of the autoencoder's are padded with their last pixels.
        """
        height, width = size = self.refined_size(frames.shape[1:3])
        multiple = self.autoencoder.downsampling
        margin = (0, -width % multiple, 0, -height % multiple)
        pieces = []
        for piece in torch.from_numpy(frames).split(ENCODER_BATCH):
            pixels = rearrange(piece, "f h w c -> f c h w").to(self.device).float()
            pixels = interpolate(pixels, size, mode="bicubic", antialias=True)
            pixels = pad(pixels, margin, mode="replicate").round().clamp(0, 255).byte()
            pixels = rearrange(pixels, "f c h w -> 1 f h w c")
            pieces.append(self.autoencoder.encode(pixels).float())
        return torch.cat(pieces, dim=2)

    def decode(self, latents: Latents, size: tuple[int, int]) -> UInt8[np.ndarray, "f H W 3"]:
        """Computes frames of (height, width), without the padding that `encode` added."""
        height, width = size
        dtype = next(self.autoencoder.parameters()).dtype
        return self.autoencoder.decode(latents.to(dtype))[:, :height, :width]

    def refined_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that frames of (height, width) have when they are refined."""
        return fit_area(size, self.settings.frame_size)

    def latent_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Channels, height, width of the latents of refined frames of (height, width)."""
        height, width = (-(-side // self.autoencoder.downsampling) for side in size)
        return self.unet.config["in_channels"], height, width
