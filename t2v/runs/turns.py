"""Whose turn it is: fair between visitors, in the order of asking for each of them.

Everything here follows from what all processes know of the queue, so that all of them, and the
pages that tell people their place, come to the same order.
"""

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence

from t2v.runs.live_run import LiveRun


MAX_OVERTAKEN = 60.0  # seconds that a run waits before none overtakes it for its loaded preset


def in_turn(waiting: Sequence[LiveRun], being_made: Iterable[LiveRun]) -> list[LiveRun]:
    """The runs that wait, in the order in which they begin.

    The first run of everybody comes before the second of anybody; those that are being made count.

    Args:
        waiting: in the order in which they were asked for.
    """
    counts = Counter(run.visitor for run in being_made)
    ranks = []
    for run in waiting:
        ranks.append(counts[run.visitor])
        counts[run.visitor] += 1
    order = sorted(range(len(waiting)), key=lambda place: (ranks[place], place))
    return [waiting[place] for place in order]


def choose(runs: Sequence[LiveRun], loaded: str | None, now: float) -> LiveRun | None:
    """The run that a worker begins.

    Args:
        runs: those that it may begin, in turn.
        loaded: a preset whose models it has. A run of this preset may overtake others as long as
            the first has not waited for `MAX_OVERTAKEN`. None: none overtakes.
        now: seconds since 1970.
    """
    if not runs:
        return None
    first = runs[0]
    if loaded is None or now - first.since > MAX_OVERTAKEN:
        return first
    return next((run for run in runs if run.settings.preset == loaded), first)


def seconds_until(busy: Sequence[float], before: Sequence[float], num_workers: int) -> float:
    """Seconds until somebody begins the next run.

    Args:
        busy: seconds left of the runs that are being made.
        before: seconds of the runs that come first, in turn.
    """
    free_at = [*busy, *[0.0] * (num_workers - len(busy))]
    heapq.heapify(free_at)
    while len(free_at) > num_workers:  # fewer workers than a moment ago
        heapq.heappop(free_at)
    for seconds in before:
        heapq.heapreplace(free_at, free_at[0] + seconds)
    return free_at[0]
