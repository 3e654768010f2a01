"""Initialization Stage (Sec. 4.4): the first 16 frames, from text alone.

The paper leaves them to a public text-to-video model. The embedded stack draws one image first, and
then the chunk with that image as its anchor (factorized, as in Girdhar et al., 2024). The frames
then agree on what the prompt leaves open, which its small temporal layers alone do not achieve.
"""

from collections.abc import Callable, Generator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from t2v.events import Stage
from t2v.media.images import Picture
from t2v.models.attention import TextContext
from t2v.pipeline.conditioning import embed_anchor
from t2v.pipeline.denoising import (
    Latents,
    Outputs,
    Predict,
    Step,
    check_finite,
    denoise,
    finite_pixels,
    guided,
    in_precision,
    make_scheduler,
    noise_generator,
)
from t2v.pipeline.offload import guidance_parts
from t2v.pipeline.stack import Stack
from t2v.settings.config import GenerationConfig


def draw_first_chunk(
    stack: Stack,
    config: GenerationConfig,
    prompt_embeds: Float[Tensor, "b n d"],
    image: Picture | None = None,
) -> Generator[Step, None, None]:
    """Yields the latents of the first chunk after every denoising step.

    Args:
        image: for stacks that draw an image first: another one in its place.
    """
    predict = predict_first_chunk(stack, config, prompt_embeds, image)
    yield from draw_chunk(stack, config, "initialization", 0, predict)


def predict_first_chunk(
    stack: Stack,
    config: GenerationConfig,
    prompt_embeds: Float[Tensor, "b n d"],
    image: Picture | None = None,
) -> Predict:
    """Prepares the network of the first chunk: its text, and the image that it begins with."""
    stack.use("first_unet" if stack.first_unet else "unet")
    text = stack.initial_unet.prepare_text(prompt_embeds)
    if stack.image_first:
        drawn = draw_image(stack, config, text) if image is None else image
        anchor_tokens = embed_anchor(stack, config, drawn)
        stack.use("unet")
        text = stack.unet.prepare_text(prompt_embeds, anchor_tokens)
    return predict_from_text(stack, text)


def draw_image(
    stack: Stack, config: GenerationConfig, text: TextContext
) -> UInt8[np.ndarray, "h w 3"]:
    """Draws an image that is no part of the video: the anchor of the first chunk."""
    predict = predict_from_text(stack, text)
    *_, last = draw_chunk(
        stack, config, "initialization", 0, predict, num_frames=1, details=("image",)
    )
    with finite_pixels("initialization", 0):
        return stack.autoencoder.decode(last.latents)[0]


def predict_from_text(stack: Stack, text: TextContext) -> Predict:
    """The network of the first chunk, which has no conditioning frames."""

    def predict(latents: Latents, timestep: Tensor) -> Outputs:
        parts = guidance_parts(stack.offloader, latents, text)
        return torch.cat([stack.initial_unet(latents, timestep, part) for (part,) in parts])

    return predict


def draw_chunk(
    stack: Stack,
    config: GenerationConfig,
    stage: Stage,
    index: int,
    predict: Predict,
    *,
    num_frames: int | None = None,
    details: tuple[str, ...] = (),
    arrange: Callable[[Latents, torch.Generator], Latents] | None = None,
) -> Generator[Step, None, None]:
    """Denoises a chunk from its own noise, with the scheduler and guidance of the settings.

    Args:
        num_frames: by default as many as a chunk has.
        details: set the noise apart from that of the chunk itself.
        arrange: changes the noise that it begins with; it may draw from the chunk's generator.

    Raises:
        NotFiniteError: after the last step, the latents are no numbers.
    """
    generator = noise_generator(config.seed_of(index), stage, index, *details)
    channels, height, width = stack.latent_shape(config.frame_size)
    num_frames = num_frames or stack.chunking.chunk_frames
    noise = torch.randn(1, channels, num_frames, height, width, generator=generator)
    if arrange:
        noise = arrange(noise, generator)
    steps = denoise(
        guided(in_precision(predict, stack.unet.dtype), config.guidance_scale),
        noise.to(stack.device),
        make_scheduler(config.scheduler, stack.schedule, config.num_inference_steps),
        generator,
    )
    for step in steps:
        yield step
        latents = step.latents
    check_finite(latents, stage, index)
