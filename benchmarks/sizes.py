"""Stacks and refiners of any size with random weights: as fast as trained ones, and as large."""

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTextModel

from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.encoders import OpenClipImageEncoder, OpenClipTextEncoder
from t2v.models.networks import build_networks, fill_buffers
from t2v.models.video_unet import VideoUNet
from t2v.pipeline.sdedit import training_sigmas
from t2v.pipeline.stack import Refiner, Stack
from t2v.settings.config import RefinerSettings
from t2v.weights import convert_refiner as paper_refiner
from t2v.weights.convert import CONFIGS, UNET, write_configs


MIDDLE_UNET = UNET | {
    "block_out_channels": [32, 64, 128, 128],
    "norm_num_groups": 8,
    "cross_attention_dim": 96,
    "attention_head_dim": 16,
}
SIZES = {
    "full": CONFIGS | {"refiner": paper_refiner.CONFIG},
    # About a hundredth of the work, in the same proportions.
    "middle": {
        "stack": CONFIGS["stack"]
        | {
            "cond_channels": [4, 10, 26, 51],
            "anchor_tokens": {
                "embed_dim": 96,
                "hidden_dim": 128,
                "token_dim": 96,
                "num_tokens": 16,
            },
        },
        "unet": MIDDLE_UNET
        | {"num_text_tokens": 77, "num_image_tokens": 16, "injector_head_dim": 16},
        "first_unet": MIDDLE_UNET,
        "text_encoder": CONFIGS["text_encoder"]
        | {"hidden_size": 96, "intermediate_size": 384, "num_attention_heads": 6},
        "image_encoder": CONFIGS["image_encoder"]
        | {"width": 128, "heads": 8, "output_dim": 96, "layers": 8},
        "autoencoder": CONFIGS["autoencoder"]
        | {"block_out_channels": [16, 32, 64, 64], "norm_num_groups": 8},
        "refiner": MIDDLE_UNET | {"downsample_padding": [2, 1], "crop_upsampled_rows": True},
    },
}


class AnyWords(OpenClipTextEncoder):
    """Reads every prompt as the same words: the benchmark has no tokenizer."""

    def __init__(self, model: CLIPTextModel):
        nn.Module.__init__(self)
        self.model = model

    def tokenize(self, prompts: list[str]) -> Tensor:
        length = self.model.config.max_position_embeddings
        return torch.arange(length, device=self.model.device).expand(len(prompts), -1)

    def unknown_words(self, prompt: str) -> list[str]:
        return []

    def num_cut_tokens(self, prompt: str) -> int:
        return 0


def new_stack(
    size: str, frame_size: tuple[int, int], device: torch.device, dtype: torch.dtype
) -> Stack:
    configs = {name: config for name, config in SIZES[size].items() if name != "refiner"}
    with tempfile.TemporaryDirectory() as folder:
        write_configs(Path(folder), configs)
        networks = build_networks(Path(folder))
    for network in networks.values():
        randomize(network, device, dtype)
    return Stack(
        name=size,
        unet=networks["unet"],
        extractor=networks["extractor"],
        anchor_tokens=networks["anchor_tokens"],
        text_encoder=AnyWords(networks["text_encoder"]),
        image_encoder=OpenClipImageEncoder(networks["image_encoder"]),
        autoencoder=FrameAutoencoder(networks["autoencoder"]),
        schedule=configs["stack"]["schedule"],
        frame_size=frame_size,
        first_unet=networks["first_unet"],
    )


def new_refiner(size: str, stack: Stack, settings: RefinerSettings) -> Refiner:
    """A refiner that shares the stack's encoder and autoencoder."""
    with torch.device("meta"):
        unet = VideoUNet.from_config(SIZES[size]["refiner"])
    return Refiner(
        name=size,
        unet=randomize(unet, stack.device, stack.unet.dtype),
        autoencoder=stack.autoencoder,
        text_encoder=stack.text_encoder,
        settings=settings,
        sigmas=training_sigmas(settings.schedule, stack.schedule),
    )


def randomize(network: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Gives a network on "meta" memory and weights, the same ones every time."""
    nn.Module.to(network, dtype)
    fill_buffers(network)
    buffers = dict(network.named_buffers())
    kept = {name: buffer for name, buffer in buffers.items() if not buffer.is_meta}
    network.to_empty(device=device)
    rng = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.02, generator=rng)
        for name, buffer in network.named_buffers():
            buffer.copy_(kept[name])
    return network.requires_grad_(False).eval()
