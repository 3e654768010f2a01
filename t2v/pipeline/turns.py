"""Two videos, one device: whose step comes next, the preview's or the refined video's.

The preview comes first until it has the frames of a refined chunk: that is how far it is ahead.
Then they are refined without a break, so that the refined video follows at a distance of one of its
chunks however fast the machine is, and no more than one chunk's frames ever wait. Networks change
places only between chunks.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator

import numpy as np

from t2v.config import RefinerSettings, first_frame_of
from t2v.events import Chunk, Event
from t2v.state import Start


Refine = Callable[[Iterable[np.ndarray]], Generator[Event]]


def take_turns(
    preview: Generator[Event],
    refine: Refine,
    settings: RefinerSettings,
    start: Start | None = None,
) -> Iterator[Event]:
    """Yields the events of both videos, one step at a time, until both are complete.

    Closing it closes both. The refiner must not wait for the whole video, as joint blending does.

    Args:
        preview: makes the frames.
        refine: refines frames as it is given them. It asks for those of its next chunk when it
            goes on after a Chunk, and only then.
        start: where both of them go on, if they were interrupted. The refiner is then first given
            the drawn frames that it has not read.
    """
    waiting: deque[np.ndarray] = deque()
    is_complete = False  # the preview
    num_made = num_read = 0  # frames of the preview: drawn, and read by the refiner before
    num_due = settings.chunk_frames  # frames of the preview until it may ask for more
    if start is not None:
        num_made = first_frame_of(start.num_chunks)
        if start.refiner is not None:
            num_read = start.refiner.num_frames
            num_due += num_read - settings.overlap

    def made_frames() -> Iterator[np.ndarray]:
        if start is not None:
            yield from start.read_frames(num_read)
        while waiting or not is_complete:
            yield waiting.popleft()  # IndexError: it was let go on too early

    refined = refine(made_frames())
    try:
        while True:
            if is_complete or num_made >= num_due:
                event = next(refined, None)
                if event is None:
                    return
                if isinstance(event, Chunk):
                    num_due += settings.chunk_frames - settings.overlap
            else:
                event = next(preview, None)
                if event is None:
                    is_complete = True
                    continue
                if isinstance(event, Chunk):
                    waiting.append(event.frames)
                    num_made += len(event.frames)
            yield event
    finally:
        refined.close()
        preview.close()
