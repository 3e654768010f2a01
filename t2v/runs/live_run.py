"""The state of a run that has not ended."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from t2v.errors import RunError
from t2v.events import Notice
from t2v.runs.events import LiveEvent, Loading, Progress
from t2v.runs.folder import RunFolder
from t2v.runs.record import RunSettings


StopRequest = Literal["", "stop", "pause", "interrupt"]  # interrupt: resume at the next start
# opening: its files are being prepared. ending: its videos are being joined, so commands are
# refused. closing: its end is being written, so commands wait for the moment that it takes.
# elsewhere: another process has its lease; it makes the run, or works on its files.
Phase = Literal["opening", "waiting", "making", "ending", "closing", "elsewhere"]
ENDING = "this run is just about to end; try again in a moment"


class Place(NamedTuple):
    """What one run that has not ended is doing.

    Args:
        events: as `RunQueue.live_events` gives them.
    """

    run_id: str
    settings: RunSettings
    events: tuple[LiveEvent, ...]


@dataclass(eq=False, slots=True)
class LiveRun:
    """A run that has not ended, shared by the worker, the commands and its viewers.

    `RunQueue.changed` guards its fields. As long as another process may have the run, they are what
    its folder said when it was looked at last.
    """

    folder: RunFolder
    settings: RunSettings
    visitor: str = ""
    address: str = ""  # of whoever asked for it, as the page identifies addresses
    next_chunk: int = 0  # of the preview: the first chunk that has not been started
    phase: Phase = "opening"
    stop_request: StopRequest = ""
    is_rewound: bool = False  # `run.json` names the chunk to redo from
    live_events: tuple[Loading | Progress, ...] = ()  # one a track, the newest last
    notices: set[Notice] = field(default_factory=set)  # that its log has
    since: float = field(default_factory=time.time)  # when it was asked for: its place in the queue
    is_own: bool = True  # asked for in this process
    is_listed: bool = False  # other processes know of it

    def check_takes_commands(self) -> None:
        """Checks that the run is not about to stop.

        Raises:
            RunError: it was asked to stop, and will within a step.
        """
        if self.stop_request:
            raise RunError(ENDING)

    @property
    def num_chunks_left(self) -> int:
        return max(0, self.settings.config.num_chunks - self.next_chunk)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until it ends, by its own estimate; None as long as there is none."""
        etas = [event.eta for event in self.live_events if isinstance(event, Progress)]
        return max(etas, default=None)

    def show(self, event: Loading | Progress) -> None:
        """Makes an event the latest one; of the others, the other track's progress stays."""
        self.live_events = (*self._progress_of_other_track(event), event)

    def _progress_of_other_track(self, new: Loading | Progress) -> Iterator[Progress]:
        if isinstance(new, Progress):
            for event in self.live_events:
                if isinstance(event, Progress) and event.track != new.track:
                    yield event
