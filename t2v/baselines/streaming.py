"""Streams any baseline: chunk by chunk, in constant memory, with the events of every pipeline."""

from collections.abc import Generator
from dataclasses import replace

import torch

from t2v.baselines.drawing import draw_video
from t2v.baselines.interface import Baseline, Remembering, WholeVideo
from t2v.errors import ConfigError
from t2v.events import (
    Chunk,
    Event,
    Frames,
    LatentMemory,
    Memory,
    Notice,
    Start,
    memory_after,
    remember,
)
from t2v.pipeline.retry import check_clip, check_resumed, draw_offloaded
from t2v.pipeline.streaming_t2v import prompt_notices
from t2v.settings.config import GenerationConfig


def stream(
    baseline: Baseline,
    config: GenerationConfig,
    first_chunk: int = 0,
    memory: Memory | LatentMemory | None = None,
    image: Frames | None = None,
) -> Generator[Event, None, None]:
    """Yields a StepDone per denoising step, and each Chunk as soon as it is decoded.

    Nothing is computed before it is asked for, so closing the generator stops the work. Where the
    GPU's memory runs out, the chunk starts again in the next smaller memory profile.

    Args:
        first_chunk: where an interrupted video resumes; `memory` is then what it left.
        image: one frame that the video begins with.

    Raises:
        ConfigError: only one of `first_chunk` and `memory` is given, or frames have another size.
        NotFiniteError: the latents or pixels of a chunk are no numbers.
        torch.OutOfMemoryError: there is no smaller profile.
    """
    check_resumed(first_chunk, memory)
    check_size(baseline, config)
    for frames in (image, frames_in(memory)):
        if frames is not None:
            check_frames(baseline, frames)
    yield from map(Notice, baseline.notices)
    reads_two = baseline.reads_text and baseline.reads_negative
    read = config if reads_two else replace(config, negative_prompt="")
    scale = config.guidance_scale if reads_two else 1
    yield from prompt_notices(baseline.name, baseline.text_encoder, read, scale)
    overlap = baseline.chunking.overlap
    yield from draw_offloaded(
        baseline.offloader,
        lambda chunk, remembered: draw_video(baseline, config, chunk, remembered, image),
        lambda before, chunk: memory_after(before, chunk, overlap),
        first_chunk,
        memory,
    )


def begin(
    baseline: Baseline, config: GenerationConfig, start: Start
) -> Generator[Event, None, None]:
    """Yields the events of a video that begins with an image, or goes on from a clip.

    The last frames of a clip are the first chunk.

    Raises:
        ConfigError: frames have another size, the clip is too short, or the method cannot begin
            with an image.
    """
    if isinstance(baseline, WholeVideo):
        raise ConfigError(
            f"the {baseline.name} preset cannot begin with an image or a clip: it draws the whole "
            "video from text"
        )
    if start.is_image:
        yield from stream(baseline, config, image=start.frames)
        return
    check_size(baseline, config)
    check_frames(baseline, start.frames)
    length = baseline.chunking.chunk_frames
    check_clip(start.frames, length)
    frames = start.frames[-length:]
    yield Chunk(stage="initialization", index=0, start_frame=0, frames=frames)
    if config.num_chunks > 1:
        yield from stream(baseline, config, 1, memory_of_clip(baseline, config, frames))


@torch.inference_mode()
def memory_of_clip(
    baseline: Baseline, config: GenerationConfig, frames: Frames
) -> Memory | LatentMemory:
    """What is remembered of frames that are the first chunk."""
    if isinstance(baseline, Remembering):
        return baseline.memory_of(config, frames)
    return remember(None, frames, baseline.chunking.overlap)


def check_size(baseline: Baseline, config: GenerationConfig) -> None:
    """Refuses a size that the weights were not trained for.

    Raises:
        ConfigError: says which one they know.
    """
    if config.frame_size not in (None, baseline.frame_size):
        height, width = baseline.frame_size
        raise ConfigError(
            f"the {baseline.name} preset draws frames of {height}x{width} only, "
            f"got {config.frame_size[0]}x{config.frame_size[1]}"
        )


def frames_in(memory: Memory | LatentMemory | None) -> Frames | None:
    """Frames that a memory holds."""
    if isinstance(memory, Memory):
        return memory.cond_frames
    return None if memory is None or memory.image is None else memory.image[None]


def check_frames(baseline: Baseline, frames: Frames) -> None:
    """Refuses frames of another size.

    Raises:
        ConfigError: says so.
    """
    height, width = baseline.frame_size
    if frames.shape[1:3] != (height, width):
        raise ConfigError(
            f"the frames to go on from must have {height} x {width} pixels for the "
            f"{baseline.name} preset, and have {frames.shape[1]} x {frames.shape[2]}"
        )
