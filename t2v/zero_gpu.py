"""Hugging Face ZeroGPU: a GPU is lent for one function call at a time.

A video is made in slices of whole chunks, each by one call that is given the memory of the slice
before it. Such a call runs in a process forked from this one. Arguments and values are pickled, and
of an exception only the name of its class comes back; so errors are passed as values.

Nothing here loads torch before a stack is loaded.
"""

import os
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from t2v import generator
from t2v.errors import RunError, T2VError
from t2v.events import (
    Chunk,
    Event,
    Frames,
    LatentMemory,
    Memory,
    Notice,
    ResumeState,
    Start,
    memory_after,
)
from t2v.generator import StreamFn
from t2v.settings.chunking import PAPER_CHUNKING, Chunking
from t2v.settings.config import GenerationConfig


CHUNKS_PER_SLICE = 4
# Seconds that a call asks for. An estimate, not measured on ZeroGPU: too few end a call early, too
# many wait longer in the queue.
SECONDS_BEFORE, SECONDS_PER_CHUNK = 15, 15

AnyMemory = Memory | LatentMemory
DrawSlice = Callable[..., Generator[Event | T2VError, None, None]]  # see `draw_slice`
loaded: dict[str, generator.Generator] = {}  # at most one, by preset: forked processes find it here


def on_zero_gpu() -> bool:
    """Whether the app runs where GPUs are lent."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


def slice_opener() -> Callable[[str], StreamFn]:
    """Replaces `open_stream` of the Python API where a GPU is lent for one call at a time."""
    import spaces  # noqa: F401 - before torch, whose functions it changes

    draw = with_lent_gpu(draw_slice, slice_seconds)

    def open_slices(preset: str) -> StreamFn:
        # Loaded before the first call, whose process is a copy of this one.
        chunking = load(preset).preset.chunking
        return partial(stream_in_slices, draw, preset, chunking=chunking)

    return open_slices


def with_lent_gpu(
    draw: Callable[..., Generator[Any, None, None]], seconds: Callable[..., int]
) -> Callable[..., Generator[Any, None, None]]:
    """A generator function whose calls each run on a lent GPU; elsewhere, the function itself.

    Args:
        seconds: how long a call with the same arguments may take.
    """
    if not on_zero_gpu():
        return draw
    import spaces  # installed on ZeroGPU only

    return with_run_errors(spaces.GPU(draw, duration=seconds))


def with_run_errors(
    draw: Callable[..., Generator[Any, None, None]],
) -> Callable[..., Generator[Any, None, None]]:
    """Turns refusals of a GPU, which are errors of the page, into errors of the run."""

    def drawn(*arguments: Any) -> Generator[Any, None, None]:
        try:
            yield from draw(*arguments)
        except Exception as error:
            if type(error).__module__.partition(".")[0] != "gradio":
                raise
            reason = re.sub(r"<[^>]*>", "", str(getattr(error, "message", error))).strip()
            raise RunError(f"no GPU was lent: {reason}") from error

    return drawn


def stream_in_slices(
    draw: DrawSlice,
    preset: str,
    config: GenerationConfig,
    resume: ResumeState | None = None,
    start: Start | None = None,
    *,
    chunks_per_slice: int = CHUNKS_PER_SLICE,
    chunking: Chunking = PAPER_CHUNKING,
) -> Generator[Event, None, None]:
    """Yields the events of a video.

    Its frames are those of a video made in one go, because every chunk is seeded separately.

    Args:
        draw: `draw_slice`, called directly or on a lent GPU.
        resume: the state of an interrupted video, to go on from.
        start: what a video begins with besides text.
        chunking: that of the preset.

    Raises:
        T2VError: one that `draw` passed as a value.
        RunError: a call ended without a chunk.
    """
    first_chunk = resume.num_chunks if resume else 0
    memory: AnyMemory | None = resume.memory if resume else None
    reported: set[Notice] = set()
    while first_chunk < config.num_chunks:
        begin, end = first_chunk, min(first_chunk + chunks_per_slice, config.num_chunks)
        begins = (start,) if start is not None and memory is None else ()
        events = draw(preset, replace(config, num_chunks=end), begin, memory, *begins)
        try:
            for event in events:
                if isinstance(event, T2VError):
                    raise event
                if isinstance(event, Notice):
                    if event in reported:  # every call repeats them
                        continue
                    reported.add(event)
                if isinstance(event, Chunk):
                    memory = memory_after(memory, event, chunking.overlap)
                    first_chunk = event.index + 1
                yield event
        finally:
            events.close()
        if first_chunk < end:
            raise RunError(f"the GPU was taken back before chunk {first_chunk} was done")


def draw_slice(
    preset: str,
    config: GenerationConfig,
    first_chunk: int,
    memory: AnyMemory | None,
    start: Start | None = None,
) -> Generator[Event | T2VError, None, None]:
    """Draws the chunks from `first_chunk` to the end of the config. A T2VError comes as a value."""
    resume = None
    if memory is not None:
        resume = ResumeState(
            num_chunks=first_chunk, memory=memory, refiner=None, read_frames=no_frames
        )
    try:
        yield from load(preset).stream(replace(config, refine=False), resume=resume, start=start)
    except T2VError as error:
        yield error


def no_frames(_num_read: int) -> Iterator[Frames]:
    """Only a refiner reads frames again, and slices are not refined."""
    return iter(())


def slice_seconds(
    _preset: str,
    config: GenerationConfig,
    first_chunk: int,
    _memory: AnyMemory | None,
    _start: Start | None = None,
) -> int:
    """Seconds that a call of `draw_slice` may take."""
    return SECONDS_BEFORE + SECONDS_PER_CHUNK * (config.num_chunks - first_chunk)


def load(preset: str) -> generator.Generator:
    """The generator of a preset, loaded at its first use.

    All of it is on the device, because free memory cannot be measured where no GPU has been lent
    yet.
    """
    if preset not in loaded:
        loaded.clear()
        loaded[preset] = generator.Generator.load(preset, memory="full", refine=False)
    return loaded[preset]
