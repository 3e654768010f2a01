"""What a worker has done since it started, counted for whoever watches a server."""

import time
from dataclasses import dataclass

from t2v.events import Chunk, Event, StepDone, Track, track_of


@dataclass(frozen=True, slots=True)
class ChunkCount:
    """Chunks of one preset and track.

    Attributes:
        seconds: of work on them, and on the chunk that has begun.
    """

    preset: str
    track: Track
    num_chunks: int = 0
    seconds: float = 0.0


class Tally:
    """Counts on the thread that makes runs; any thread may read.

    Attributes:
        num_failed: runs that have failed.
    """

    def __init__(self) -> None:
        self.num_failed = 0
        self._counts: dict[tuple[str, Track], ChunkCount] = {}
        self._since = time.monotonic()

    def begin(self) -> None:
        """The work on the next step begins."""
        self._since = time.monotonic()

    def add(self, preset: str, event: Event) -> None:
        """A step or chunk of a run of this preset is done: the time since the last was for it."""
        if not isinstance(event, StepDone | Chunk):
            return
        before, self._since = self._since, time.monotonic()
        track = track_of(event.stage)
        count = self._counts.get((preset, track)) or ChunkCount(preset, track)
        self._counts[preset, track] = ChunkCount(
            preset,
            track,
            count.num_chunks + isinstance(event, Chunk),
            count.seconds + self._since - before,
        )

    def chunks(self) -> tuple[ChunkCount, ...]:
        """The chunks that were made, by preset and track."""
        return tuple(self._counts.copy().values())
