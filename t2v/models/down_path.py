"""What the UNet and the CAM's feature extractor share: from the latents down to the mid block."""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from t2v.models.attention import TextContext


DOWN_PATH_PARTS = (
    "conv_in",
    "time_proj",
    "time_embedding",
    "frame_embedding",
    "transformer_in",
    "down_blocks",
    "mid_block",
)
Timestep = int | float | Shaped[Tensor, ""] | Shaped[Tensor, " b"]


class DownPath(NamedTuple):
    """What the way down leaves behind."""

    skips: list[Float[Tensor, "bf _ _ _"]]  # from high to low resolution
    mid: Float[Tensor, "bf c h w"]
    time_embedding: Float[Tensor, "bf d"]


def run_down_path(
    model: nn.Module,
    latents: Float[Tensor, "b c f h w"],
    timestep: Timestep,
    text: TextContext,
    added: Float[Tensor, "bf d h w"] | None = None,
    first_frame: Int[Tensor, " b"] | None = None,
    place_embedding: nn.Module | None = None,
) -> DownPath:
    """Runs the parts of `model` named in DOWN_PATH_PARTS.

    Both halves of the guidance begin alike: until the first block, latents with more than one text
    each are computed once.

    Args:
        text: one for all videos, one each, or several each (all videos with their first text, then
            all with their second).
        added: joins the features right before the first block (the CAM's conditioning frames).
        first_frame: the number within its chunk of each video's first frame; None is 0.
        place_embedding: joins them too, if the model has a frame embedding.
    """
    b, _, f, _, _ = latents.shape
    if text.batch_size != 1 and text.batch_size % b:
        raise ValueError(f"{b} videos of latents, but text for {text.batch_size}")

    num_texts = max(1, text.batch_size // b)
    timesteps = torch.as_tensor(timestep, device=latents.device).expand(b)
    # Sinusoids come in float32, whatever the weights are.
    sinusoids = model.time_proj(timesteps).to(model.conv_in.weight.dtype)
    time_embedding = (
        model.time_embedding(sinusoids).repeat(num_texts, 1).repeat_interleave(f, dim=0)
    )
    frame_embedding = getattr(model, "frame_embedding", None)  # only some of ours have one
    if frame_embedding is not None:
        numbers = torch.arange(f, device=latents.device).expand(b, -1)
        if first_frame is not None:
            numbers = numbers + first_frame[:, None]
        embedded = frame_embedding(numbers.repeat(num_texts, 1), text.pooled)
        time_embedding = time_embedding + frame_embedding.out(embedded.flatten(0, 1))

    x = model.conv_in(rearrange(latents, "b c f h w -> (b f) c h w"))
    x = model.transformer_in(x, num_frames=f, return_dict=False)[0]
    if added is not None:
        x = x + added
    x = x.repeat(num_texts, 1, 1, 1) if num_texts > 1 else x
    if frame_embedding is not None and place_embedding is not None:
        x = x + place_embedding(embedded, x.shape[-2:])

    skips = [x]
    for block in model.down_blocks:
        arguments = {"encoder_hidden_states": text} if hasattr(block, "attentions") else {}
        x, new_skips = block(x, temb=time_embedding, num_frames=f, **arguments)
        skips += new_skips

    mid = model.mid_block(x, time_embedding, encoder_hidden_states=text, num_frames=f)
    return DownPath(skips, mid, time_embedding)
