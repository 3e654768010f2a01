"""A video in slices of whole chunks, each made by a call of its own that is given the memory of
the one before: for a GPU that is lent for one call at a time (Hugging Face ZeroGPU).

Such a call runs in another process, forked from this one: whatever goes in or comes out is
pickled, and of an exception only the name would come back. So errors come as values.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace

from t2v.config import NUM_COND_FRAMES, GenerationConfig
from t2v.errors import JobError, T2VError
from t2v.events import Chunk, Event, Notice
from t2v.pipeline.stack import Stack, load_stack
from t2v.pipeline.streaming_t2v import stream
from t2v.presets import find_preset
from t2v.state import Memory, Start


CHUNKS_PER_SLICE = 4
# What a call asks for, in seconds. A guess until somebody has measured it there: too little would
# end a call early, too much would wait longer in the line.
SECONDS_BEFORE, SECONDS_PER_CHUNK = 15, 15

DrawSlice = Callable[
    [str, GenerationConfig, int, Memory | None], Generator[Event | T2VError, None, None]
]
loaded: dict[str, Stack] = {}  # at most one, by preset: forked processes find it there


def stream_in_slices(
    draw: DrawSlice,
    preset: str,
    config: GenerationConfig,
    start: Start | None = None,
    chunks_per_slice: int = CHUNKS_PER_SLICE,
) -> Iterator[Event]:
    """Yields what `stream` does, and the same frames: noise belongs to its chunk, not to a call.

    Args:
        draw: `draw_slice`, called directly or on a lent GPU.
        start: where to go on with an interrupted video.

    Raises:
        T2VError: what `draw` gave as a value.
        JobError: a call ended without a chunk.
    """
    first_chunk, memory = (start.num_chunks, start.memory) if start else (0, None)
    told: set[Notice] = set()
    while first_chunk < config.num_chunks:
        begin, end = first_chunk, min(first_chunk + chunks_per_slice, config.num_chunks)
        events = draw(preset, replace(config, num_chunks=end), begin, memory)
        try:
            for event in events:
                if isinstance(event, T2VError):
                    raise event
                if isinstance(event, Notice):
                    if event in told:  # every call says them again
                        continue
                    told.add(event)
                if isinstance(event, Chunk):
                    anchor = memory.anchor_frame if memory else event.frames[0]
                    memory = Memory(event.frames[-NUM_COND_FRAMES:], anchor)
                    first_chunk = event.index + 1
                yield event
        finally:
            events.close()
        if first_chunk < end:
            raise JobError(f"the GPU was taken back before chunk {first_chunk} was done")


def draw_slice(
    preset: str, config: GenerationConfig, first_chunk: int, memory: Memory | None
) -> Generator[Event | T2VError, None, None]:
    """The chunks from `first_chunk` to the last one of the config; a mendable error as a value."""
    try:
        yield from stream(loaded_stack(preset), config, first_chunk, memory)
    except T2VError as error:
        yield error


def slice_seconds(
    preset: str, config: GenerationConfig, first_chunk: int, memory: Memory | None
) -> int:
    """How long a call of `draw_slice` may take."""
    return SECONDS_BEFORE + SECONDS_PER_CHUNK * (config.num_chunks - first_chunk)


def loaded_stack(preset: str) -> Stack:
    """The stack of a preset, loaded at its first use. All of it is on the device: memory cannot
    be asked about where no GPU has been lent yet."""
    if preset not in loaded:
        loaded.clear()
        loaded[preset] = load_stack(find_preset(preset), memory="full")
    return loaded[preset]
