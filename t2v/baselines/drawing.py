"""Draws the chunks of any baseline, with the events of every pipeline."""

from collections.abc import Generator, Iterator

import torch

from t2v.baselines.interface import Baseline, Continuing, Remembering, WholeVideo
from t2v.events import Chunk, Event, Frames, LatentMemory, Memory, Stage, StepDone, remember
from t2v.pipeline.conditioning import EncodedPrompts
from t2v.pipeline.denoising import Latents, Step, check_finite, finite_pixels
from t2v.pipeline.offload import memory_in_use
from t2v.settings.config import GenerationConfig


@torch.inference_mode()
def draw_video(
    baseline: Baseline,
    config: GenerationConfig,
    first_chunk: int,
    memory: Memory | LatentMemory | None,
    image: Frames | None = None,
) -> Generator[Event, None, None]:
    """Yields the steps and chunks of a video from `first_chunk` on.

    Raises:
        NotFiniteError: the latents or pixels of a chunk are no numbers.
    """
    prompts = baseline.encode_prompts(config)
    if isinstance(baseline, WholeVideo):
        yield from draw_at_once(baseline, config, first_chunk, prompts)
    elif isinstance(baseline, Remembering):
        assert not isinstance(memory, Memory)
        yield from draw_remembering(baseline, config, first_chunk, prompts, memory, image)
    elif isinstance(baseline, Continuing):
        assert not isinstance(memory, LatentMemory)
        yield from draw_continuing(baseline, config, first_chunk, prompts, memory, image)


def draw_continuing(
    baseline: Continuing,
    config: GenerationConfig,
    first_chunk: int,
    prompts: EncodedPrompts,
    memory: Memory | None,
    image: Frames | None,
) -> Generator[Event, None, None]:
    """Yields chunks that each continue the last frames of the video."""
    overlap = baseline.chunking.overlap
    for index in range(first_chunk, config.num_chunks):
        embeds, stage = prompts.of_chunk(index), stage_of(index)
        if memory is None:
            known = baseline.first_frames(config, embeds, image)
        else:
            known = memory.cond_frames
        num_known = overlap if index else 0  # frames that the video has already
        steps = baseline.draw(config, index, embeds, known)
        latents = yield from report(baseline, config, index, steps, baseline.num_latents(num_known))
        with finite_pixels(stage, index):
            frames = baseline.decode(latents)[num_known:]
        start_frame = baseline.chunking.num_frames(index)
        yield Chunk(stage=stage, index=index, start_frame=start_frame, frames=frames)
        memory = remember(memory, frames, overlap)


def draw_remembering(
    baseline: Remembering,
    config: GenerationConfig,
    first_chunk: int,
    prompts: EncodedPrompts,
    memory: LatentMemory | None,
    image: Frames | None,
) -> Generator[Event, None, None]:
    """Yields chunks that each continue the latents in the memory, and the memory after each."""
    if memory is None:
        memory = baseline.begin(config, image)
    for index in range(first_chunk, config.num_chunks):
        stage = stage_of(index)
        steps = baseline.draw(config, index, prompts.of_chunk(index), memory)
        latents = yield from report(baseline, config, index, steps, 0)
        memory = baseline.remember(memory, latents)
        with finite_pixels(stage, index):
            frames = baseline.new_frames(memory, index)
        yield Chunk(
            stage=stage,
            index=index,
            start_frame=baseline.chunking.num_frames(index),
            frames=frames,
            memory=memory,
        )


def draw_at_once(
    baseline: WholeVideo, config: GenerationConfig, first_chunk: int, prompts: EncodedPrompts
) -> Generator[Event, None, None]:
    """Yields the steps of the whole video as those of the next chunk, then chunk after chunk."""
    chunking = baseline.chunking
    steps = baseline.draw_all(config, prompts)
    latents = yield from report(
        baseline, config, first_chunk, steps, chunking.num_frames(first_chunk)
    )
    for index in range(first_chunk, config.num_chunks):
        stage = stage_of(index)
        start, stop = chunking.num_frames(index), chunking.num_frames(index + 1)
        with finite_pixels(stage, index):
            frames = baseline.decode(latents[:, :, start:stop])
        yield Chunk(stage=stage, index=index, start_frame=start, frames=frames)


def report(
    baseline: Baseline,
    config: GenerationConfig,
    index: int,
    steps: Iterator[Step],
    place: int,
) -> Generator[Event, None, Latents]:
    """Yields the steps of a chunk, and returns its latents.

    Args:
        place: of the first new latent, which is the picture of a step.

    Raises:
        NotFiniteError: latents are no numbers.
    """
    for number, (latents, x0) in enumerate(steps, start=1):
        yield StepDone(
            stage=stage_of(index),
            chunk_index=index,
            step=number,
            num_steps=config.num_inference_steps,
            picture=baseline.preview(x0[0, :, place]),
            **memory_in_use(baseline.device),
        )
    check_finite(latents, stage_of(index), index)
    return latents


def stage_of(index: int) -> Stage:
    """The first chunk continues nothing."""
    return "streaming_t2v" if index else "initialization"
