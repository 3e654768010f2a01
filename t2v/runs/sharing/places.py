"""The places of runs in the queue: runs of one owner may exchange theirs."""

import threading
from collections.abc import Callable
from dataclasses import replace

from t2v.errors import RunError
from t2v.runs.disk import disk_errors
from t2v.runs.live_run import LiveRun
from t2v.runs.queue import RunQueue
from t2v.runs.sharing.waiting import Entry, WaitingList


class Places:
    """Keeps the order of the queue of this process and that of the folder the same."""

    def __init__(self, queue: RunQueue, waiting: WaitingList):
        self._queue = queue
        self._waiting = waiting
        # Held while places are written to files, or are read from them. Without it, a place that
        # was read before a move could be set after it.
        self._changing = threading.Lock()

    def read(self) -> dict[str, Entry]:
        """The entries of all runs, by run; their places hold from now on.

        Raises:
            OSError: the file system does not answer.
        """
        # Before the folder is read: a run that is asked for in between is not missed there.
        known = {run.folder.id: run.since for run in self._queue.live_runs() if run.is_listed}
        with self._changing:
            entries = self._waiting.read()
            places = {run_id: entry.since for run_id, entry in entries.items()}
            if any(places.get(run_id, since) != since for run_id, since in known.items()):
                self._queue.set_places(places)
        return entries

    def move(
        self, run_id: str, num_places: int, is_own: Callable[[LiveRun], bool] = lambda _: True
    ) -> list[str]:
        """Moves a run that waits among those of its owner; returns their ids in the new order.

        These runs exchange their places. Nobody else's place changes, so nobody waits longer for
        more runs than before.

        Args:
            num_places: how many runs to pass: negative towards the next one to be made.
            is_own: whether a run belongs to the owner; by default all do.

        Raises:
            RunError: the run does not wait, or others cannot be told.
        """
        with self._changing:
            own = {run.folder.id: run.since for run in self._queue.waiting_runs() if is_own(run)}
            order = moved([*own], run_id, num_places)
            new = dict(zip(order, sorted(own.values()), strict=True))
            places = {run: since for run, since in new.items() if own[run] != since}
            with disk_errors():
                self._write(places)
            self._queue.set_places(places)
        return order

    def _write(self, places: dict[str, float]) -> None:
        for run_id, since in places.items():
            entry = self._waiting.get(run_id)
            if entry is not None:
                self._waiting.put(run_id, replace(entry, since=since))


def moved(own: list[str], run_id: str, num_places: int) -> list[str]:
    """The order of one's own waiting runs after one of them has passed others.

    Args:
        num_places: how many runs to pass: negative towards the next one to be made.

    Raises:
        RunError: the run is none of them.
    """
    if run_id not in own:
        raise RunError("this run does not wait in the queue (any more)")
    others = [other for other in own if other != run_id]
    place = min(max(0, own.index(run_id) + num_places), len(others))
    return [*others[:place], run_id, *others[place:]]
