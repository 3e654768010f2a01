"""Helios (arXiv 2603.04379): streaming with a diffusion transformer and a memory of latents.

A chunk is 33 frames, 9 latents, denoised together in three sizes. It reads two memories: the
latents of the last frames (short-term, finer the nearer they are) and the latent of the first frame
(long-term, the anchor). No frame is drawn twice. Both memories have a constant size; with the
settings and the seed they are all that the next chunk depends on.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from t2v.errors import ConfigError
from t2v.events import Chunk, Event, LatentMemory, Notice, Stage, StepDone
from t2v.models.helios_attention import PreparedText
from t2v.pipeline.conditioning import EncodedPrompts, PromptCache
from t2v.pipeline.denoising import Latents, Step, check_finite, finite_pixels, noise_generator
from t2v.pipeline.helios_stack import HISTORY_SIZES, HeliosStack, History
from t2v.pipeline.offload import memory_in_use
from t2v.pipeline.pyramid import (
    block_noise,
    enlarge,
    shrink_noise,
    step_timestep,
    steps_of_levels,
    time_shift,
)
from t2v.pipeline.retry import check_resumed, draw_offloaded
from t2v.pipeline.streaming_t2v import prompt_notices
from t2v.settings.config import GenerationConfig


@dataclass(frozen=True, slots=True)
class HeliosMemories:
    """Both memories, on the device."""

    history: Float[Tensor, "1 c k h w"]  # 0 where the video had not begun
    anchor: Float[Tensor, "1 c 1 h w"] | None  # None before the first chunk

    @classmethod
    def nothing(cls, stack: HeliosStack, config: GenerationConfig) -> "HeliosMemories":
        channels, height, width = stack.latent_shape(config.frame_size)
        shape = (1, channels, sum(HISTORY_SIZES), height, width)
        return cls(torch.zeros(shape, device=stack.device), None)

    @classmethod
    def from_host(cls, memory: LatentMemory, device: torch.device) -> "HeliosMemories":
        history, anchor = (torch.from_numpy(x) for x in (memory.history, memory.anchor))
        return cls(history.to(device), anchor.to(device))

    def to_host(self) -> LatentMemory:
        """The same as arrays, from which an interrupted video resumes."""
        assert self.anchor is not None
        history, anchor = (x.cpu().numpy().copy() for x in (self.history, self.anchor))
        return LatentMemory(history, anchor)

    def after(self, latents: Latents) -> "HeliosMemories":
        """The memories after a chunk."""
        joined = torch.cat([self.history, latents], dim=2)[:, :, -self.history.shape[2] :]
        anchor = latents[:, :, :1] if self.anchor is None else self.anchor
        return HeliosMemories(joined.contiguous(), anchor.contiguous())

    def seen(self, config: GenerationConfig) -> tuple[Tensor, Tensor]:
        """History and anchor as far as the settings let a chunk see them.

        What it does not see is 0, as all of it is for the first chunk of a video.
        """
        history = self.history.clone()
        history[:, :, : history.shape[2] - config.history_length] = 0
        if self.anchor is None or not config.use_anchor:
            return history, torch.zeros_like(history[:, :, :1])
        return history, self.anchor


def stream(
    stack: HeliosStack,
    config: GenerationConfig,
    first_chunk: int = 0,
    memory: LatentMemory | None = None,
) -> Generator[Event, None, None]:
    """Yields a StepDone per denoising step, and each Chunk as soon as it is decoded.

    Nothing is computed before it is asked for, so closing the generator stops the work. Where the
    GPU's memory runs out, the chunk starts again in the next smaller memory profile.

    Args:
        first_chunk: where an interrupted video resumes; `memory` is then what it left. With chunk
            0, `memory` is what a video begins with.

    Raises:
        ConfigError: a video is to be resumed without a memory, or its memory has another size.
        NotFiniteError: the latents or pixels of a chunk are no numbers.
        torch.OutOfMemoryError: there is no smaller profile.
    """
    check_resumed(first_chunk, memory, may_begin_with_memory=True)
    if memory is not None:
        check_memory(stack, config, memory)
    yield from map(Notice, stack.notices)
    prompts = replace(config, negative_prompt="")  # that it reads none is told with the settings
    yield from prompt_notices(stack.name, stack.text_encoder, prompts, guidance_scale=1)
    yield from draw_offloaded(
        stack.offloader,
        lambda chunk, remembered: draw_video(stack, config, chunk, remembered),
        lambda _, chunk: chunk.memory,
        first_chunk,
        memory,
    )


def check_memory(stack: HeliosStack, config: GenerationConfig, memory: LatentMemory) -> None:
    """Refuses a memory of frames of another size.

    Raises:
        ConfigError: says so.
    """
    channels, height, width = stack.latent_shape(config.frame_size)
    expected = (1, channels, sum(HISTORY_SIZES), height, width)
    if memory.history.shape != expected:
        raise ConfigError(
            f"the memory of this video has the shape {list(memory.history.shape)}, "
            f"and {list(expected)} is needed: it is of another size or another model"
        )


@torch.inference_mode()
def draw_video(
    stack: HeliosStack, config: GenerationConfig, first_chunk: int, memory: LatentMemory | None
) -> Generator[Event, None, None]:
    """Yields what `stream` does, for the chunks from `first_chunk` on."""
    stack.use("umt5")
    prompts = EncodedPrompts(stack.text_encoder.encode, config, guidance_scale=1)
    stack.use("transformer")
    texts = PromptCache(config, lambda chunk: stack.prepare(prompts.of_chunk(chunk)))
    if memory is None:
        memories = HeliosMemories.nothing(stack, config)
    else:
        memories = HeliosMemories.from_host(memory, stack.device)
    for index in range(first_chunk, config.num_chunks):
        stage = stage_of(index)
        history = stack.history(*memories.seen(config))
        steps = draw_chunk(stack, config, index, texts.of_chunk(index), history)
        num_steps = stack.num_steps(config, index)
        for number, (latents, x0) in enumerate(steps, start=1):
            yield StepDone(
                stage=stage,
                chunk_index=index,
                step=number,
                num_steps=num_steps,
                picture=stack.picture(x0[0, :, 0], config.frame_size),
                **memory_in_use(stack.device),
            )
        check_finite(latents, stage, index)
        memories = memories.after(latents)
        with finite_pixels(stage, index):
            frames = stack.autoencoder.decode(latents)
        yield Chunk(
            stage=stage,
            index=index,
            start_frame=stack.chunking.num_frames(index),
            frames=frames,
            memory=memories.to_host(),
        )


def draw_chunk(
    stack: HeliosStack,
    config: GenerationConfig,
    index: int,
    text: PreparedText,
    history: History,
) -> Iterator[Step]:
    """Yields the latents of chunk `index` after every denoising step, at the size of their level.

    Every level starts from the result of the one before, and every step of a level from the same
    noise (distribution matching distillation: a step predicts the clean latents, and all but the
    last of a level noise them again).
    """
    scheduler, num_levels = stack.new_scheduler(), stack.num_levels
    latents = shrink_noise(draw_noise(stack, config, index), num_levels)
    for level, num_steps in enumerate(steps_of_levels(config.num_inference_steps, num_levels)):
        # Of the size before: so the weights were distilled.
        shift = time_shift(stack.num_tokens(latents), scheduler.config)
        if level:
            gamma = scheduler.config["gamma"]
            noise = block_noise(draw_noise(stack, config, index, level), gamma)
            latents = enlarge(latents, noise, scheduler.ori_start_sigmas[level], gamma)
        start = latents
        scheduler.set_timesteps(
            num_steps,
            level,
            device=stack.device,
            mu=shift,
            is_amplify_first_chunk=index == 0,
        )
        known = {"sigmas": scheduler.sigmas, "timesteps": scheduler.timesteps}
        for step, timestep in enumerate(scheduler.timesteps):
            flow = predict(stack, latents, timestep, text, history)
            now = timestep.expand(len(latents))
            x0 = scheduler.convert_flow_pred_to_x0(flow, latents, now.long(), **known)
            latents = x0
            if step < len(scheduler.timesteps) - 1:
                next_timestep = scheduler.timesteps[step + 1].expand(len(latents)).long()
                latents = scheduler.add_noise(x0, start, next_timestep, **known)
            yield Step(latents, x0)


def predict(
    stack: HeliosStack,
    latents: Latents,
    timestep: Tensor,
    text: PreparedText,
    history: History,
) -> Latents:
    """The transformer, in its own precision; the scheduler computes in float32."""
    with text.read_by(stack.transformer):
        output = stack.transformer(
            hidden_states=latents.to(stack.transformer.dtype),
            timestep=step_timestep(timestep, len(latents)),
            encoder_hidden_states=text.embeds,
            return_dict=False,
            **history,
        )
    return output[0].float()


def draw_noise(
    stack: HeliosStack, config: GenerationConfig, index: int, level: int | None = None
) -> Latents:
    """The noise that a chunk begins with, or that a level of its pyramid is enlarged with."""
    details = () if level is None else ("level", level)
    generator = noise_generator(config.seed_of(index), stage_of(index), index, *details)
    channels, height, width = stack.latent_shape(config.frame_size)
    below = 0 if level is None else stack.num_levels - 1 - level
    shape = (1, channels, stack.chunk_latents, height >> below, width >> below)
    return torch.randn(shape, generator=generator).to(stack.device)


def stage_of(index: int) -> Stage:
    """The first chunk is drawn from text alone, or from what the video begins with."""
    return "streaming_t2v" if index else "initialization"
