"""A stack: everything that one preset puts on the one device."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    PreTrainedTokenizerFast,
)

from t2v.checkpoints import load_weights
from t2v.config import CHUNK_FRAMES, Acceleration
from t2v.errors import CheckpointError
from t2v.models.apm import AnchorTokens
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.cam import FeatureExtractor
from t2v.models.encoders import (
    ImageEncoder,
    OpenClipImageEncoder,
    OpenClipTextEncoder,
    TextEncoder,
)
from t2v.models.refiner_unet import RefinerUNet
from t2v.models.unet import StreamingUNet
from t2v.pipeline.acceleration import accelerate
from t2v.pipeline.forecast import choose_profile, describe_choice, predict_peaks
from t2v.pipeline.memory import Placement, check_profile
from t2v.presets import Preset


AS_IT_IS = Acceleration()


@dataclass(frozen=True, slots=True)
class Stack:
    """The networks of StreamingT2V and the schedule they were trained with."""

    name: str
    unet: StreamingUNet
    extractor: FeatureExtractor  # CAM
    anchor_tokens: AnchorTokens  # APM
    text_encoder: TextEncoder
    image_encoder: ImageEncoder
    autoencoder: FrameAutoencoder
    schedule: dict  # arguments for diffusers' schedulers
    frame_size: tuple[int, int]  # height, width in pixels
    image_first: bool = False  # the first chunk is drawn with an image of its own as its anchor
    first_unet: RefinerUNet | None = None  # a stock UNet of its own for the first chunk
    placement: Placement | None = None  # None: all networks are where they compute
    acceleration: Acceleration = AS_IT_IS
    notices: tuple[str, ...] = ()  # for the user, when a video begins

    @property
    def initial_unet(self) -> StreamingUNet | RefinerUNet:
        """What draws the first chunk: the paper's stack has the public text-to-video UNet."""
        return self.first_unet or self.unet

    @property
    def device(self) -> torch.device:
        """Where networks compute; they may be elsewhere while they do not."""
        return self.placement.device if self.placement else self.unet.device

    def use(self, *names: str) -> None:
        """Says which networks, by the names of their fields, run next."""
        if self.placement:
            self.placement.use(*names)

    def latent_shape(self, frame_size: tuple[int, int] | None = None) -> tuple[int, int, int]:
        """Channels, height, width of the latents of one frame, by default of the stack's size."""
        scale = self.autoencoder.downsampling
        height, width = frame_size or self.frame_size
        return self.unet.config.in_channels, height // scale, width // scale


def load_stack(
    preset: Preset,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    memory: str | None = None,
    refine: bool = False,
    acceleration: Acceleration = AS_IT_IS,
) -> Stack:
    """Builds the networks from the preset's folder and loads their weights.

    Args:
        device: the GPU if there is one, by default.
        dtype: what the networks compute in; by default float32 on the CPU, and on a GPU what the
            folder's `stack.json` says (float32 if it says nothing).
        memory: a profile of `memory.py`; by default the fastest that fits into what is free.
        refine: leaves room for the preset's refiner.
        acceleration: of these networks, and of a refiner that is loaded for them.

    Raises:
        CheckpointError: files are missing or do not fit.
        ConfigError: there is no such memory profile.
    """
    if memory is not None:
        check_profile(memory)
    device = torch.device(device or default_device())
    folder = preset.weights_folder
    sizes = read_json(folder / "stack.json")
    dtype = dtype or compute_dtype(sizes, device)

    networks = build_networks(folder)
    for name, network in networks.items():
        load_network(network, folder / name, "cpu", dtype)
    is_open_clip = sizes.get("encoders") == "open_clip"
    stack = Stack(
        name=preset.name,
        unet=networks["unet"],
        extractor=networks["extractor"],
        anchor_tokens=networks["anchor_tokens"],
        text_encoder=_text_encoder(networks["text_encoder"], folder, is_open_clip),
        image_encoder=(OpenClipImageEncoder if is_open_clip else ImageEncoder)(
            networks["image_encoder"]
        ),
        autoencoder=FrameAutoencoder(networks["autoencoder"], sizes["patch"]),
        schedule=sizes["schedule"],
        frame_size=preset.frame_size,
        image_first=sizes.get("image_first", False),
        first_unet=networks.get("first_unet"),
        acceleration=acceleration,
    )
    placement, notices = None, ()
    if device.type != "cpu" or memory is not None:
        refiner = refiner_size(preset, stack) if refine else (0, 0)
        placement, notices = place_networks(stack, networks, device, memory, refiner)
    profile = placement.profile if placement else "full"
    notices = (*notices, *accelerate(networks, acceleration, device, profile))
    return replace(stack, placement=placement, notices=notices)


