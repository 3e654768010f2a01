"""A refiner: what one preset needs to sharpen frames, and how frames get to its size and back."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from torch.nn.functional import interpolate, pad

from t2v.config import RefinerSettings, fit_area
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.encoders import TextEncoder
from t2v.models.refiner_unet import RefinerUNet
from t2v.pipeline.acceleration import accelerate
from t2v.pipeline.denoising import Latents
from t2v.pipeline.forecast import choose_profile, describe_choice, predict_refiner_peaks
from t2v.pipeline.memory import Placement, check_profile
from t2v.pipeline.sdedit import Sigmas, training_sigmas
from t2v.pipeline.stack import (
    Stack,
    compute_dtype,
    default_device,
    load_autoencoder,
    load_network,
    load_text_encoder,
    read_json,
    read_unet_config,
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
    placement: Placement | None = None  # None: its networks are where they compute
    notices: tuple[str, ...] = ()  # for the user, when a video begins

    @property
    def device(self) -> torch.device:
        """Where the network computes; it may be elsewhere while it does not."""
        return self.placement.device if self.placement else self.unet.device

    def use(self, name: str) -> None:
        """Says which network, "refiner" or "text_encoder", runs next."""
        if self.placement:
            self.placement.use(name)

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
    preset: Preset,
    device: torch.device | str | None = None,
    stack: Stack | None = None,
    memory: str | None = None,
) -> Refiner:
    """Loads the preset's refiner. Text encoder and autoencoder are the base stack's.

    An autoencoder of the refiner's own, in a folder `autoencoder` beside its weights, comes first.

    Args:
        device: that of the stack if there is one, else the GPU, by default.
        stack: the preset's, if it is loaded already: nothing is then loaded twice.
        memory: without a stack, a profile of `memory.py`; by default the fastest that fits.

    Raises:
        PresetError: the preset has no refiner, or its weights are not installed.
        CheckpointError: the weights do not fit.
        ConfigError: there is no such memory profile.
    """
    if memory is not None:
        check_profile(memory)
    settings = preset.find_refiner()
    device = torch.device(device or (stack.device if stack else default_device()))
    folder = preset.weights_folder
    sizes = read_json(folder / "stack.json")
    dtype = stack.unet.dtype if stack else compute_dtype(sizes, device)

    with torch.device("meta"):
        unet = RefinerUNet.from_config(read_unet_config(preset.refiner_folder))
    load_network(unet, preset.refiner_folder, "cpu", dtype)
    own_autoencoder = preset.refiner_folder / "autoencoder"
    autoencoder = stack.autoencoder if stack else None
    if own_autoencoder.is_dir() or autoencoder is None:
        place = own_autoencoder if own_autoencoder.is_dir() else folder / "autoencoder"
        autoencoder = load_autoencoder(place, sizes["patch"], device, dtype)
    refiner = Refiner(
        name=preset.name,
        unet=unet,
        autoencoder=autoencoder,
        text_encoder=stack.text_encoder if stack else load_text_encoder(folder, "cpu", dtype),
        settings=settings,
        sigmas=training_sigmas(settings.schedule, sizes["schedule"]),
    )
    return add_to_stack(refiner, stack) if stack else place_refiner(refiner, device, memory)


def add_to_stack(refiner: Refiner, stack: Stack) -> Refiner:
    """Has the stack's placement take care of the network."""
    if stack.placement:
        stack.placement.add("refiner", refiner.unet)
    else:
        refiner.unet.to(stack.device)
    profile = stack.placement.profile if stack.placement else "full"
    accelerate({"refiner": refiner.unet}, stack.acceleration, stack.device, profile)
    return replace(refiner, placement=stack.placement)


def place_refiner(refiner: Refiner, device: torch.device, memory: str | None) -> Refiner:
    """Brings a refiner without a stack to the device, as far as it fits or `memory` says."""
    networks = {
        "refiner": refiner.unet,
        "text_encoder": refiner.text_encoder.model,
        "autoencoder": refiner.autoencoder.vae,
    }
    if device.type != "cuda":
        return replace(refiner, placement=Placement(networks, device, memory or "full"))
    channels, height, width = refiner.latent_shape(refiner.settings.frame_size)
    num_latents = refiner.settings.chunk_frames * channels * height * width
    peaks = predict_refiner_peaks(networks, num_latents)
    free_bytes, _ = torch.cuda.mem_get_info(device)
    placement = Placement(networks, device, memory or choose_profile(peaks, free_bytes))
    notices = describe_choice(placement.profile, peaks, free_bytes)
    return replace(refiner, placement=placement, notices=notices)
