"""The maker: one thread that owns the models, and makes one run of the queue after the other.

It gets the id of a run and nothing else. What it needs is in the folder of the run, and what it
does appears there.
"""

import logging
import threading
from functools import partial

from t2v.errors import RunError, T2VError, describe_failure
from t2v.events import Notice
from t2v.provenance import versions_here
from t2v.runs.disk import check_disk
from t2v.runs.eta import Stopwatch
from t2v.runs.events import Failed, Loading, Progress
from t2v.runs.execution import Execution
from t2v.runs.kept_ends import Ending, KeptEnds
from t2v.runs.library import Library
from t2v.runs.live_run import LiveRun
from t2v.runs.measuring import measure_rest
from t2v.runs.models import Models
from t2v.runs.record import ENDED, RunSettings
from t2v.runs.recovery import end_again, take_up
from t2v.runs.resume import reopen
from t2v.runs.sharing.lease import Lease, LeaseLostError
from t2v.runs.sharing.sync import QueueSync
from t2v.runs.sharing.waiting import Entry
from t2v.runs.tally import Tally
from t2v.runs.warm_up import get_ready


log = logging.getLogger(__name__)


class Maker:
    """Makes the runs of a folder one after another, on a thread of its own.

    Args:
        sync: keeps its queue, which other processes share.
        quota_bytes: of the folder; None: everything is kept.
        usual: of a usual run, of which chunks are drawn before the first; None: none are.

    Attributes:
        tally: what this worker has done.
    """

    def __init__(
        self,
        sync: QueueSync,
        library: Library,
        models: Models,
        quota_bytes: int | None,
        usual: RunSettings | None = None,
    ):
        self._sync = sync
        self._queue = queue = sync.queue
        self._work = work = sync.work
        self._runs_dir = sync.runs_dir
        self._library = library
        self._models = models
        self._quota_bytes = quota_bytes
        self._usual = usual
        self._ends = KeptEnds(queue, work)
        self.tally = Tally()
        self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
        self._has_served = threading.Event()
        self._stays = False

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Waits until nothing more is made, after the queue is closed; whether that is so."""
        has_served = self._has_served.wait(timeout)
        if has_served and not self._stays:
            self._thread.join()
        return has_served

    def stay(self) -> None:
        """Keeps the thread, once nothing more is made, until the process ends.

        When a thread ends that has computed with torch, what torch has kept for it is freed after
        its Python state, and Python code that runs then may end the process with a signal.
        """
        self._stays = True

    @property
    def loaded(self) -> str | None:
        """The preset whose models are loaded."""
        return self._models.preset

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            self._has_served.set()
        if self._stays:
            threading.Event().wait()

    def _serve(self) -> None:
        get_ready(self._queue, self._library, self._models, self._usual)
        while not self._queue.is_closing:
            run = self._queue.pop(self._ends.retry_seconds, self.loaded)
            self._ends.write_kept()
            if run is not None:
                self._take_or_report(run)
        self._ends.write_kept()

    def _take_or_report(self, run: LiveRun) -> None:
        """Makes a run. If the disk does not even answer, viewers are told.

        The run stays listed then: this process or another makes it when the disk is back.
        """
        try:
            self._take(run)
        except Exception as error:
            log.exception("run %s cannot be made now", run.folder.id)
            self.tally.num_failed += 1
            self._queue.remove(run)
            self._queue.keep_end(run.folder.id, Failed(message=describe_failure(error)))

    def _take(self, run: LiveRun) -> None:
        """Makes a run to its end, unless another process has it."""
        run_id = run.folder.id
        lease = self._work.leases.take(run_id)
        if lease is None:
            self._queue.mark_elsewhere(run, was="making")
            return
        try:
            self._make_mine(run, lease)
        except LeaseLostError:
            log.warning("run %s was taken over by another process", run_id)
            self._queue.mark_elsewhere(run, was=run.phase)
        finally:
            self._work.leases.release(run_id, lease)

    def _make_mine(self, run: LiveRun, lease: Lease) -> None:
        """Makes a run whose lease this process has."""
        run_id = run.folder.id
        run.folder.check_mine = lease.check
        self._work.refused.withdraw(run_id)
        try:
            if self._may_begin(run):
                self._make(run, lease)
        except LeaseLostError:
            raise
        except Exception as error:  # the next run must be made all the same
            log.exception("the end of run %s could not be written", run_id)
            message = str(error) if isinstance(error, T2VError) else describe_failure(error)
            self._queue.keep_end(run_id, Failed(message=message))
        lease.check()
        if run.stop_request == "interrupt" and run.folder.path.exists():
            self._leave(run)
        else:
            self._work.end(run_id)
        self._queue.remove(run)

    def _may_begin(self, run: LiveRun) -> bool:
        """Brings a run up to date; whether it has yet to be made."""
        run_id = run.folder.id
        if not run.is_listed:
            return True
        with self._queue.claim(run_id):
            if not self._work.waiting.has(run_id):  # another process has ended it
                return False
            if run.folder.describe().state in ENDED and not run.stop_request:
                end_again(run.folder)
                return False
            self._sync.reread(run)
            entry = self._work.waiting.get(run_id)
            return entry is None or take_up(run.folder, entry)

    def _leave(self, run: LiveRun) -> None:
        """Leaves a run that was begun to other processes, or to the next app."""
        try:
            state = run.folder.read().state
            if state in ENDED:
                self._work.end(run.folder.id)
            elif run.is_listed:
                entry = Entry(since=run.since, address=run.address, is_cut_off=True)
                self._work.waiting.put(run.folder.id, entry)
        except (RunError, OSError):
            log.exception("run %s could not be left to others", run.folder.id)

    def _make(self, run: LiveRun, lease: Lease) -> None:
        stopwatch = Stopwatch(run.folder.read().seconds)
        execution, message = None, None
        try:
            if self.loaded != run.settings.preset:
                self._publish(run, Loading(preset=run.settings.preset))
            if self._quota_bytes is not None:
                self._library.clean_up(self._quota_bytes)
            check_disk(self._runs_dir)  # it may have filled while the run waited
            stream, weights = self._models.load(run.settings.preset)
            self._write_provenance(run, weights)
            publish = partial(self._publish, run)
            execution = Execution(run, stream, self._queue, publish, stopwatch, self.tally)
            execution.make(lambda: lease.is_lost)
        except LeaseLostError:
            raise
        except T2VError as error:
            message = str(error)
        except Exception as error:
            log.exception("run %s failed", run.folder.id)
            message = describe_failure(error)
        lease.check()
        self.tally.num_failed += message is not None
        self._queue.begin_end(run)
        if execution is not None and execution.num_chunks_before is not None:
            num_chunks = run.next_chunk - 1 - execution.num_chunks_before
            self._queue.throughput.learn(run.settings, num_chunks, stopwatch.this_execution)
        self._end(run, message, stopwatch.total)

    def _end(self, run: LiveRun, message: str | None, seconds: float) -> None:
        if run.stop_request == "interrupt" and message is None:
            run.folder.update(state="interrupted", num_attempts=0, seconds=seconds)
            return
        if run.is_rewound:  # the chunks to redo go, although none will replace them
            reopen(run.folder)
        measure_rest(run.folder, run.settings.chunking)
        state = "paused" if run.stop_request == "pause" else "stopped"
        self._ends.write(Ending(run, state, message, seconds))

    def _write_provenance(self, run: LiveRun, weights: dict[str, str]) -> None:
        """Records which weights and versions make the run, with a notice if they have changed."""
        before, versions = run.folder.read(), versions_here()
        if before.weights and before.weights != weights:
            self._note_change(run, "The model's weights")
        if before.versions and before.versions != versions:
            self._note_change(run, "Versions of software")
        run.folder.update(weights=weights, versions=versions)

    def _note_change(self, run: LiveRun, what: str) -> None:
        run.folder.append(Notice(f"{what} have changed since this video was begun."))

    def _publish(self, run: LiveRun, event: Loading | Progress) -> None:
        with self._queue.changed:
            run.show(event)
            self._queue.changed.notify_all()
