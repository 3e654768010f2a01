"""The courier: one thread that carries news between this process and others with its folder."""

import logging
import threading

from t2v.runs.maker import Maker
from t2v.runs.queue import RunQueue
from t2v.runs.sharing.desk import CommandDesk
from t2v.runs.sharing.folder import WorkFolder
from t2v.runs.sharing.sync import QueueSync
from t2v.runs.sharing.workers import WorkerState


POLL_SECONDS = 0.25

log = logging.getLogger(__name__)


class Courier:
    """Looks a few times a second at the folder that this process shares.

    Args:
        maker: of this process; None if it makes no runs.
        name: of what it makes runs with, for people.
    """

    def __init__(
        self,
        queue: RunQueue,
        work: WorkFolder,
        sync: QueueSync,
        desk: CommandDesk,
        maker: Maker | None,
        name: str,
    ):
        self._queue = queue
        self._work = work
        self._sync = sync
        self._desk = desk
        self._maker = maker
        self._name = name
        self.makers: list[WorkerState] = []  # the processes that make runs
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="courier", daemon=True)

    def start(self) -> None:
        self._carry()  # what others have is known from the first moment on
        self._thread.start()

    def close(self) -> None:
        self._is_closed.set()
        if self._thread.is_alive():
            self._thread.join()
        self._work.workers.leave()

    def _serve(self) -> None:
        while not self._is_closed.wait(POLL_SECONDS):
            try:
                self._carry()
            except Exception:  # a share that does not answer will do so again
                log.exception("the folder of the runs cannot be looked at")
                self._is_closed.wait(2.0)

    def _carry(self) -> None:
        self._sync.sync()
        for run_id in self._work.leases.held_ids():
            for answer in self._desk.answer(run_id):
                # On a thread of its own: a command may wait for others, and leases cannot.
                threading.Thread(target=answer, name="command", daemon=True).start()
        self._tell()

    def _tell(self) -> None:
        """Tells other processes what this one does, and learns how many make runs."""
        making = self._queue.runs_being_made()
        others = self._work.workers.others()
        if others:
            for run in making:
                self._work.live.write(run.folder.id, run.live_events)
        state = WorkerState()
        if self._maker is not None:
            run_id = making[0].folder.id if making else ""
            tally = self._maker.tally
            state = WorkerState(
                self._name,
                self._maker.loaded or "",
                run_id,
                num_failed=tally.num_failed,
                chunks=tally.chunks(),
                gpu_bytes=self._queue.gpus.own,
            )
        self._work.workers.tell(state)
        makers = [other for other in others if other.name]
        if self._maker is not None:
            makers.insert(0, state)
        self.makers = makers
        with self._queue.changed:
            self._queue.num_workers = max(1, len(makers))
            sizes = [maker.gpu_bytes for maker in makers]
            if self._queue.gpus.makers != sizes:
                self._queue.gpus.makers = sizes
                self._queue.changed.notify_all()
