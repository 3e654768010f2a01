"""Drawing a video on: from a clip, from where it stopped, or where the GPU's memory ran out."""

from collections.abc import Callable, Generator
from typing import Any

import torch

from t2v.errors import ConfigError
from t2v.events import Chunk, Event, Frames, Notice
from t2v.pipeline.offload import Offloader, downgrade_profile, lower_profile


Remembered = Any  # what the loop over chunks keeps between them


def check_resumed(first_chunk: int, memory: object, *, may_begin_with_memory: bool = False) -> None:
    """Checks that a video which resumes has a memory, and that one which begins has none.

    Args:
        may_begin_with_memory: a video may also begin with one.

    Raises:
        ConfigError: one of the two is missing.
    """
    has_memory = memory is not None
    begins = first_chunk == 0 and (may_begin_with_memory or not has_memory)
    if not (begins or (first_chunk > 0 and has_memory)):
        raise ConfigError("first_chunk and memory belong together: give both to resume a video")


def check_clip(frames: Frames, num_frames: int) -> None:
    """Checks that a clip has as many frames as the first chunk.

    Raises:
        ConfigError: it is too short.
    """
    if len(frames) < num_frames:
        raise ConfigError(
            f"the clip to go on from must have at least {num_frames} frames, and has {len(frames)}"
        )


def draw_offloaded(
    offloader: Offloader | None,
    draw: Callable[[int, Remembered | None], Generator[Event, None, None]],
    remember: Callable[[Remembered | None, Chunk], Remembered | None],
    first_chunk: int,
    memory: Remembered | None,
) -> Generator[Event, None, None]:
    """Yields the events of a video. Where memory runs out, the chunk starts again with less.

    Args:
        draw: the chunks from a number on, with what is remembered of those before.
        remember: what is remembered after a chunk.

    Raises:
        torch.OutOfMemoryError: there is no smaller memory profile.
    """
    while True:
        try:
            for event in draw(first_chunk, memory):
                if isinstance(event, Chunk):
                    first_chunk = event.index + 1
                    memory = remember(memory, event)
                yield event
            return
        except torch.OutOfMemoryError:
            if offloader is None or lower_profile(offloader.profile) is None:
                raise
        yield Notice(
            f"The GPU's memory was used up: the video continues at chunk {first_chunk} with the "
            f"memory profile {downgrade_profile(offloader)}, which is slower."
        )
