"""The networks that are trained by diffusion, together, and helpers for their parameters."""

from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from t2v.models.attention import pool_text
from t2v.models.cam import CamExtractor
from t2v.models.known_frames import KnownFrames
from t2v.training.clips import FrozenEncoders, token_ids
from t2v.training.networks import BASE_MODELS, new_anchor_tokens, new_extractor
from t2v.training.options import BaseModelName
from t2v.worlds.world import World


NUM_POOLED_CAPTIONS = 2048

N = TypeVar("N", bound=nn.Module)


class Denoiser(nn.Module):
    """Base model, CAM and APM. The text encoder stays frozen, as the paper's does."""

    def __init__(self, world: World, base: BaseModelName = "unet"):
        super().__init__()
        self.unet = BASE_MODELS[base](world)
        self.extractor: CamExtractor | KnownFrames = new_extractor(self.unet)
        self.anchor_tokens = new_anchor_tokens()
        without_dropout(self)

    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timesteps: Tensor,
        prompt_embeds: Float[Tensor, "b n d"],
        cond_frames: Float[Tensor, "b k 3 H W"] | None = None,
        anchor_embeds: Float[Tensor, "b d"] | None = None,
        numbers: Int[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "b c f h w"]:
        cam = None
        if cond_frames is not None:
            encoded_frames = self.extractor.encode_frames(cond_frames)
            cam_text = self.extractor.prepare_text(prompt_embeds)
            cam = self.extractor(latents, timesteps, cam_text, encoded_frames)
        tokens = None if anchor_embeds is None else self.anchor_tokens(anchor_embeds)
        text = self.unet.prepare_text(prompt_embeds, tokens)
        return self.unet(latents, timesteps, text, cam, numbers)


@torch.no_grad()
def pooled_captions(encoders: FrozenEncoders) -> Float[Tensor, "n d"]:
    """Encodes many captions and pools the text of each."""
    rng = np.random.default_rng(11)
    scenes = [encoders.world.sample(rng) for _ in range(NUM_POOLED_CAPTIONS)]
    ids = token_ids(encoders.text.tokenizer, scenes)
    parts = ids.to(encoders.device).split(256)
    return torch.cat([pool_text(encoders.text(ids)) for ids in parts])


def without_dropout(model: N) -> N:
    """Turns dropout off: there are far too few passes over the data to overfit."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def split_by_name(
    module: nn.Module, parts: tuple[str, ...]
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Splits parameters into those whose name contains one of `parts`, and all others."""
    chosen: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        (chosen if any(part in name for part in parts) else others).append(parameter)
    return chosen, others
