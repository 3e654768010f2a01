"""Streaming T2V Stage (Sec. 4): the video grows by 8 frames at a time, without end.

Every chunk is drawn anew from noise, 16 frames together, and sees two memories: the last 8 frames
of the video (short-term, read by the CAM) and one frame of the first chunk (long-term, read by the
APM). Its first 8 frames draw the 8 conditioning frames once more and are dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from t2v.config import CHUNK_FRAMES, NUM_COND_FRAMES, NUM_NEW_FRAMES, GenerationConfig
from t2v.errors import ConfigError
from t2v.events import Chunk, Event, Notice, StepDone
from t2v.models.attention import TextContext
from t2v.models.autoencoder import to_pixels
from t2v.models.cam import CamFeatures
from t2v.models.encoders import TextEncoder
from t2v.pipeline.anchor import embed_anchor
from t2v.pipeline.denoising import Latents, Outputs, Step
from t2v.pipeline.initialization import draw_chunk, draw_first_chunk
from t2v.pipeline.memory import guidance_parts, lower_profile, make_room, memory_in_use
from t2v.pipeline.prompting import EncodedPrompts
from t2v.pipeline.stack import Stack
from t2v.state import Memory


@dataclass(frozen=True, slots=True)
class Conditions:
    """What does not depend on timestep, noise or frame: computed once per prompt."""

    text: TextContext  # keys and values of text and anchor for the UNet
    cam_text: TextContext  # and of the text for the CAM


def stream(
    stack: Stack,
    config: GenerationConfig,
    first_chunk: int = 0,
    memory: Memory | None = None,
) -> Iterator[Event]:
    """Yields a StepDone per denoising step, and each Chunk as soon as it is decoded.

    Nothing is computed before it is asked for: closing the iterator stops the work. Where the
    GPU's memory runs out, the chunk is begun again in the next smaller memory profile.

    Args:
        first_chunk: where to go on with an interrupted video; then `memory` is what was left of it.

    Raises:
        ConfigError: `first_chunk` and `memory` do not belong together.
        torch.OutOfMemoryError: there is no smaller profile.
    """
    if (first_chunk == 0) != (memory is None):
        raise ConfigError("a video goes on from a memory, and begins without one")
    yield from map(Notice, stack.notices)
    yield from prompt_notices(stack.name, stack.text_encoder, config, config.guidance_scale)

    while True:
        try:
            for event in draw_video(stack, config, first_chunk, memory):
                if isinstance(event, Chunk):
                    first_chunk = event.index + 1
                    anchor = memory.anchor_frame if memory else event.frames[0]
                    memory = Memory(event.frames[-NUM_COND_FRAMES:], anchor)
                yield event
            return
        except torch.OutOfMemoryError:
            if stack.placement is None or lower_profile(stack.placement.profile) is None:
                raise
        yield Notice(
            f"The GPU's memory was used up: the video goes on at chunk {first_chunk} with the "
            f"memory profile {make_room(stack.placement)}, which is slower."
        )


@torch.inference_mode()
def draw_video(
    stack: Stack, config: GenerationConfig, first_chunk: int, memory: Memory | None
) -> Iterator[Event]:
    """Yields what `stream` does, of the chunks from `first_chunk` on."""
    stack.use("text_encoder")
    prompts = EncodedPrompts(stack.text_encoder.encode, config, config.guidance_scale)

    if memory is None:
        steps = enumerate(draw_first_chunk(stack, config, prompts.of_chunk(0)), start=1)
        for step, (latents, x0) in steps:
            picture = stack.autoencoder.preview(x0[0, :, 0])
            place = "initialization", 0, step, config.num_inference_steps
            yield StepDone(*place, picture, *memory_in_use(stack.device))
        frames = stack.autoencoder.decode(latents)
        yield Chunk("initialization", 0, 0, frames)
        memory = Memory(frames[-NUM_COND_FRAMES:], frames[0])
        first_chunk = 1
    if first_chunk >= config.num_chunks:
        return

    # Once per video, and not at all without the APM.
    with_apm = config.apm_strength != 0
    anchor_tokens = embed_anchor(stack, config, memory.anchor_frame) if with_apm else None
    conditions = said = None
    for index in range(first_chunk, config.num_chunks):
        if config.prompt_shares(index) != said:
            said = config.prompt_shares(index)
            conditions = prepare_conditions(stack, config, prompts.of_chunk(index), anchor_tokens)
        steps = enumerate(draw_next_chunk(stack, config, index, conditions, memory), start=1)
        for step, (latents, x0) in steps:
            picture = stack.autoencoder.preview(x0[0, :, NUM_COND_FRAMES])
            place = "streaming_t2v", index, step, config.num_inference_steps
            yield StepDone(*place, picture, *memory_in_use(stack.device))
        # Only the new frames are decoded: the others are in the video already.
        frames = stack.autoencoder.decode(latents[:, :, NUM_COND_FRAMES:])
        yield Chunk("streaming_t2v", index, CHUNK_FRAMES + NUM_NEW_FRAMES * (index - 1), frames)
        memory = Memory(frames[-NUM_COND_FRAMES:], memory.anchor_frame)


def prepare_conditions(
    stack: Stack,
    config: GenerationConfig,
    prompt_embeds: Float[Tensor, "b n d"],
    anchor_tokens: Float[Tensor, "b m d"] | None,
) -> Conditions:
    """Text and anchor for all chunks of one prompt."""
    stack.use("unet", "extractor")
    return Conditions(
        text=stack.unet.prepare_text(prompt_embeds, anchor_tokens, config.apm_strength),
        cam_text=stack.extractor.prepare_text(prompt_embeds),
    )


def draw_next_chunk(
    stack: Stack, config: GenerationConfig, index: int, conditions: Conditions, memory: Memory
) -> Iterator[Step]:
    """Yields the latents of chunk `index`, 16 frames, after every denoising step."""
    stack.use("unet", "extractor")
    encoded_frames = None
    if config.use_cam:
        cond_frames = to_pixels(torch.from_numpy(memory.cond_frames)[None])
        encoded_frames = stack.extractor.encode_frames(
            cond_frames.to(stack.device, stack.unet.dtype)
        )

    def remember(
        latents: Latents, timestep: torch.Tensor, cam_text: TextContext
    ) -> CamFeatures | None:
        if encoded_frames is None:
            return None
        return stack.extractor(latents, timestep, cam_text, encoded_frames)

    def predict(latents: Latents, timestep: torch.Tensor) -> Outputs:
        parts = guidance_parts(stack.placement, latents, conditions.text, conditions.cam_text)
        outputs = [
            stack.unet(latents, timestep, text, remember(latents, timestep, cam_text))
            for text, cam_text in parts
        ]
        return torch.cat(outputs)

    return draw_chunk(stack, config, "streaming_t2v", index, predict)


def prompt_notices(
    name: str, text_encoder: TextEncoder, config: GenerationConfig, guidance_scale: float
) -> Iterator[Notice]:
    """Says what the stack cannot read of the prompt. Nothing is ignored silently."""
    texts = dict.fromkeys(change.text for change in config.prompts)
    if guidance_scale != 1:
        texts[config.negative_prompt] = None
    elif config.negative_prompt:
        yield Notice(f"The {name} model reads no negative prompt at guidance scale 1.")
    for text in texts:
        if unknown := text_encoder.unknown_words(text):
            words = ", ".join(f"'{word}'" for word in unknown)
            yield Notice(f"The {name} model does not know {words}.")
        if num_cut := text_encoder.num_cut_tokens(text):
            yield Notice(f"The prompt is too long: its last {num_cut} tokens are not read.")
    for change in config.prompts:
        if change.chunk >= config.num_chunks:
            yield Notice(
                f"The prompt for chunk {change.chunk} is not reached: the video has "
                f"{config.num_chunks} chunks, counted from 0."
            )
