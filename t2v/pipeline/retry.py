"""Continues a video: from a clip, from where it stopped, or where the GPU's memory ran out."""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

import torch

from t2v.errors import ConfigError
from t2v.events import Chunk, Event, Frames, LatentMemory, Memory, Notice
from t2v.pipeline.offload import Offloader, lower_profile


# What a pipeline remembers between chunks, if anything.
AnyMemory = TypeVar("AnyMemory", bound=Memory | LatentMemory | None)


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
    draw: Callable[[int, AnyMemory], Generator[Event, None, None]],
    remember: Callable[[AnyMemory, Chunk], AnyMemory],
    first_chunk: int,
    memory: AnyMemory,
) -> Generator[Event, None, None]:
    """Yields the events of a video. Where memory runs out, the chunk starts again with less.

    Args:
        draw: the chunks from a number on, with the memory of those before.
        remember: the memory after a chunk, from the one before it.

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
        yield downgrade_notice("the video", first_chunk, downgrade_profile(offloader))


def retry_offloaded(
    offloader: Offloader | None,
    report: Callable[[str], None],
    work: Callable[..., Any],
) -> Callable[..., Any]:
    """Wraps `work` so that it is repeated in the next smaller profile where memory runs out.

    Args:
        report: is called with the new profile.
        work: may be called twice with the same arguments.
    """

    def retried(*arguments: Any) -> Any:
        while True:
            try:
                return work(*arguments)
            except torch.OutOfMemoryError:
                if offloader is None or lower_profile(offloader.profile) is None:
                    raise
            report(downgrade_profile(offloader))

    return retried


def downgrade_profile(offloader: Offloader) -> str:
    """Changes to the next smaller profile after memory ran out, and returns its name.

    Not to be called inside `except`: the error keeps the tensors alive that were too many.
    """
    lower = lower_profile(offloader.profile)
    if lower is None:
        raise ValueError(f"there is no smaller profile than {offloader.profile}")
    offloader.change(lower)
    if offloader.device.type == "cuda":
        torch.cuda.empty_cache()
    return lower


def downgrade_notice(what: str, chunk: int, profile: str) -> Notice:
    """Says that `what` continues in a smaller profile."""
    return Notice(
        f"The GPU's memory was used up: {what} continues at chunk {chunk} with the memory profile "
        f"{profile}, which is slower."
    )
