"""Runs that were cut off: found when an app starts, and when another process dies."""

import logging
from datetime import datetime
from pathlib import Path

from t2v.errors import RunError
from t2v.runs.finish import damaged_videos, finish_run, restore_videos, write_end
from t2v.runs.folder import RunFolder, iter_folders
from t2v.runs.live_run import LiveRun
from t2v.runs.log import has_end
from t2v.runs.queue import RunQueue
from t2v.runs.record import RunRecord
from t2v.runs.resume import may_retry, prepare
from t2v.runs.sharing.folder import WorkFolder
from t2v.runs.sharing.lease import LeaseLostError
from t2v.runs.sharing.waiting import Entry


HEAD_START = 1e9  # seconds of a run that was being made, before all others

log = logging.getLogger(__name__)


class Recovery:
    """Finds the runs that nobody makes any more.

    Args:
        resumes: add them to the queue.
    """

    def __init__(self, runs_dir: Path, queue: RunQueue, work: WorkFolder, *, resumes: bool):
        self._runs_dir = runs_dir
        self._queue = queue
        self._work = work
        self._resumes = resumes

    def recover_all(self) -> None:
        """Restores what is damaged, and adds the runs that were cut off to the queue.

        Those that were being made come first, then those that waited, each in the order in which
        they came. Runs that another process makes are left to it.
        """
        for folder in iter_folders(self._runs_dir):
            self._restore(folder)
        entries = self._work.waiting.read()
        for record in _cut_off(self._runs_dir, entries):
            try:
                with self._work.leases.hold(record.id) as lease:
                    if lease is not None:
                        self._recover(self._work.open(record.id), entries.get(record.id))
            except Exception:  # whatever is wrong with one run, the others must be served
                log.exception("run %s cannot resume", record.id)

    def _restore(self, folder: RunFolder) -> None:
        """Joins the damaged videos of a run again, unless another process has the run."""
        try:
            if damaged_videos(folder):
                with self._work.leases.hold(folder.id) as lease:
                    if lease is not None:
                        restore_videos(self._work.open(folder.id))
        except (RunError, OSError, LeaseLostError):
            log.exception("the videos of run %s cannot be restored", folder.id)

    def _recover(self, folder: RunFolder, entry: Entry | None) -> None:
        """Brings one run into the queue. The caller has its lease."""
        record = folder.read()
        if not _is_cut_off(record, entry):  # another process did it just now
            return
        self._work.refused.withdraw(folder.id)
        since = entry.since if entry else _since(record)
        record = folder.update(state="interrupted")
        if not may_retry(record):
            give_up(folder, record)
            self._work.end(folder.id)
        elif self._resumes:
            num_chunks = prepare(folder, by_user=False)
            address = entry.address if entry else ""
            self._work.waiting.put(folder.id, Entry(since=since, address=address))
            run = LiveRun(folder, record.settings, record.visitor, address, next_chunk=num_chunks)
            run.since, run.is_listed = since, True
            self._queue.add_interrupted(run)
        elif entry is not None:  # for whoever makes it
            self._work.waiting.put(
                folder.id, Entry(since=since, address=entry.address, is_cut_off=True)
            )


def take_up(folder: RunFolder, entry: Entry) -> bool:
    """Readies a run whose maker has died, or whose app was closed. The caller has its lease.

    Returns:
        Whether it may be made: False if it has been given up.
    """
    record = folder.read()
    if record.state != "running" and not entry.is_cut_off:
        return True
    record = folder.update(state="interrupted")
    if not may_retry(record):
        give_up(folder, record)
        return False
    prepare(folder, by_user=False)
    return True


def end_again(folder: RunFolder) -> None:
    """Writes the end of a run into its log, if a process died before it could."""
    record = folder.read()
    if has_end(folder):
        return
    message = record.message if record.state == "failed" else None
    end = finish_run(folder, record.settings, record.seconds, state=record.state, message=message)
    write_end(folder, end, record.seconds)


def give_up(folder: RunFolder, record: RunRecord) -> None:
    """Ends a run as failed: the app died too often while making one chunk."""
    prepare(folder, by_user=True)
    message = (
        f"The app was closed {record.num_attempts} times while chunk {record.attempt_chunk} "
        "was being made. Resume the video to try once more."
    )
    end = finish_run(folder, record.settings, record.seconds, state="failed", message=message)
    write_end(folder, end, record.seconds)


def _cut_off(runs_dir: Path, entries: dict[str, Entry]) -> list[RunRecord]:
    """The runs that no process has in its queue, in the order in which they begin."""
    found = []
    for folder in iter_folders(runs_dir):
        try:
            record = folder.read()
        except RunError:
            log.warning("run %s cannot be read; it is left alone", folder.id)
            continue
        if _is_cut_off(record, entries.get(record.id)):
            found.append(record)
    return sorted(found, key=lambda record: (record.state == "queued", record.created, record.id))


def _is_cut_off(record: RunRecord, entry: Entry | None) -> bool:
    if record.state == "running" or (entry is not None and entry.is_cut_off):
        return True
    return record.state in ("queued", "interrupted") and entry is None


def _since(record: RunRecord) -> float:
    """The place in the queue of a run that was in none: before all that are asked for now."""
    created = datetime.fromisoformat(record.created).timestamp()
    return created - HEAD_START if record.state == "running" else created
