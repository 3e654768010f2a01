"""Run library: search, favourites, deletion, disk quota."""

import logging
import shutil
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from t2v.errors import RunError
from t2v.runs.disk import disk_errors
from t2v.runs.events import record_changes
from t2v.runs.folder import RunFolder, iter_folders
from t2v.runs.kept_ends import end_off_disk
from t2v.runs.queue import RunQueue
from t2v.runs.record import ENDED, RunRecord
from t2v.runs.record_cache import RecordCache
from t2v.runs.sharing.desk import CommandDesk
from t2v.runs.sharing.folder import WorkFolder
from t2v.runs.sharing.sync import QueueSync


DELETED = ".deleted-"  # prefix of a folder that is being deleted

NOT_ENDED = "this run has not ended; stop it first"

log = logging.getLogger(__name__)


class Library:
    """The runs of a folder: search, favourites, deletion, disk quota.

    Args:
        queue: knows which runs wait or are being made; those are never deleted.
        work: through which other processes share the folder.
        desk: where commands are carried out.
    """

    def __init__(self, runs_dir: Path, queue: RunQueue, work: WorkFolder, desk: CommandDesk):
        self._runs_dir = runs_dir
        self._queue = queue
        self._work = work
        self._desk = desk
        self._cache = RecordCache()
        desk.commands["set_favourite"] = self._set_favourite

    @classmethod
    def open(cls, runs_dir: Path) -> "Library":
        """The library of a folder whose runs this process neither makes nor asks for."""
        queue, work = RunQueue(0), WorkFolder(runs_dir)
        return cls(
            runs_dir, queue, work, CommandDesk(runs_dir, work, QueueSync(runs_dir, queue, work))
        )

    def find(
        self,
        query: str = "",
        *,
        visitor: str | None = None,
        ids: Collection[str] | None = None,
        only_favourites: bool = False,
        first: int = 0,
        limit: int = 50,
    ) -> list[RunRecord]:
        """Runs, the newest first.

        Args:
            query: words that the prompt must contain, in any order; case does not matter.
            visitor: whose runs; None for everybody's.
            ids: search only these runs; None for all.
            first: how many to skip, for the next page.
        """
        words = query.casefold().split()
        found = [
            record
            for record in self._records(ids)
            if (visitor is None or record.visitor == visitor)
            and (record.is_favourite or not only_favourites)
            and all(word in record.settings.config.prompt.casefold() for word in words)
        ]
        return sorted(found, key=_age, reverse=True)[first : first + limit]

    def count_states(self) -> Counter[str]:
        """How many runs are in which state."""
        return Counter(record.state for record in self._records())

    def set_favourite(self, run_id: str, is_favourite: bool) -> RunRecord:
        """A favourite is never cleaned up.

        Raises:
            RunError: there is no such run.
        """
        self._desk.give(run_id, "set_favourite", is_favourite=is_favourite)
        return RunFolder.open(self._runs_dir, run_id).read()

    def _set_favourite(self, run_id: str, is_favourite: bool) -> None:
        folder = self._work.open(run_id)
        with disk_errors():
            folder.update(is_favourite=bool(is_favourite))

    def delete(self, run_id: str) -> None:
        """Removes a run with all its files, also a favourite.

        Raises:
            RunError: there is no such run, or it has not ended.
        """
        RunFolder.open(self._runs_dir, run_id)
        with disk_errors(), self._work.leases.hold(run_id) as lease:
            if lease is None:
                raise RunError(NOT_ENDED)
            renamed = self._take_away(run_id)
        shutil.rmtree(renamed, ignore_errors=True)

    def _take_away(self, run_id: str) -> Path:
        """Renames the folder of a run that has ended, and returns its new path.

        So nobody finds half of it: deleting takes longer. The caller has its lease.
        """
        self._desk.refresh(run_id)
        with self._queue.claim(run_id):
            folder = self._work.open(run_id)
            if self._queue.get(run_id) is not None:
                raise RunError(NOT_ENDED)
            folder.check_mine()
            renamed = folder.path.rename(folder.path.with_name(DELETED + folder.id))
        self._work.end(run_id)
        self._work.mailbox.clear(run_id)
        return renamed

    def clean_up(self, quota_bytes: int) -> list[str]:
        """Deletes ended runs, the oldest first, until the rest fits, and returns their ids.

        Raises:
            RunError: the runs that must not be deleted do not fit.
        """
        for half_deleted in self._runs_dir.glob(DELETED + "*"):
            shutil.rmtree(half_deleted, ignore_errors=True)
        sizes = {folder.id: folder_bytes(folder.path) for folder in iter_folders(self._runs_dir)}
        total, deleted = sum(sizes.values()), []
        # Damaged runs stay: nobody can say what they are worth.
        for record in sorted(self._whole_records(), key=_age):
            if total <= quota_bytes:
                break
            if record.state not in ENDED or record.is_favourite:
                continue
            try:
                self.delete(record.id)
            except (RunError, OSError):  # in the queue again, or gone
                continue
            log.info("run %s was deleted: the disk quota is used up", record.id)
            total -= sizes.get(record.id, 0)
            deleted.append(record.id)
        if total > quota_bytes:
            raise RunError(
                f"the disk quota of {quota_bytes / 1e9:.1f} GB is used up by favourites and videos "
                "that are being made; delete some"
            )
        return deleted

    def _records(self, ids: Collection[str] | None = None) -> list[RunRecord]:
        """Records of runs; a damaged one counts as failed."""
        folders = iter_folders(self._runs_dir) if ids is None else self._folders(ids)
        records = []
        for folder in folders:
            if (folder.path / "run.json").exists() or self._queue.get(folder.id) is None:
                # Of others, the folder is just being made.
                record = self._cache.describe(folder)
                end = None
                if record.state not in ENDED:
                    end = end_off_disk(self._queue, self._work, folder.id)
                records.append(replace(record, **record_changes(end)) if end else record)
        return records

    def _whole_records(self) -> Iterator[RunRecord]:
        for folder in iter_folders(self._runs_dir):
            try:
                yield folder.read()
            except RunError:
                log.warning("run %s is damaged", folder.id)

    def _folders(self, ids: Collection[str]) -> Iterator[RunFolder]:
        for run_id in dict.fromkeys(ids):
            with suppress(RunError):
                yield RunFolder.open(self._runs_dir, run_id)


def folder_bytes(path: Path) -> int:
    """Size of all files, without those that are deleted in the meantime."""
    total = 0
    for file in path.rglob("*"):
        try:
            total += file.stat().st_size
        except OSError:
            continue
    return total


def _age(record: RunRecord) -> tuple[str, str]:
    return record.created, record.id
