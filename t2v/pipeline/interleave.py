"""Draws and refines a video on one device: chunk by chunk, or after the whole preview.

Interleaved, the preview runs until it has the frames of a refined chunk, so that is how far it is
ahead. Then that chunk is refined without a break. So the refined video follows at the distance of
one of its chunks, however fast the machine is, and never more than one chunk's frames wait.
Networks are loaded and offloaded only between chunks.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import chain

from t2v.events import Chunk, Event, Frames, RefinerState, ResumeState
from t2v.settings.chunking import PAPER_CHUNKING, Chunking
from t2v.settings.config import RefinerSettings


Events = Generator[Event, None, None]
Refine = Callable[[Iterable[Frames]], Events]


def interleave(
    preview: Events,
    refine: Refine,
    settings: RefinerSettings,
    start: ResumeState | None = None,
    preview_chunking: Chunking = PAPER_CHUNKING,
) -> Events:
    """Yields the events of both videos, one step at a time, until both are complete.

    Closing it closes both. The refiner must not need the whole video, as joint blending does.

    Args:
        preview: generates the frames.
        refine: refines frames as they arrive. It asks for those of its next chunk only when it is
            resumed after a Chunk.
        start: where both continue, if they were interrupted. The refiner first gets the frames
            that are drawn and that it has not read.
    """
    waiting: deque[Frames] = deque()
    is_complete = False  # the preview
    chunking = settings.chunking
    num_drawn = 0 if start is None else preview_chunking.num_frames(start.num_chunks)
    num_read, num_refined = _refined_before(start)

    def drawn_frames() -> Iterator[Frames]:
        if start is not None:
            yield from start.read_frames(num_read)
        while waiting or not is_complete:
            yield waiting.popleft()  # IndexError: the refiner was resumed too early

    refined = refine(drawn_frames())
    try:
        while True:
            if is_complete or num_drawn >= chunking.num_frames(num_refined + 1):
                event = next(refined, None)
                if event is None:
                    return
                if isinstance(event, Chunk):
                    num_refined += 1
            else:
                event = next(preview, None)
                if event is None:
                    is_complete = True
                    continue
                if isinstance(event, Chunk):
                    waiting.append(event.frames)
                    num_drawn += len(event.frames)
            yield event
    finally:
        refined.close()
        preview.close()


def _refined_before(start: ResumeState | None) -> tuple[int, int]:
    """The frames that the refiner had read, and the chunks that it had finished."""
    if start is None or start.refiner is None:
        return 0, 0
    return start.refiner.num_frames, start.refiner.num_chunks


def refine_afterwards(
    preview: Events,
    refine: Callable[[Iterable[Frames], RefinerState | None], Events],
    resume: ResumeState | None,
) -> Events:
    """Yields the whole preview, then the refined video, from its first frame."""
    drawn: deque[Frames] = deque()
    for event in preview:
        if isinstance(event, Chunk):
            drawn.append(event.frames)
        yield event

    def take() -> Iterator[Frames]:
        while drawn:
            yield drawn.popleft()

    before = resume.read_frames(0) if resume else iter(())
    yield from refine(chain(before, take()), None)
