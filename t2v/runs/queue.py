"""The queue: runs that wait, and those that are being made, here and elsewhere."""

import threading
from bisect import insort
from contextlib import AbstractContextManager

from t2v.errors import RunError
from t2v.runs.claims import Claims
from t2v.runs.eta import ThroughputHistory
from t2v.runs.events import Failed, Finished, LiveEvent, Queued
from t2v.runs.folder import RunFolder
from t2v.runs.gpu_sizes import GpuSizes
from t2v.runs.limits import Limits
from t2v.runs.live_run import LiveRun, Phase, Place, StopRequest
from t2v.runs.outlook import Outlook


class RunQueue:
    """The runs that have not ended.

    `changed` guards everything here and is notified of every change. Every viewer needs it, so
    nobody may read or write files while holding it: decide under the lock, work on the files of a
    run within `claim`, and publish under the lock again.

    Args:
        max_waiting, max_per_visitor: see `Limits`.
        takes_all: make also the runs that were asked for in other processes.
        gpus: which runs fit into which GPU.

    Attributes:
        num_workers: that make runs of this folder, in all processes.
    """

    def __init__(
        self,
        max_waiting: int,
        max_per_visitor: int | None = None,
        *,
        takes_all: bool = True,
        gpus: GpuSizes | None = None,
    ):
        self.changed = threading.Condition()
        self.throughput = ThroughputHistory()
        self.is_closing = False
        self.num_workers = 1
        self.gpus = gpus or GpuSizes()
        self._takes_all = takes_all
        self._limits = Limits(max_waiting, max_per_visitor)
        self._addresses: dict[str, str] = {}  # by run: one that is resumed counts for its address
        self._live: dict[str, LiveRun] = {}
        self._waiting: list[LiveRun] = []  # in the order in which they were asked for
        self._claims = Claims(self.changed, self._phase_of)
        self._kept_ends: dict[str, Finished | Failed] = {}

    def claim(self, run_id: str) -> AbstractContextManager[None]:
        """See `Claims.claim`."""
        return self._claims.claim(run_id)

    def await_changes(self, run: LiveRun) -> None:
        """Waits until no command is changing a run. The caller holds the lock."""
        self._claims.await_free(run.folder.id)

    def reserve(self, run: LiveRun) -> None:
        """Takes the last place of the queue for a run whose files are not ready.

        Raises:
            RunError: the app is closing, too many runs wait, this visitor has too many, or the run
                fits into no GPU.
        """
        with self.changed:
            run.address = run.address or self._addresses.get(run.folder.id, "")
            if self.is_closing:
                raise RunError("the app is shutting down")
            if obstacle := self._outlook().obstacle(run):
                raise RunError(obstacle)
            self._limits.check(run, self._live.values(), len(self._outlook().in_turn()))
            if run.address:
                self._addresses[run.folder.id] = run.address
            self._add(run)

    def publish(self, run: LiveRun, next_chunk: int = 0) -> None:
        """Lets a worker take a run whose place was reserved, and that other processes know of."""
        with self.changed:
            run.is_listed = True
            run.next_chunk = next_chunk
            run.phase = "waiting"
            self.changed.notify_all()

    def add_interrupted(self, run: LiveRun) -> None:
        """Adds a run that the last app left unfinished, however long the queue is."""
        with self.changed:
            self._add(run)
            self.publish(run, run.next_chunk)

    def add_seen(self, runs: list[LiveRun]) -> None:
        """Adds runs that other processes have listed, except those that this one knows by now."""
        with self.changed:
            for run in runs:
                if run.folder.id not in self._live:
                    self._add(run)
                    self.publish(run, run.next_chunk)

    def get(self, run_id: str) -> LiveRun | None:
        return self._live.get(run_id)

    def pop(self, timeout: float | None = None, loaded: str | None = None) -> LiveRun | None:
        """Waits for the next run and takes it; None when the app closes, or after `timeout`.

        Args:
            loaded: the preset whose models the caller has; see `choose`.
        """
        with self.changed:
            self.changed.wait_for(lambda: self._outlook().next(loaded) or self.is_closing, timeout)
            run = None if self.is_closing else self._outlook().next(loaded)
            if run is not None:
                self._waiting.remove(run)
                run.phase = "making"
                self.changed.notify_all()
            return run

    def withdraw(self, run: LiveRun, stop_request: StopRequest) -> bool:
        """Takes a run that waits out of the queue, to be ended; False if it does not wait."""
        with self.changed:
            if run.phase != "waiting":
                return False
            self._waiting.remove(run)
            run.phase, run.stop_request = "ending", stop_request
            self.changed.notify_all()
            return True

    def put_back(self, run: LiveRun) -> None:
        """Makes a withdrawn run wait again at its place, if its end could not be written."""
        with self.changed:
            self._wait(run)

    def adopt(self, run: LiveRun) -> bool:
        """Lets this process make a run that waits, and that it would have left to others."""
        with self.changed:
            if self._takes_all or run.is_own or run.phase != "waiting":
                return False
            run.is_own = True
            self.changed.notify_all()
            return True

    def mark_elsewhere(self, run: LiveRun, was: Phase) -> None:
        """Another process has a run: this one only watches it. Nothing happens in another phase."""
        with self.changed:
            if self._live.get(run.folder.id) is run and run.phase == was:
                self._stop_waiting(run)
                run.phase, run.stop_request = "elsewhere", ""
                self.changed.notify_all()

    def mark_free(self, run: LiveRun) -> None:
        """Nobody makes a run that another process had: it waits again, at its place."""
        with self.changed:
            if self._live.get(run.folder.id) is run and run.phase == "elsewhere":
                run.live_events = ()
                run.folder = RunFolder(run.folder.path)  # without a lease that was lost
                self._wait(run)

    def forget(self, run: LiveRun) -> None:
        """Removes a run that has ended elsewhere, unless this process works on it again."""
        with self.changed:
            if run.phase in ("waiting", "elsewhere"):
                self.remove(run)

    def begin_end(self, run: LiveRun) -> None:
        """No command can change a run from now on; waits for one that is changing it."""
        with self.changed:
            self.await_changes(run)
            run.phase = "ending"
            self.changed.notify_all()

    def begin_closing(self, run: LiveRun) -> None:
        """The end of a run is about to be written. Its readers may use the run at once."""
        with self.changed:
            run.phase = "closing"
            self.changed.notify_all()

    def remove(self, run: LiveRun) -> None:
        with self.changed:
            if self._live.get(run.folder.id) is run:
                del self._live[run.folder.id]
            self._stop_waiting(run)
            self.changed.notify_all()

    def live_runs(self) -> list[LiveRun]:
        with self.changed:
            return list(self._live.values())

    def waiting_runs(self) -> list[LiveRun]:
        """The runs that wait, in turn."""
        with self.changed:
            return [run for run in self._outlook().in_turn() if run.phase == "waiting"]

    def runs_being_made(self) -> list[LiveRun]:
        """The runs that this process makes."""
        return [run for run in self.live_runs() if run.phase == "making"]

    def close(self) -> None:
        """Refuses new runs, and asks the run that is being made to stop and resume later."""
        with self.changed:
            self.is_closing = True
            for run in self._live.values():
                if run.phase != "elsewhere":
                    run.stop_request = run.stop_request or "interrupt"
            self.changed.notify_all()

    def await_commands(self, timeout: float) -> None:
        """Waits until no command works on files."""
        self._claims.await_all_free(timeout)

    def live_events(self, run_id: str) -> tuple[bool, tuple[LiveEvent, ...]]:
        """Whether a run has yet to end, and what it is doing."""
        with self.changed:
            run = self._live.get(run_id)
            if run is None:
                return False, ()
            if run not in self._waiting:
                return True, run.live_events or (Queued(position=0),)
            return True, (self._outlook().of(run),)

    def places(self) -> list[Place]:
        """The runs that have not ended: those that do not wait first, then the queue in order."""
        with self.changed:
            others = [run for run in self._live.values() if run not in self._waiting]
            return [
                Place(run.folder.id, run.settings, self.live_events(run.folder.id)[1])
                for run in (*others, *self._waiting)
            ]

    def set_places(self, places: dict[str, float]) -> None:
        """Gives runs that wait other places: by run, as if it had been asked for at that time."""
        with self.changed:
            for run in self._waiting:
                run.since = places.get(run.folder.id, run.since)
            self._waiting.sort(key=_since)
            self.changed.notify_all()

    def keep_end(self, run_id: str, end: Finished | Failed | None) -> None:
        """Keeps the end of a run in memory while the disk refuses it; None: that is over."""
        with self.changed:
            if end is None:
                self._kept_ends.pop(run_id, None)
            else:
                self._kept_ends[run_id] = end
            self.changed.notify_all()

    def kept_end(self, run_id: str) -> Finished | Failed | None:
        """The end of a run that is not on the disk (yet)."""
        with self.changed:
            return None if run_id in self._live else self._kept_ends.get(run_id)

    def _add(self, run: LiveRun) -> None:
        self._live[run.folder.id] = run
        self._kept_ends.pop(run.folder.id, None)  # it goes on
        insort(self._waiting, run, key=_since)
        self.changed.notify_all()

    def _wait(self, run: LiveRun) -> None:
        insort(self._waiting, run, key=_since)
        run.phase = "waiting"
        self.changed.notify_all()

    def _stop_waiting(self, run: LiveRun) -> None:
        if run in self._waiting:
            self._waiting.remove(run)

    def _busy(self) -> list[LiveRun]:
        """The runs that are being made, here or elsewhere."""
        return [run for run in self._live.values() if run.phase in ("making", "elsewhere")]

    def _outlook(self) -> Outlook:
        return Outlook(
            self._waiting,
            self._busy(),
            self._takes_all,
            self.num_workers,
            self.throughput,
            self.gpus,
        )

    def _phase_of(self, run_id: str) -> Phase | None:
        run = self._live.get(run_id)
        return None if run is None else run.phase


def _since(run: LiveRun) -> float:
    return run.since
