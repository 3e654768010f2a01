"""What comes next for the runs that wait: whose turn it is, at which place, and in how long."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from t2v.runs.eta import ThroughputHistory
from t2v.runs.events import Queued
from t2v.runs.gpu_sizes import GpuSizes
from t2v.runs.live_run import LiveRun
from t2v.runs.turns import choose, in_turn, seconds_until


@dataclass(frozen=True, slots=True)
class Outlook:
    """The queue at one moment. The caller has its lock.

    Args:
        waiting: in the order in which they were asked for.
        busy: runs that are being made, here or elsewhere.
        takes_all: this process makes also what was asked for in others.
        num_workers: that make runs of this folder, in all processes.
    """

    waiting: Sequence[LiveRun]
    busy: Sequence[LiveRun]
    takes_all: bool
    num_workers: int
    throughput: ThroughputHistory
    gpus: GpuSizes

    def in_turn(self, run: LiveRun | None = None) -> list[LiveRun]:
        """The runs that wait for a worker that there is, and `run`, in turn.

        Those that no worker can make hold nobody up.
        """
        takes_all = self.takes_all or self.num_workers > 1
        waiting = [one for one in self.waiting if takes_all or one.is_own or one is run]
        turns = in_turn(waiting, self.busy)
        return sorted(turns, key=lambda one: bool(self.obstacle(one)))

    def next(self, loaded: str | None) -> LiveRun | None:
        """The run that this process makes next.

        Args:
            loaded: the preset whose models it has; see `choose`.
        """
        runs = [
            run
            for run in self.in_turn()
            if run.phase == "waiting" and (self.takes_all or run.is_own) and self._fits_here(run)
        ]
        return choose(runs, loaded if self.num_workers > 1 else None, time.time())

    def of(self, run: LiveRun) -> Queued:
        """What a run waits for."""
        obstacle = self.obstacle(run)
        before = self.in_turn(run)
        before = before[: before.index(run)]
        # 0 if a worker is free for it.
        position = max(0, len(before) + 1 + len(self.busy) - self.num_workers)
        if obstacle:
            return Queued(position=max(1, position), obstacle=obstacle)
        return Queued(position=position, wait=self._seconds_until(before))

    def obstacle(self, run: LiveRun) -> str:
        """Why no worker can make a run; "" if one can."""
        return self.gpus.obstacle(run.settings.preset, run.settings.config.refine)

    def _fits_here(self, run: LiveRun) -> bool:
        return self.gpus.fits_here(run.settings.preset, run.settings.config.refine)

    def _seconds_until(self, before: Sequence[LiveRun]) -> int | None:
        """An estimate until a worker is free after these runs; None if it is unknown."""
        busy = [run.seconds_left for run in self.busy]
        waiting = [self.throughput.estimate(run.settings, run.num_chunks_left) for run in before]
        known = [seconds for seconds in busy + waiting if seconds is not None]
        if len(known) < len(busy) + len(waiting):
            return None
        return round(seconds_until(known[: len(busy)], known[len(busy) :], self.num_workers))
