"""How many runs may wait, in all and for one visitor."""

from collections.abc import Collection
from dataclasses import dataclass

from t2v.errors import RunError
from t2v.runs.live_run import LiveRun


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a queue.

    Args:
        max_waiting: runs that may wait; more are refused.
        max_per_visitor: runs of one visitor that may wait or be made; None for no limit. All
            visitors of one address may have one more: people may share it, and a new visitor
            costs nothing.
    """

    max_waiting: int
    max_per_visitor: int | None = None

    def check(self, run: LiveRun, others: Collection[LiveRun], num_waiting: int) -> None:
        """Checks that there is room for one more run.

        Args:
            others: runs that have not ended.

        Raises:
            RunError: too many runs wait, or this visitor has too many.
        """
        if num_waiting >= self.max_waiting:
            raise RunError(
                f"the queue is full: {self.max_waiting} videos are waiting; try again later"
            )
        open_runs = [other for other in others if other.phase != "closing"]
        num_own = sum(other.visitor == run.visitor for other in open_runs)
        if is_full(run.visitor, num_own, self.max_per_visitor):
            raise RunError(
                f"you have {num_own} videos in the queue, and may have {self.max_per_visitor}; "
                "wait for one of them or cancel it"
            )
        num_here = sum(other.address == run.address for other in open_runs)
        for_address = None if self.max_per_visitor is None else self.max_per_visitor + 1
        if is_full(run.address, num_here, for_address):
            raise RunError(
                f"visitors of your address have {num_here} videos in the queue, and may have "
                f"{for_address}; wait for one of them"
            )


def is_full(name: str, count: int, limit: int | None) -> bool:
    """Whether somebody has as many runs as allowed; nobody in particular has no limit."""
    return bool(name) and limit is not None and count >= limit
