"""Ends of runs that the disk refuses: kept in memory and told to viewers until there is room."""

import logging
import shutil
from typing import NamedTuple

from t2v.errors import RunError, describe_failure
from t2v.runs.events import Failed, Finished
from t2v.runs.finish import finish_run, write_end
from t2v.runs.folder import RunFolder
from t2v.runs.live_run import LiveRun
from t2v.runs.log import has_end
from t2v.runs.queue import RunQueue
from t2v.runs.sharing.folder import WorkFolder
from t2v.runs.sharing.lease import LeaseLostError


RETRY_SECONDS = 5.0  # until the worker tries again to write them

log = logging.getLogger(__name__)


class Ending(NamedTuple):
    """What it takes to write the end of a run."""

    run: LiveRun
    state: str  # if its video is not complete
    message: str | None  # why it failed
    seconds: float  # of work

    def finish(self) -> Finished | Failed:
        run, state, message, seconds = self
        return finish_run(run.folder, run.settings, seconds, state=state, message=message)


class KeptEnds:
    """Writes the ends of runs. The worker's thread only.

    Args:
        queue: tells viewers of ends that are not on the disk.
        work: tells those in other processes.
    """

    def __init__(self, queue: RunQueue, work: WorkFolder):
        self._queue = queue
        self._work = work
        self._kept: dict[str, Ending] = {}

    @property
    def retry_seconds(self) -> float | None:
        """When to call `write_kept` again; None if nothing is kept."""
        return RETRY_SECONDS if self._kept else None

    def write(self, ending: Ending) -> None:
        """Joins the videos of a run and writes its end, now or when there is room."""
        folder, end = ending.run.folder, ending.finish()
        self._queue.begin_closing(ending.run)
        try:
            write_end(folder, end, ending.seconds)
        except OSError as error:
            log.exception("the end of run %s could not be written yet", folder.id)
            if isinstance(end, Finished) and end.path is None:
                end = Failed(message=describe_failure(error))
            self._kept[folder.id] = ending
            self._queue.keep_end(folder.id, end)
            self._work.refused.tell(folder.id, error)

    def write_kept(self) -> None:
        """Writes the ends that are kept, as far as there is room by now.

        That of a run which another process has at the moment waits for the next call.
        """
        for run_id, ending in list(self._kept.items()):
            try:
                with self._work.leases.hold(run_id) as lease, self._queue.claim(run_id):
                    if lease is None:
                        continue
                    if self._is_missing(ending.run.folder):
                        if not has_room_for_videos(ending.run.folder):
                            continue
                        ending.run.folder.check_mine = lease.check
                        write_end(ending.run.folder, ending.finish(), ending.seconds)
                    self._queue.keep_end(run_id, None)  # written, resumed or deleted
                    self._work.refused.withdraw(run_id)
                    del self._kept[run_id]
            except (RunError, OSError, LeaseLostError):
                continue

    def _is_missing(self, folder: RunFolder) -> bool:
        """Whether a run still has no end, and nobody continues it. The caller has its lease."""
        is_continued = self._queue.get(folder.id) is not None or self._work.waiting.has(folder.id)
        return folder.path.exists() and not is_continued and not has_end(folder)


def has_room_for_videos(folder: RunFolder) -> bool:
    """Whether the chunks of a run can be joined: an end without its video would be written else."""
    segments = sum(file.stat().st_size for file in folder.segments_dir.iterdir())
    return shutil.disk_usage(folder.path).free > segments


def end_off_disk(queue: RunQueue, work: WorkFolder, run_id: str) -> Finished | Failed | None:
    """The end of a run that is not on the disk (yet), whichever process has made the run."""
    end = queue.kept_end(run_id)
    if end is None and queue.get(run_id) is None and (message := work.refused.message(run_id)):
        return Failed(message=message)
    return end
