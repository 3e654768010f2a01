"""The hidden folder in a folder of runs through which processes share it.

runs/.work/queue/     the runs that have not ended; see waiting.py
           leases/    who may write into the folder of which run; see lease.py and leases.py
           commands/  commands to runs that another process makes; see mailbox.py
           live/      what runs that are being made do; see live.py
           workers/   the processes that share the folder; see workers.py
           refused/   runs whose ends the disk refuses; see refused.py

It may be deleted while no process uses the runs: they themselves say everything that matters.
"""

from functools import partial
from pathlib import Path

from t2v.runs.folder import RunFolder
from t2v.runs.sharing.leases import LEASE_SECONDS, Leases
from t2v.runs.sharing.live import LiveFiles
from t2v.runs.sharing.mailbox import Mailbox
from t2v.runs.sharing.refused import RefusedEnds
from t2v.runs.sharing.waiting import WaitingList
from t2v.runs.sharing.workers import Workers


WORK = ".work"


class WorkFolder:
    """This process's part in a folder of runs that several processes may share.

    Args:
        lease_seconds: without a sign of life, until a process counts as dead.
    """

    def __init__(self, runs_dir: Path, lease_seconds: float = LEASE_SECONDS):
        self._runs_dir = runs_dir
        folder = runs_dir / WORK
        self.leases = Leases(folder / "leases", lease_seconds)
        self.waiting = WaitingList(folder / "queue")
        self.mailbox = Mailbox(folder / "commands")
        self.live = LiveFiles(folder / "live")
        self.refused = RefusedEnds(folder / "refused")
        self.workers = Workers(folder / "workers", self.leases.holder, lease_seconds)

    def open(self, run_id: str) -> RunFolder:
        """The folder of a run that exists. It is written only with the lease of the run.

        Raises:
            RunError: there is no such run.
        """
        folder = RunFolder.open(self._runs_dir, run_id)
        folder.check_mine = partial(self.leases.check, run_id)
        return folder

    def end(self, run_id: str) -> None:
        """A run has ended, and its end is written: it leaves the queue of all processes."""
        self.waiting.remove(run_id)
        self.live.remove(run_id)
