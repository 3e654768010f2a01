"""Who works on the files of which run: one block of this process at a time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from t2v.errors import RunError
from t2v.runs.live_run import ENDING, Phase


class Claims:
    """The runs whose files are being worked on.

    Args:
        changed: guards the claims, and is notified of their changes.
        phase_of: the phase of a run; None if it has ended.
    """

    def __init__(self, changed: threading.Condition, phase_of: Callable[[str], Phase | None]):
        self._changed = changed
        self._phase_of = phase_of
        self._claimed: set[str] = set()

    @contextmanager
    def claim(self, run_id: str) -> Iterator[None]:
        """Reserves the files of a run for this block; waits for another block that has them.

        Raises:
            RunError: the videos of the run are being joined.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._is_ending(run_id) or self._is_free(run_id))
            if self._is_ending(run_id):
                raise RunError(ENDING)
            self._claimed.add(run_id)
        try:
            yield
        finally:
            with self._changed:
                self._claimed.discard(run_id)
                self._changed.notify_all()

    def await_free(self, run_id: str) -> None:
        """Waits until nobody works on the files of a run. The caller holds the lock."""
        self._changed.wait_for(lambda: run_id not in self._claimed)

    def await_all_free(self, timeout: float) -> None:
        """Waits until nobody works on files."""
        with self._changed:
            self._changed.wait_for(lambda: not self._claimed, timeout)

    def _is_ending(self, run_id: str) -> bool:
        return self._phase_of(run_id) == "ending"

    def _is_free(self, run_id: str) -> bool:
        return run_id not in self._claimed and self._phase_of(run_id) != "closing"
