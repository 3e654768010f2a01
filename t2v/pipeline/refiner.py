"""A refiner: what one preset needs to sharpen frames, and how frames get to its size and back."""

from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from torch.nn.functional import interpolate, pad

from t2v.config import RefinerSettings, fit_area
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.encoders import TextEncoder
from t2v.models.refiner_unet import RefinerUNet
from t2v.pipeline.denoising import Latents
from t2v.pipeline.memory import Placement
from t2v.pipeline.sdedit import Sigmas, training_sigmas
from t2v.pipeline.stack import (
    Stack,
    compute_dtype,
    default_device,
    load_autoencoder,
    load_network,
    load_text_encoder,
    read_config,
    read_json,
)
from t2v.presets import Preset


FRAMES_AT_ONCE = 8  # that the autoencoder encodes: memory does not grow with the chunk


@dataclass(frozen=True, slots=True)
class Refiner:
    """The networks of the Streaming Refinement Stage and how they are run."""

    name: str  # of the preset
    unet: RefinerUNet
    autoencoder: FrameAutoencoder
    text_encoder: TextEncoder
    settings: RefinerSettings
    sigmas: Sigmas
    placement: Placement | None = None  # the base stack's; None: its network is where it computes

    @property
    def device(self) -> torch.device:
        """Where the network computes; it may be elsewhere while it does not."""
        return self.placement.device if self.placement else self.unet.device

    def use(self) -> None:
        """Says that the network runs next."""
        if self.placement:
            self.placement.use("refiner")

    def encode(self, frames: UInt8[np.ndarray, "f H W 3"]) -> Latents:
        """Latents of frames, upscaled to the refiner's size in their own proportions.

        Sides that are no multiple of the autoencoder's are continued by their last pixels.
        """
        height, width = size = self.refined_size(frames.shape[1:3])
        multiple = self.autoencoder.downsampling
        margin = (0, -width % multiple, 0, -height % multiple)
        pieces = []
        for piece in torch.from_numpy(frames).split(FRAMES_AT_ONCE):
            pixels = rearrange(piece, "f h w c -> f c h w").to(self.device).float()
            pixels = interpolate(pixels, size, mode="bicubic", antialias=True)
            pixels = pad(pixels, margin, mode="replicate").round().clamp(0, 255).byte()
            pixels = rearrange(pixels, "f c h w -> 1 f h w c")
            pieces.append(self.autoencoder.encode(pixels).float())
        return torch.cat(pieces, dim=2)

    def decode(self, latents: Latents, size: tuple[int, int]) -> UInt8[np.ndarray, "f H W 3"]:
        """Frames of (height, width): what `encode` added at the sides is cut off."""
        height, width = size
        dtype = next(self.autoencoder.parameters()).dtype
        return self.autoencoder.decode(latents.to(dtype))[:, :height, :width]

    def refined_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that frames of (height, width) have when they are refined."""
        return fit_area(size, self.settings.frame_size)

    def latent_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Channels, height, width of the latents of refined frames of (height, width)."""
        height, width = (-(-side // self.autoencoder.downsampling) for side in size)
        return self.unet.config.in_channels, height, width


def load_refiner(
    preset: Preset, device: torch.device | str | None = None, stack: Stack | None = None
) -> Refiner:
    """Loads the preset's refiner. Text encoder and autoencoder are the base stack's.

    An autoencoder of the refiner's own, in `refiner/autoencoder`, comes first.

    Args:
        device: that of the stack if there is one, else the GPU, by default.
        stack: the preset's, if it is loaded already: nothing is then loaded twice.

    Raises:
        PresetError: the preset has no refiner, or its weights are not installed.
        CheckpointError: the weights do not fit.
    """
    settings = preset.find_refiner()
    device = device or (stack.device if stack else default_device())
    folder = preset.weights_folder
    sizes = read_json(folder / "stack.json")

    dtype = stack.unet.dtype if stack else compute_dtype(sizes, device)
    with torch.device("meta"):
        unet = RefinerUNet.from_config(read_config(folder / "refiner"))
    placement = stack.placement if stack else None
    load_network(unet, folder / "refiner", "cpu" if placement else device, dtype)
    if placement:
        placement.add("refiner", unet)
        unet.register_forward_pre_hook(lambda module, inputs: placement.use("refiner"))
    own_autoencoder = folder / "refiner" / "autoencoder"
    if own_autoencoder.is_dir():
        autoencoder = load_autoencoder(own_autoencoder, sizes["patch"], device, dtype)
    elif stack:
        autoencoder = stack.autoencoder
    else:
        autoencoder = load_autoencoder(folder / "autoencoder", sizes["patch"], device, dtype)
    return Refiner(
        name=preset.name,
        unet=unet,
        autoencoder=autoencoder,
        text_encoder=stack.text_encoder if stack else load_text_encoder(folder, device, dtype),
        settings=settings,
        sigmas=training_sigmas(settings.schedule, sizes["schedule"]),
        placement=placement,
    )
