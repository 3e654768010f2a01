"""The leases of a process; `lease.py` says what they rest on."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from t2v.runs.sharing.holder import SECONDS, Holder, Liveness
from t2v.runs.sharing.lease import GONE, Lease, LeaseLostError, write_new


LEASE_SECONDS = SECONDS

log = logging.getLogger(__name__)


class Leases:
    """The leases of this process, and what it sees of those of others.

    Threads of one process share its lease of a run: what keeps them apart is `RunQueue.claim`.

    Args:
        folder: of the files of the leases.
        seconds: without a sign of life, until a holder counts as dead.
    """

    def __init__(self, folder: Path, seconds: float = LEASE_SECONDS):
        self.holder = Holder.here()
        self._folder = folder
        self._liveness = Liveness(seconds)
        self._changed = threading.Condition()
        self._held: dict[str, Lease] = {}
        self._busy: set[str] = set()  # runs whose files are being worked on
        self._is_closed = threading.Event()
        self._renewing: threading.Thread | None = None

    @contextmanager
    def hold(self, run_id: str) -> Iterator[Lease | None]:
        """Holds the lease of a run during this block; None if another process has it."""
        lease = self.take(run_id)
        try:
            yield lease
        finally:
            if lease is not None:
                self.release(run_id, lease)

    def take(self, run_id: str) -> Lease | None:
        """Takes the lease of a run, once more if this process has it; None if another has it.

        Raises:
            OSError: the disk refuses it.
        """
        with self._working_on(run_id):
            lease = self._held.get(run_id)
            if lease is not None:
                if lease.is_lost:
                    return None
                lease.num_users += 1
                return lease
            lease = self._create(run_id)
            if lease is not None:
                self._held[run_id] = lease
                self._start_renewing()
            return lease

    def release(self, run_id: str, lease: Lease) -> None:
        with self._working_on(run_id):
            lease.num_users -= 1
            if lease.num_users:
                return
            del self._held[run_id]
            with suppress(OSError):  # else it runs out, like that of a process that was killed
                if lease.is_held():
                    lease.path.unlink()

    def check(self, run_id: str) -> None:
        """Checks that this process has the lease of a run; see `Lease.check`.

        Raises:
            LeaseLostError: it has not, or not any more.
            OSError: nobody can tell, because the file system does not answer.
        """
        lease = self._held.get(run_id)
        if lease is None:
            raise LeaseLostError(f"there is no lease of {run_id} here")
        lease.check()

    def held_ids(self) -> list[str]:
        """The runs whose leases this process has."""
        return [run_id for run_id, lease in list(self._held.items()) if not lease.is_lost]

    def ids_held_elsewhere(self) -> set[str]:
        """The runs whose leases other processes have that live.

        Call it again and again: a holder on another machine counts as dead when it was seen without
        a sign of life for a while.
        """
        paths = {path.name: path for path in self._paths()}
        self._liveness.forget_others(set(paths))
        own = set(self.held_ids())
        ids = {name.partition(".")[0] for name in paths}
        return {run_id for run_id in ids - own if not self._is_free(run_id)}

    def close(self) -> None:
        """Ends the renewing. Leases that are still held run out, or end with this process."""
        self._is_closed.set()

    @contextmanager
    def _working_on(self, run_id: str) -> Iterator[None]:
        """Keeps other threads of this process from the lease of a run. Files are not locked."""
        with self._changed:
            self._changed.wait_for(lambda: run_id not in self._busy)
            self._busy.add(run_id)
        try:
            yield
        finally:
            with self._changed:
                self._busy.discard(run_id)
                self._changed.notify_all()

    def _create(self, run_id: str) -> Lease | None:
        self._folder.mkdir(parents=True, exist_ok=True)
        before = self._numbered(run_id)
        dead = b""
        if before:
            dead = _read(before[-1])
            if not self._is_free(run_id):
                return None
        number = _number(before[-1]) + 1 if before else 1
        path = self._folder / f"{run_id}.{number}"
        try:
            content = write_new(path, self.holder.to_bytes())
        except FileExistsError:
            return None
        lease = Lease(path, content)
        try:
            is_last = self._numbered(run_id)[-1:] == [path]
            if is_last and (not before or _read(before[-1]) in (dead, b"")):
                for old in before:
                    old.unlink(missing_ok=True)
                return lease
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        path.unlink(missing_ok=True)  # another process was quicker
        return None

    def _is_free(self, run_id: str) -> bool:
        """Whether nobody who lives has a lease of this run."""
        last = self._numbered(run_id)[-1:]
        return not last or self._liveness.is_dead(last[0]) is not False

    def _numbered(self, run_id: str) -> list[Path]:
        """The files of the leases of a run; the last number is the one that counts."""
        found = (path for path in self._paths() if path.name.startswith(f"{run_id}."))
        return sorted(found, key=_number)

    def _paths(self) -> list[Path]:
        try:
            return [path for path in self._folder.iterdir() if _number(path)]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _start_renewing(self) -> None:
        with self._changed:
            if self._renewing is None:
                self._renewing = threading.Thread(target=self._renew, name="leases", daemon=True)
                self._renewing.start()

    def _renew(self) -> None:
        while not self._is_closed.wait(self._liveness.renewal):
            for lease in list(self._held.values()):
                try:
                    if not lease.is_held(renew=True):
                        log.warning("the lease %s was lost", lease.path.name)
                except OSError as error:
                    log.warning("the lease %s cannot be renewed: %s", lease.path.name, error)


def _read(path: Path) -> bytes:
    """The content of a file; nothing if it is gone."""
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno not in GONE:
            raise
        return b""


def _number(path: Path) -> int:
    """The number of a lease; 0 for other files."""
    number = path.name.rpartition(".")[2]
    return int(number) if number.isascii() and number.isdigit() else 0
