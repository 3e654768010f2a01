"""Streams any baseline: chunk by chunk, in constant memory, with the events of every pipeline."""

from collections.abc import Generator
from dataclasses import replace

import torch

from t2v.baselines.interface import Baseline, Continuing, WholeVideo
from t2v.errors import ConfigError
from t2v.events import Chunk, Event, Frames, Memory, Notice, Stage, Start, StepDone, remember
from t2v.pipeline.conditioning import EncodedPrompts
from t2v.pipeline.denoising import check_finite, finite_pixels
from t2v.pipeline.offload import memory_in_use
from t2v.pipeline.retry import draw_offloaded
from t2v.pipeline.streaming_t2v import prompt_notices
from t2v.settings.config import GenerationConfig


def stream(
    baseline: Baseline,
    config: GenerationConfig,
    first_chunk: int = 0,
    memory: Memory | None = None,
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
    if (first_chunk == 0) != (memory is None):
        raise ConfigError("first_chunk and memory belong together: give both to resume a video")
    check_size(baseline, config)
    for frames in (image, memory.cond_frames if memory else None):
        if frames is not None:
            check_frames(baseline, frames)
    yield from map(Notice, baseline.notices)
    read = config if baseline.reads_text else replace(config, negative_prompt="")
    scale = config.guidance_scale if baseline.reads_text else 1
    yield from prompt_notices(baseline.name, baseline.text_encoder, read, scale)
    overlap = baseline.chunking.overlap
    yield from draw_offloaded(
        baseline.offloader,
        lambda chunk, remembered: draw_video(baseline, config, chunk, remembered, image),
        lambda before, chunk: remember(before, chunk.frames, overlap),
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
    if len(start.frames) < length:
        raise ConfigError(
            f"the clip to go on from must have at least {length} frames, and has "
            f"{len(start.frames)}"
        )
    frames = start.frames[-length:]
    yield Chunk(stage="initialization", index=0, start_frame=0, frames=frames)
    if config.num_chunks > 1:
        memory = remember(None, frames, baseline.chunking.overlap)
        yield from stream(baseline, config, 1, memory)


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


@torch.inference_mode()
def draw_video(
    baseline: Baseline,
    config: GenerationConfig,
    first_chunk: int,
    memory: Memory | None,
    image: Frames | None = None,
) -> Generator[Event, None, None]:
    """Yields what `stream` does, for the chunks from `first_chunk` on."""
    prompts = baseline.encode_prompts(config)
    if isinstance(baseline, WholeVideo):
        yield from draw_at_once(baseline, config, first_chunk, prompts)
        return
    assert isinstance(baseline, Continuing)
    overlap = baseline.chunking.overlap
    for index in range(first_chunk, config.num_chunks):
        embeds = prompts.of_chunk(index)
        stage: Stage = "streaming_t2v" if index else "initialization"
        if memory is None:
            known = baseline.first_frames(config, embeds, image)
        else:
            known = memory.cond_frames
        num_known = overlap if index else 0  # frames that the video has already
        first_new = baseline.num_latents(num_known)
        for number, (latents, x0) in enumerate(
            baseline.draw(config, index, embeds, known), start=1
        ):
            yield StepDone(
                stage=stage,
                chunk_index=index,
                step=number,
                num_steps=config.num_inference_steps,
                picture=baseline.preview(x0[0, :, first_new]),
                **memory_in_use(baseline.device),
            )
        check_finite(latents, stage, index)
        with finite_pixels(stage, index):
            frames = baseline.decode(latents)[num_known:]
        start_frame = baseline.chunking.num_frames(index)
        yield Chunk(stage=stage, index=index, start_frame=start_frame, frames=frames)
        memory = remember(memory, frames, overlap)


def draw_at_once(
    baseline: WholeVideo, config: GenerationConfig, first_chunk: int, prompts: EncodedPrompts
) -> Generator[Event, None, None]:
    """Yields the steps of the whole video as those of the next chunk, then chunk after chunk."""
    chunking = baseline.chunking
    stage: Stage = "streaming_t2v" if first_chunk else "initialization"
    for number, (latents, x0) in enumerate(baseline.draw_all(config, prompts), start=1):
        yield StepDone(
            stage=stage,
            chunk_index=first_chunk,
            step=number,
            num_steps=config.num_inference_steps,
            picture=baseline.preview(x0[0, :, chunking.num_frames(first_chunk)]),
            **memory_in_use(baseline.device),
        )
    check_finite(latents, stage, first_chunk)
    for index in range(first_chunk, config.num_chunks):
        stage = "streaming_t2v" if index else "initialization"
        start, stop = chunking.num_frames(index), chunking.num_frames(index + 1)
        with finite_pixels(stage, index):
            frames = baseline.decode(latents[:, :, start:stop])
        yield Chunk(stage=stage, index=index, start_frame=start, frames=frames)
