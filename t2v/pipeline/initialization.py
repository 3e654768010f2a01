"""Initialization Stage (Sec. 4.4): the first 16 frames, from text alone.

The paper leaves them to a public text-to-video model. The embedded stack draws one image first, and
then the chunk with that image as its anchor (factorized, as by Girdhar et al., 2024): its frames
agree on what the prompt leaves open, which its small temporal layers alone do not bring about.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from t2v.config import CHUNK_FRAMES, GenerationConfig
from t2v.events import Stage
from t2v.models.attention import TextContext
from t2v.pipeline.anchor import embed_anchor
from t2v.pipeline.denoising import (
    Latents,
    Outputs,
    Predict,
    Step,
    denoise,
    guided,
    in_precision,
    make_scheduler,
    noise_generator,
)
from t2v.pipeline.memory import guidance_parts
from t2v.pipeline.stack import Stack


def draw_first_chunk(
    stack: Stack, config: GenerationConfig, prompt_embeds: Float[Tensor, "b n d"]
) -> Iterator[Step]:
    """Yields the latents of 16 frames after every denoising step."""
    stack.use("first_unet" if stack.first_unet else "unet")
    text = stack.initial_unet.prepare_text(prompt_embeds)
    if stack.image_first:
        anchor_tokens = embed_anchor(stack, config, draw_image(stack, config, text))
        stack.use("unet")
        text = stack.unet.prepare_text(prompt_embeds, anchor_tokens)
    yield from draw_chunk(stack, config, "initialization", 0, predict_from_text(stack, text))


def draw_image(
    stack: Stack, config: GenerationConfig, text: TextContext
) -> UInt8[np.ndarray, "h w 3"]:
    """The first frame by itself, which no video shows."""
    predict = predict_from_text(stack, text)
    name = "initialization", 0
    *_, last = draw_chunk(stack, config, *name, predict, num_frames=1, details=("image",))
    return stack.autoencoder.decode(last.latents)[0]


def predict_from_text(stack: Stack, text: TextContext) -> Predict:
    """The network of the first chunk, which has no frames to go on from."""

    def predict(latents: Latents, timestep: torch.Tensor) -> Outputs:
        parts = guidance_parts(stack.placement, latents, text)
        return torch.cat([stack.initial_unet(latents, timestep, part) for (part,) in parts])

    return predict


def draw_chunk(
    stack: Stack,
    config: GenerationConfig,
    stage: Stage,
    index: int,
    predict: Predict,
    num_frames: int = CHUNK_FRAMES,
    details: tuple[str, ...] = (),
) -> Iterator[Step]:
    """Denoises frames from pure noise of the chunk's own, as the settings say.

    Args:
        details: what tells the noise from that of the chunk itself, if it is another's.
    """
    generator = noise_generator(config.seed_of(index), stage, index, *details)
    channels, height, width = stack.latent_shape(config.frame_size)
    noise = torch.randn(1, channels, num_frames, height, width, generator=generator)
    return denoise(
        guided(in_precision(predict, stack.unet.dtype), config.guidance_scale),
        noise.to(stack.device),
        make_scheduler(config.scheduler, stack.schedule, config.num_inference_steps),
        generator,
    )
