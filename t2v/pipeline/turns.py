"""Two videos, one device: whose step comes next, the preview's or the refined video's.

The preview comes first until whoever watches it has some seconds in hand. Then the refined chunk
that has been begun gets its steps, and at the latest when the frames of the next one exist: so the
refined video follows at a distance of about one of its chunks also where the preview is slower
than its playback, and no more than one chunk's frames ever wait. A chunk of the preview that has
been begun is not interrupted: networks need not change places in it.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator

import numpy as np

from t2v.config import RefinerSettings, first_frame_of
from t2v.events import Chunk, Event
from t2v.state import Start


SECONDS_AHEAD = 2.0  # of the preview that are made and not yet played
Refine = Callable[[Iterable[np.ndarray]], Generator[Event]]


def take_turns(
    preview: Generator[Event],
    refine: Refine,
    settings: RefinerSettings,
    fps: int,
    clock: Callable[[], float] = time.monotonic,
    start: Start | None = None,
) -> Iterator[Event]:
    """Yields the events of both videos, one step at a time, until both are complete.

    Closing it closes both. The refiner must not wait for the whole video, as joint blending does.

    Args:
        preview: makes the frames.
        refine: refines frames as it is given them. It asks for those of its next chunk when it
            goes on after a Chunk, and only then.
        clock: seconds, for a watcher who began with the first chunk.
        start: where both of them go on, if they were interrupted. The refiner is then first given
            the drawn frames that it has not read.
    """
    waiting: deque[np.ndarray] = deque()
    playback = Playback(fps, clock)
    is_complete = False  # the preview
    is_in_chunk = False  # the refiner has the frames of a chunk and goes on without others
    num_due = settings.chunk_frames  # frames of the preview until it may ask for more
    num_read = 0
    if start is not None:
        playback.go_on(first_frame_of(start.num_chunks))
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
            is_due = is_complete or playback.num_frames >= num_due
            if is_due or (is_in_chunk and playback.seconds_ahead() >= SECONDS_AHEAD):
                if not is_in_chunk:
                    num_due += settings.chunk_frames - settings.overlap
                event = next(refined, None)
                if event is None:
                    return
                is_in_chunk = not isinstance(event, Chunk)
            else:
                event = next(preview, None)
                if event is None:
                    is_complete = True
                    continue
                if isinstance(event, Chunk):
                    waiting.append(event.frames)
                    playback.add(len(event.frames))
            yield event
    finally:
        refined.close()
        preview.close()


class Playback:
    """Where somebody is who watches from the first frames on, and waits where there are none."""

    def __init__(self, fps: int, clock: Callable[[], float]):
        self.num_frames = 0  # that can be played
        self._fps = fps
        self._clock = clock
        self._played = 0.0  # seconds
        self._seen = 0.0  # when that was so

    def go_on(self, num_frames: int) -> None:
        """Whoever watches a video that was interrupted has seen what there was of it."""
        self.num_frames, self._played = num_frames, num_frames / self._fps

    def add(self, num_frames: int) -> None:
        self.seconds_ahead()
        self.num_frames += num_frames

    def seconds_ahead(self) -> float:
        now, playable = self._clock(), self.num_frames / self._fps
        self._played = min(playable, self._played + now - self._seen)
        self._seen = now
        return playable - self._played
