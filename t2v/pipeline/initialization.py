"""Initialization Stage (Sec. 4.4): the first 16 frames, from text alone."""

from collections.abc import Iterator

import torch

from t2v.config import CHUNK_FRAMES, GenerationConfig
from t2v.events import Stage
from t2v.models.attention import TextContext
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


def draw_first_chunk(stack: Stack, config: GenerationConfig, text: TextContext) -> Iterator[Step]:
    """Yields the latents of 16 frames after every denoising step."""

    def predict(latents: Latents, timestep: torch.Tensor) -> Outputs:
        parts = guidance_parts(stack.placement, latents, text)
        return torch.cat([stack.initial_unet(latents, timestep, part) for (part,) in parts])

    return draw_chunk(stack, config, "initialization", 0, predict)


def draw_chunk(
    stack: Stack, config: GenerationConfig, stage: Stage, index: int, predict: Predict
) -> Iterator[Step]:
    """Denoises 16 frames from pure noise of the chunk's own, as the settings say."""
    generator = noise_generator(config.seed_of(index), stage, index)
    channels, height, width = stack.latent_shape(config.frame_size)
    noise = torch.randn(1, channels, CHUNK_FRAMES, height, width, generator=generator)
    return denoise(
        guided(in_precision(predict, stack.unet.dtype), config.guidance_scale),
        noise.to(stack.device),
        make_scheduler(config.scheduler, stack.schedule, config.num_inference_steps),
        generator,
    )
