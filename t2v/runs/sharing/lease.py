"""Leases: at any moment, one process at most may write into the folder of a run.

A lease is a small file, `leases/<run>.<number>`, that names its holder. What follows holds on every
POSIX file system, also shared ones (NFS 3 or newer, CephFS, Lustre), and relies on four things:

* creating a file with O_EXCL succeeds for one process only: who creates the file has the lease;
* a file that was deleted cannot be opened any more, by nobody: who finds its own file gone, or
  with other content, has lost the lease and writes nothing more (`Lease.check`);
* opening a file shows its newest content and time (close-to-open consistency): a holder touches
  its file, and observers see that (`Liveness`);
* renaming and deleting are atomic.

Not needed: locks of files, clocks that agree, the order of names in a folder.

The lease of a dead holder is taken over in this order: create the file of the next number; check
that it is the last number and that the old file is the one that was seen dead; delete the old
file; begin. So of two that try, one succeeds; and a process that wakes up after having been given
up (SIGSTOP, a laptop, a network that came back) finds its file gone before it writes.

Between its check and its write a process can be stopped too, for microseconds of its time. Frames
are the same whoever makes them, so a segment that is replaced then is replaced by itself.
"""

import errno
import os
from pathlib import Path


FULL = (errno.ENOSPC, errno.EDQUOT)
GONE = (errno.ENOENT, errno.ESTALE)


class LeaseLostError(Exception):
    """This process was given up for dead, and another one may have the run by now."""


class Lease:
    """The right to write into the folder of one run."""

    def __init__(self, path: Path, content: bytes):
        self.is_lost = False
        self.num_users = 1  # in this process; guarded by `Leases`
        self.path = path
        self._content = content

    def check(self) -> None:
        """Checks that this process still has the run. Call it before whatever others will see.

        Raises:
            LeaseLostError: it has not.
            OSError: nobody can tell, because the file system does not answer.
        """
        if not self.is_held():
            raise LeaseLostError(f"the lease {self.path.name} was lost")

    def is_held(self, *, renew: bool = False) -> bool:
        """Whether the file of the lease is still there; with `renew`, also touches it.

        Raises:
            OSError: the file system does not answer.
        """
        if self.is_lost:
            return False
        try:
            with self.path.open("rb") as file:
                self.is_lost = file.read() != self._content
                if renew and not self.is_lost:
                    os.utime(file.fileno())
        except OSError as error:
            if error.errno not in GONE:
                raise
            self.is_lost = True
        return not self.is_lost


def write_new(path: Path, content: bytes) -> bytes:
    """Creates a file; returns what it holds, which is nothing if the disk is full.

    An empty lease is one too, and without it no run could be deleted from a full disk. Only nobody
    sees at once when its holder dies.

    Raises:
        FileExistsError: another process has created it.
    """
    with path.open("xb", buffering=0) as file:
        try:
            if file.write(content) == len(content):
                return content
        except OSError as error:
            if error.errno not in FULL:
                raise
        file.truncate(0)
        return b""
