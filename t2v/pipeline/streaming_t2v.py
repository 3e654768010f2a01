"""Streaming T2V Stage (Sec. 4): each chunk adds 8 frames to the video, up to any length.

A chunk is 16 frames denoised together, each chunk from new noise. It reads two memories: the last 8
frames of the video (short-term, through the CAM) and the first frame of the first chunk (long-term,
through the APM). Its first 8 frames repeat those conditioning frames and are dropped. The numbers
are the paper's; a stack's `chunking` has its own.
"""

from collections.abc import Generator, Iterator

import torch

from t2v.events import Chunk, Event, Memory, Notice, StepDone, remember
from t2v.media.images import Picture
from t2v.models.attention import TextContext
from t2v.models.autoencoder import to_pixels
from t2v.models.cam import CamFeatures
from t2v.models.encoders import TextEncoder
from t2v.pipeline.conditioning import (
    Conditions,
    EncodedPrompts,
    PromptCache,
    embed_anchor,
    prepare_conditions,
)
from t2v.pipeline.denoising import Latents, Outputs, Step, finite_pixels
from t2v.pipeline.initialization import draw_chunk, draw_first_chunk
from t2v.pipeline.offload import guidance_parts, memory_in_use
from t2v.pipeline.retry import check_resumed, draw_offloaded
from t2v.pipeline.stack import Stack
from t2v.settings.config import GenerationConfig


def stream(
    stack: Stack,
    config: GenerationConfig,
    first_chunk: int = 0,
    memory: Memory | None = None,
    image: Picture | None = None,
) -> Generator[Event, None, None]:
    """Yields a StepDone per denoising step, and each Chunk as soon as it is decoded.

    Nothing is computed before it is asked for, so closing the generator stops the work. Where the
    GPU's memory runs out, the chunk starts again in the next smaller memory profile.

    Args:
        first_chunk: where an interrupted video resumes; `memory` is then what it left.
        image: what the first chunk is drawn from, in the place of an image that the stack draws.

    Raises:
        ConfigError: only one of `first_chunk` and `memory` is given.
        NotFiniteError: the latents or pixels of a chunk are no numbers.
        torch.OutOfMemoryError: there is no smaller profile.
    """
    check_resumed(first_chunk, memory)
    yield from map(Notice, stack.notices)
    yield from prompt_notices(stack.name, stack.text_encoder, config, config.guidance_scale)

    yield from draw_offloaded(
        stack.offloader,
        lambda chunk, remembered: draw_video(stack, config, chunk, remembered, image),
        lambda before, chunk: remember(before, chunk.frames, stack.chunking.overlap),
        first_chunk,
        memory,
    )


@torch.inference_mode()
def draw_video(
    stack: Stack,
    config: GenerationConfig,
    first_chunk: int,
    memory: Memory | None,
    image: Picture | None = None,
) -> Generator[Event, None, None]:
    """Yields what `stream` does, for the chunks from `first_chunk` on."""
    num_steps, chunking = config.num_inference_steps, stack.chunking
    stack.use("text_encoder")
    prompts = EncodedPrompts(stack.text_encoder.encode, config, config.guidance_scale)

    if memory is None:
        steps = draw_first_chunk(stack, config, prompts.of_chunk(0), image)
        for number, (latents, x0) in enumerate(steps, start=1):
            yield StepDone(
                stage="initialization",
                chunk_index=0,
                step=number,
                num_steps=num_steps,
                picture=stack.autoencoder.preview(x0[0, :, 0]),
                **memory_in_use(stack.device),
            )
        with finite_pixels("initialization", 0):
            frames = stack.autoencoder.decode(latents)
        yield Chunk(stage="initialization", index=0, start_frame=0, frames=frames)
        memory = remember(None, frames, chunking.overlap)
        first_chunk = 1
    if first_chunk >= config.num_chunks:
        return

    # Once per video, and not at all without the APM.
    with_apm = config.apm_strength != 0
    anchor_tokens = embed_anchor(stack, config, memory.anchor_frame) if with_apm else None
    conditions = PromptCache(
        config,
        lambda chunk: prepare_conditions(stack, config, prompts.of_chunk(chunk), anchor_tokens),
    )
    for index in range(first_chunk, config.num_chunks):
        steps = draw_next_chunk(stack, config, index, conditions.of_chunk(index), memory)
        for number, (latents, x0) in enumerate(steps, start=1):
            yield StepDone(
                stage="streaming_t2v",
                chunk_index=index,
                step=number,
                num_steps=num_steps,
                picture=stack.autoencoder.preview(x0[0, :, chunking.overlap]),
                **memory_in_use(stack.device),
            )
        # Only the new frames are decoded: the video has the others already.
        with finite_pixels("streaming_t2v", index):
            frames = stack.autoencoder.decode(latents[:, :, chunking.overlap :])
        start_frame = chunking.num_frames(index)
        yield Chunk(stage="streaming_t2v", index=index, start_frame=start_frame, frames=frames)
        memory = remember(memory, frames, chunking.overlap)


def draw_next_chunk(
    stack: Stack, config: GenerationConfig, index: int, conditions: Conditions, memory: Memory
) -> Generator[Step, None, None]:
    """Yields the latents of chunk `index` after every denoising step."""
    stack.use("unet", "extractor")
    encoded_frames = None
    if config.use_cam:
        cond_frames = to_pixels(torch.from_numpy(memory.cond_frames)[None])
        encoded_frames = stack.extractor.encode_frames(
            cond_frames.to(stack.device, stack.unet.dtype)
        )

    def extract(
        latents: Latents, timestep: torch.Tensor, cam_text: TextContext
    ) -> CamFeatures | torch.Tensor | None:
        if encoded_frames is None:
            return None
        return stack.extractor(latents, timestep, cam_text, encoded_frames)

    def predict(latents: Latents, timestep: torch.Tensor) -> Outputs:
        parts = guidance_parts(stack.offloader, latents, conditions.text, conditions.cam_text)
        outputs = [
            stack.unet(latents, timestep, text, extract(latents, timestep, cam_text))
            for text, cam_text in parts
        ]
        return torch.cat(outputs)

    return draw_chunk(stack, config, "streaming_t2v", index, predict)


def prompt_notices(
    name: str, text_encoder: TextEncoder, config: GenerationConfig, guidance_scale: float
) -> Iterator[Notice]:
    """Says what the stack cannot read of the prompts. Nothing is ignored silently."""
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
