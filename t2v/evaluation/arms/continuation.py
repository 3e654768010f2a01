"""Arms that continue a video as the app does, with one thing changed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from t2v.evaluation.arms.task import Task, Video
from t2v.evaluation.samples import generate
from t2v.events import Chunk, Event, remember
from t2v.pipeline.streaming_t2v import stream
from t2v.settings.chunking import Chunking


RESEED = 1_000_000  # between the seeds of restarts: far from the seeds of other prompts


def continue_with(task: Task, **settings: Any) -> Iterator[Video]:
    """The app's pipeline after the first chunk, with other settings: use_cam, apm_strength."""
    stack, config = task.stack, replace(task.config, **settings)
    yield task.first_chunk
    memory = remember(None, task.first_chunk, stack.chunking.overlap)
    yield from frames_of(stream(stack, config, 1, memory))


def with_overlap(task: Task, overlap: int) -> Iterator[Video]:
    """CAM with so many conditioning frames: a chunk draws them again, and adds all others."""
    chunking = Chunking(task.stack.chunking.chunk_frames, overlap)
    num_chunks = chunking.num_chunks(task.num_frames)
    stack = replace(task.stack, chunking=chunking)
    yield from continue_with(replace(task, stack=stack), num_chunks=num_chunks)


def with_conditioning(task: Task, name: str, overlap: int | None) -> Iterator[Video]:
    """The app's pipeline with another, trained way to condition in the place of both memories."""
    task = replace(
        task, stack=task.conditioned(name), config=replace(task.config, apm_strength=0.0)
    )
    if overlap is None:
        yield from continue_with(task)
    else:
        yield from with_overlap(task, overlap)


def with_last_frame(task: Task) -> Iterator[Video]:
    """CAM that sees the last frame only, as often as it expects frames."""
    stack, overlap = task.stack, task.stack.chunking.overlap
    yield task.first_chunk
    memory = remember(None, task.first_chunk, overlap)
    for index in range(1, task.config.num_chunks):
        seen = replace(memory, cond_frames=np.repeat(memory.cond_frames[-1:], overlap, axis=0))
        config = replace(task.config, num_chunks=index + 1)
        [frames] = frames_of(stream(stack, config, index, seen))
        yield frames
        memory = remember(memory, frames, overlap)


def restart(task: Task) -> Iterator[Video]:
    """Every chunk is the end of a new video of one chunk.

    Its first frames are dropped, so that chunks join at the same frames as in all other arms.
    """
    stack, config = task.stack, task.config
    yield task.first_chunk
    for index in range(1, config.num_chunks):
        other = replace(config, num_chunks=1, seed=config.seed + RESEED * index)
        yield generate(stack, other)[stack.chunking.overlap :]


def frames_of(events: Iterator[Event]) -> Iterator[Video]:
    """The frames of all chunks."""
    for event in events:
        if isinstance(event, Chunk):
            yield event.frames
