"""Who executes the runs of a folder, other than the thread of an app.

An executor is given the folder of the runs and takes runs from their queue, one after another. All
that it needs to know of a run is its id: the rest is in the folder of the run, and what the
executor does appears there. It runs a `Worker`, as an app does, in a process of its own; so it may
die at any moment, and another one goes on with its run.
"""

from typing import Protocol


class Executor(Protocol):
    """Makes runs outside the app's process."""

    def start(self) -> None:
        """Starts what makes runs; does not wait until models are loaded.

        Raises:
            RunError: it cannot be started.
        """

    def close(self, timeout: float = 8.0) -> None:
        """Ends it within so many seconds. Its runs go on elsewhere, or at the next start."""
