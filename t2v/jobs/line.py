"""The line: runs that wait, and the one that is being made."""

import threading
from collections import deque

from t2v.errors import JobError
from t2v.jobs.pace import Experience
from t2v.jobs.turn import LiveRun
from t2v.jobs.updates import Moment, Progress, Queued


class Line:
    """Everything here is guarded by `changed`, which is told when something changes.

    Args:
        max_waiting: runs that may wait; more are refused.
        max_per_visitor: runs of one visitor that may wait or be made; None: as many as they like.
    """

    def __init__(self, max_waiting: int, max_per_visitor: int | None = None):
        self.changed = threading.Condition()
        self.experience = Experience()
        self.is_closing = False
        self._max_waiting = max_waiting
        self._max_per_visitor = max_per_visitor
        self._live: dict[str, LiveRun] = {}
        self._waiting: deque[str] = deque()

    def check_room(self, visitor: str) -> None:
        """
        Raises:
            JobError: too many runs are waiting, or this visitor has too many.
        """
        if self.is_closing:
            raise JobError("the app is shutting down")
        if len(self._waiting) >= self._max_waiting:
            raise JobError(
                f"the queue is full: {self._max_waiting} videos are waiting; try again later"
            )
        num_own = sum(run.visitor == visitor for run in self._live.values())
        if visitor and self._max_per_visitor is not None and num_own >= self._max_per_visitor:
            raise JobError(
                f"you have {num_own} videos in the queue, and may have {self._max_per_visitor}; "
                "wait for one of them or cancel it"
            )

    def add(self, run: LiveRun) -> None:
        self._live[run.folder.id] = run
        self._waiting.append(run.folder.id)
        self.changed.notify_all()

    def get(self, run_id: str) -> LiveRun | None:
        return self._live.get(run_id)

    def is_waiting(self, run: LiveRun) -> bool:
        return run.folder.id in self._waiting

    def take_next(self) -> LiveRun | None:
        """Waits for the next run, and takes it out of those that wait. None: the app closes."""
        with self.changed:
            self.changed.wait_for(lambda: self._waiting or self.is_closing)
            return None if self.is_closing else self._live[self._waiting.popleft()]

    def leave(self, run: LiveRun) -> None:
        self._live.pop(run.folder.id, None)
        if self.is_waiting(run):
            self._waiting.remove(run.folder.id)
        self.changed.notify_all()

    def live_ids(self) -> set[str]:
        with self.changed:
            return set(self._live)

    def close(self) -> None:
        """Takes in nothing more; the run that is being made is asked to go on another time."""
        with self.changed:
            self.is_closing = True
            for run in self._live.values():
                run.wish = run.wish or "interrupt"
            self.changed.notify_all()

    def moments(self, run_id: str) -> tuple[bool, tuple[Moment, ...]]:
        """Whether a run has yet to end, and what it is doing."""
        with self.changed:
            run = self._live.get(run_id)
            if run is None:
                return False, ()
            if not self.is_waiting(run):
                return True, run.moments or (Queued(0),)
            place = self._waiting.index(run_id)
            being_made = self._being_made()
            return True, (Queued(place + len(being_made), self._wait(place, being_made)),)

    def _being_made(self) -> list[LiveRun]:
        return [run for run in self._live.values() if not self.is_waiting(run)]

    def _wait(self, place: int, being_made: list[LiveRun]) -> int | None:
        """Seconds until everything before this place is done, about."""
        seconds = [_left(run) for run in being_made]
        for run_id in list(self._waiting)[:place]:
            run = self._live[run_id]
            seconds.append(self.experience.expect(run.settings, num_chunks_left(run)))
        return None if None in seconds else round(sum(seconds))


def num_chunks_left(run: LiveRun) -> int:
    return max(0, run.settings.config.num_chunks - run.next_chunk)


def _left(run: LiveRun) -> float | None:
    """Seconds until a run that is being made ends, by its own estimate."""
    etas = [moment.eta for moment in run.moments if isinstance(moment, Progress)]
    return max(etas, default=None)
