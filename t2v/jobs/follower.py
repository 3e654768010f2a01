"""Reading along with a run: the log from its start, and what it is doing right now."""

from collections.abc import Callable

from t2v.jobs.run_folder import EventLog, RunFolder
from t2v.jobs.updates import Failed, Finished, Moment, Update


class Follower:
    """Reads along with one run. Everybody has an own one; none keeps more than a position."""

    def __init__(self, folder: RunFolder, now: Callable[[], tuple[bool, tuple[Moment, ...]]]):
        self.folder = folder
        self.has_ended = False
        self._now = now  # whether the run has yet to end, and what it is doing
        self._log = EventLog(folder)
        self._last_moments: tuple[Moment, ...] = ()

    def poll(self) -> list[Update]:
        """What is new: all facts in order, then what is another moment than before."""
        # In this order: a run that ends in between has its end in the log.
        is_live, moments = self._now()
        updates: list[Update] = list(self._log.read())
        if any(isinstance(update, Finished | Failed) for update in updates):
            self.has_ended = True
        elif not is_live and not updates:
            self.has_ended = True
            updates.append(Failed("The app was closed while this video was being made."))
        else:
            updates += [moment for moment in moments if moment not in self._last_moments]
            self._last_moments = moments
        return updates
