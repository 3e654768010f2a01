"""What a Helios video begins with besides text: its memories, made from an image or a clip.

As the authors do it, the latents are noised a little: the weights were trained with memories of
that kind, and move from them more freely.
"""

from collections.abc import Generator

import numpy as np
import torch
from torch import Tensor

from t2v.errors import ConfigError
from t2v.events import Event, Frames, LatentMemory, Start
from t2v.pipeline.denoising import noise_generator
from t2v.pipeline.helios import stream
from t2v.pipeline.helios_stack import HISTORY_SIZES, HeliosStack
from t2v.pipeline.retry import check_clip
from t2v.settings.config import GenerationConfig


NOISE_SIGMAS = (0.111, 0.135)  # how much noise; drawn between them


def begin(
    stack: HeliosStack, config: GenerationConfig, start: Start
) -> Generator[Event, None, None]:
    """Yields the events of a video that begins with an image or goes on from a clip.

    Its own frames are all new: the image or the clip is not among them.

    Raises:
        ConfigError: the clip is too short, or its frames have another size.
    """
    yield from stream(stack, config, memory=memory_of_start(stack, config, start))


@torch.inference_mode()
def memory_of_start(stack: HeliosStack, config: GenerationConfig, start: Start) -> LatentMemory:
    """Both memories as if the image or the clip were the video so far.

    Args:
        start: a clip of at least one chunk's frames, or an image.

    Raises:
        ConfigError: the clip is too short, or its frames have another size.
    """
    size = config.frame_size or stack.frame_size
    if start.frames.shape[1:3] != size or start.anchor.shape[:2] != size:
        raise ConfigError(f"the frames to begin with must have {size[0]} x {size[1]} pixels")
    stack.use()  # makes room: the autoencoder is always there
    anchor = noised(encode(stack, start.anchor[None]), config, "anchor")
    if start.is_image:
        # A chunk in which nothing moves; its last latent stands for it.
        still = np.repeat(start.frames, stack.chunking.chunk_frames, axis=0)
        recent = noised(encode(stack, still)[:, :, -1:], config, "still")
    else:
        recent = noised(encode_chunks(stack, start.frames), config, "clip")
    channels, height, width = stack.latent_shape(size)
    history = torch.zeros(1, channels, sum(HISTORY_SIZES), height, width)
    num_known = min(recent.shape[2], history.shape[2])
    history[:, :, -num_known:] = recent[:, :, -num_known:]
    return LatentMemory(history.numpy().copy(), anchor.numpy().copy())


def encode_chunks(stack: HeliosStack, frames: Frames) -> Tensor:
    """Latents of whole chunks up to the last frame.

    Raises:
        ConfigError: there is not one whole chunk.
    """
    length = stack.chunking.chunk_frames
    check_clip(frames, length)
    first = len(frames) % length
    pieces = [frames[begin : begin + length] for begin in range(first, len(frames), length)]
    return torch.cat([encode(stack, piece) for piece in pieces], dim=2)


def encode(stack: HeliosStack, frames: Frames) -> Tensor:
    return stack.autoencoder.encode(torch.from_numpy(frames)[None].to(stack.device)).cpu()


def noised(latents: Tensor, config: GenerationConfig, what: str) -> Tensor:
    """Latents with a little noise, which depends on the seed and on what they are."""
    generator = noise_generator(config.seed, "initialization", 0, "start", what)
    low, high = NOISE_SIGMAS
    sigmas = low + (high - low) * torch.rand(latents.shape[2], generator=generator)
    sigmas = sigmas.view(1, 1, -1, 1, 1)
    return sigmas * torch.randn(latents.shape, generator=generator) + (1 - sigmas) * latents
