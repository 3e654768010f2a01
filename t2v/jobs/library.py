"""The library: runs that there are, found again, kept, and thrown away."""

import logging
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

from t2v.errors import JobError
from t2v.jobs.line import Line
from t2v.jobs.run_folder import ENDED, RunFolder, RunRecord, iter_folders, kept_on_disk


DELETED = ".deleted-"  # before the name of a folder that is on its way out

log = logging.getLogger(__name__)


class Library:
    """
    Args:
        line: knows which runs wait or are being made: those are never deleted.
    """

    def __init__(self, runs_dir: Path, line: Line):
        self._runs_dir = runs_dir
        self._line = line

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
            query: words that the prompt must hold, in any order; case does not matter.
            visitor: whose runs; None for everybody's.
            ids: of these runs only, and no other is looked at; None for all.
            first: how many to leave out, for the next page.
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

    def set_favourite(self, run_id: str, is_favourite: bool) -> RunRecord:
        """A favourite is never cleaned up.

        Raises:
            JobError: there is no such run.
        """
        folder = RunFolder.open(self._runs_dir, run_id)
        with kept_on_disk():
            return folder.update(is_favourite=bool(is_favourite))

    def delete(self, run_id: str) -> None:
        """Removes a run with all its files, also a favourite.

        Raises:
            JobError: there is no such run, or it has not ended.
        """
        folder = RunFolder.open(self._runs_dir, run_id)
        with self._line.changed:
            if self._line.get(run_id) is not None:
                raise JobError("this run has not ended; stop it first")
            # At once, so that nobody finds half of it; the files take longer.
            gone = folder.path.rename(folder.path.with_name(DELETED + folder.id))
        shutil.rmtree(gone, ignore_errors=True)

    def clean_up(self, quota_bytes: int) -> list[str]:
        """Deletes runs that have ended, the oldest first, until all take no more than the quota.
        Returns their ids.

        Raises:
            JobError: what may not be deleted takes more.
        """
        for rest in self._runs_dir.glob(DELETED + "*"):
            shutil.rmtree(rest, ignore_errors=True)
        sizes = {folder.id: folder_bytes(folder.path) for folder in iter_folders(self._runs_dir)}
        total, deleted = sum(sizes.values()), []
        for record in sorted(self._records(), key=_age):
            if total <= quota_bytes:
                break
            if record.state not in ENDED or record.is_favourite:
                continue
            try:
                self.delete(record.id)
            except (JobError, OSError):  # in the queue again, or gone
                continue
            log.info("run %s was deleted: the disk quota is used up", record.id)
            total -= sizes.get(record.id, 0)
            deleted.append(record.id)
        if total > quota_bytes:
            raise JobError(
                f"the disk quota of {quota_bytes / 1e9:.1f} GB is used up by favourites and videos "
                "that are being made; delete some"
            )
        return deleted

    def _records(self, ids: Collection[str] | None = None) -> list[RunRecord]:
        folders = iter_folders(self._runs_dir) if ids is None else self._folders(ids)
        records = []
        for folder in folders:
            try:
                records.append(folder.read())
            except JobError:
                log.warning("run %s cannot be read", folder.id)
        return records

    def _folders(self, ids: Collection[str]) -> Iterator[RunFolder]:
        for run_id in dict.fromkeys(ids):
            with suppress(JobError):
                yield RunFolder.open(self._runs_dir, run_id)


def folder_bytes(path: Path) -> int:
    """Size of all files; those that go away meanwhile count nothing."""
    total = 0
    for file in path.rglob("*"):
        try:
            total += file.stat().st_size
        except OSError:
            continue
    return total


def _age(record: RunRecord) -> tuple[str, str]:
    return record.created, record.id