def refiner_size(preset: Preset, stack: Stack) -> tuple[int, int]:
    """Bytes of the weights of a preset's refiner, and of its latents of one chunk."""
    settings, itemsize = preset.find_refiner(), stack.unet.dtype.itemsize
    channels, scale = stack.latent_shape()[0], stack.autoencoder.downsampling
    height, width = (-(-side // scale) for side in settings.frame_size)
    files = preset.refiner_folder.glob("*.safetensors")
    latents = settings.chunk_frames * channels * height * width * itemsize
    return sum(file.stat().st_size for file in files), latents


def place_networks(
    stack: Stack,
    networks: dict[str, nn.Module],
    device: torch.device,
    memory: str | None,
    refiner: tuple[int, int],
) -> tuple[Placement, tuple[str, ...]]:
    """Brings networks to the device as far as they fit, or as far as `memory` says.

    Returns:
        Also what the user should know of it, in sentences.
    """
    if device.type != "cuda":
        return Placement(networks, device, memory or "full"), ()
    peaks = predict_peaks(
        networks, stack.latent_shape(), CHUNK_FRAMES, stack.autoencoder.downsampling, refiner
    )
    free_bytes, _ = torch.cuda.mem_get_info(device)
    placement = Placement(networks, device, memory or choose_profile(peaks, free_bytes))
    return placement, describe_choice(placement.profile, peaks, free_bytes)


def default_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def compute_dtype(sizes: dict, device: torch.device | str) -> torch.dtype:
    """What networks compute in: float32 on the CPU, and on a GPU what `stack.json` says."""
    if torch.device(device).type == "cpu":
        return torch.float32
    return getattr(torch, sizes.get("dtype", "float32"))


def build_networks(folder: Path) -> dict[str, nn.Module]:
    """The networks that a folder of weights describes, by the name of their subfolder.

    They are on the "meta" device, which costs neither time nor memory: `load_network` gives them
    both.

    Raises:
        CheckpointError: a description is missing or damaged.
    """
    sizes = read_json(folder / "stack.json")
    with torch.device("meta"):
        unet = StreamingUNet.from_config(read_unet_config(folder / "unet"))
        networks = {
            "unet": unet,
            "extractor": FeatureExtractor.from_unet(unet, sizes["cond_channels"]),
            "anchor_tokens": AnchorTokens(**sizes["anchor_tokens"]),
            "autoencoder": AutoencoderKL.from_config(read_config(folder / "autoencoder")),
        }
        image_config = read_config(folder / "image_encoder")
        text_config = CLIPTextConfig(**read_config(folder / "text_encoder"))
        if sizes.get("encoders") == "open_clip":
            from open_clip.transformer import VisionTransformer

            networks["text_encoder"] = CLIPTextModel(text_config)
            networks["image_encoder"] = VisionTransformer(**image_config)
        else:
            networks["text_encoder"] = CLIPTextModelWithProjection(text_config)
            image_config = CLIPVisionConfig(**image_config)
            networks["image_encoder"] = CLIPVisionModelWithProjection(image_config)
        if (folder / "first_unet").is_dir():
            networks["first_unet"] = RefinerUNet.from_config(
                read_unet_config(folder / "first_unet")
            )
    return networks


def load_network(
    network: nn.Module,
    folder: Path,
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Loads the weights of a network, which may be on "meta", for inference.

    Raises:
        CheckpointError: they are missing or do not fit.
    """
    nn.Module.to(network, dtype)  # diffusers' own `to` warns of layers that it has none of
    load_weights(network, folder)
    fill_buffers(network)
    network.requires_grad_(False).eval().to(device)


def load_autoencoder(
    folder: Path, patch: int, device: torch.device | str, dtype: torch.dtype = torch.float32
) -> FrameAutoencoder:
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(read_config(folder))
    load_network(vae, folder, device, dtype)
    return FrameAutoencoder(vae, patch)


def load_text_encoder(
    folder: Path, device: torch.device | str, dtype: torch.dtype = torch.float32
) -> TextEncoder:
    """The text encoder and the tokenizer of the stack in `folder`, alone."""
    is_open_clip = read_json(folder / "stack.json").get("encoders") == "open_clip"
    config = CLIPTextConfig(**read_config(folder / "text_encoder"))
    with torch.device("meta"):
        model = (CLIPTextModel if is_open_clip else CLIPTextModelWithProjection)(config)
    load_network(model, folder / "text_encoder", device, dtype)
    return _text_encoder(model, folder, is_open_clip)


def _text_encoder(model: nn.Module, folder: Path, is_open_clip: bool) -> TextEncoder:
    if is_open_clip:
        return OpenClipTextEncoder(model, CLIPTokenizer.from_pretrained(folder / "tokenizer"))
    return TextEncoder(model, PreTrainedTokenizerFast.from_pretrained(folder / "tokenizer"))


def fill_buffers(network: nn.Module) -> None:
    """Positions are counted, not loaded: the one kind of buffer that no file of weights has."""
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta:
                if name != "position_ids":
                    raise ValueError(f"{type(module).__name__}.{name} has no values")
                positions = torch.arange(buffer.shape[-1]).expand(buffer.shape)
                module.register_buffer(name, positions, persistent=False)


def read_config(folder: Path) -> dict:
    return read_json(folder / "config.json")


def read_unet_config(folder: Path) -> dict:
    """Without what is null: a UNet that was saved by diffusers' own code lists arguments that its
    class may not have."""
    return {name: value for name, value in read_config(folder).items() if value is not None}


def read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is missing or damaged: {error}") from error
