"""The worker of an app: asks for runs, shows them, gives them commands, and makes them.

`submit` returns the id of a run, and a caller needs nothing else. The run continues when nobody
watches, and any number of viewers can read its events from the start at any time. Several workers,
in one process or in many, may have the same folder: they share its queue.
"""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from t2v.errors import RunError
from t2v.events import Start
from t2v.provenance import describe_start
from t2v.runs.commands import RunCommands
from t2v.runs.disk import check_disk, disk_errors
from t2v.runs.events import LiveEvent, Queued, RunEvent, record_changes
from t2v.runs.folder import RunFolder, new_id
from t2v.runs.gpu_sizes import GpuSizes
from t2v.runs.kept_ends import end_off_disk
from t2v.runs.library import Library
from t2v.runs.live_run import LiveRun
from t2v.runs.log import EventReader
from t2v.runs.maker import Maker
from t2v.runs.models import Models, OpenStream
from t2v.runs.queue import RunQueue
from t2v.runs.record import RunRecord, RunSettings
from t2v.runs.recovery import Recovery
from t2v.runs.sharing.courier import Courier
from t2v.runs.sharing.desk import CommandDesk
from t2v.runs.sharing.folder import WorkFolder
from t2v.runs.sharing.lease import LeaseLostError
from t2v.runs.sharing.leases import LEASE_SECONDS
from t2v.runs.sharing.sync import QueueSync
from t2v.runs.sharing.waiting import Entry
from t2v.runs.sharing.workers import WorkerState
from t2v.runs.start_file import read_start, write_start


log = logging.getLogger(__name__)


class Worker:
    """Makes the runs of a folder one after another, on a thread of its own.

    Args:
        open_stream: gives the stream function of a preset. Called on the worker's thread, once for
            consecutive runs of the same preset, after the previous function was released. None:
            this worker makes no runs; it asks for them, and other processes make them.
        runs_dir: where the folders of the runs are. Other processes may use it too.
        preload: preset whose models are loaded before the first run.
        max_waiting: runs that may wait; more are refused.
        max_per_visitor: runs of one visitor that may wait or be made at once.
        quota_bytes: of the folder; the oldest runs are deleted first. None: everything is kept.
        resumes: resume runs that were interrupted, and make those that other processes ask for.
        find_weights: the SHA-256 of every file of a preset's weights, for `run.json`.
        name: of what it makes runs with, for people.
        usual: of a usual run of the preset that is preloaded: chunks of it are drawn before the
            first run, to learn how long one takes here and to warm a GPU up. None: none are.
        lease_seconds: without a sign of life, until other processes take over its run.
        gpus: how much memory presets need, and how much there is; None: everything fits.
    """

    def __init__(  # noqa: PLR0913 - each is an option of an app
        self,
        open_stream: OpenStream | None,
        runs_dir: Path,
        *,
        preload: str | None = None,
        max_waiting: int = 16,
        max_per_visitor: int | None = None,
        quota_bytes: int | None = None,
        resumes: bool = True,
        find_weights: Callable[[str], dict[str, str]] | None = None,
        name: str = "this process",
        usual: RunSettings | None = None,
        lease_seconds: float = LEASE_SECONDS,
        gpus: GpuSizes | None = None,
    ):
        self.runs_dir = Path(runs_dir).resolve()
        self.queue = RunQueue(max_waiting, max_per_visitor, takes_all=resumes, gpus=gpus)
        self._work = WorkFolder(self.runs_dir, lease_seconds)
        self._sync = QueueSync(self.runs_dir, self.queue, self._work)
        self.move = self._sync.places.move
        desk = CommandDesk(self.runs_dir, self._work, self._sync)
        self.commands = RunCommands(self.queue, self.runs_dir, self._work, desk)
        self.library = Library(self.runs_dir, self.queue, self._work, desk)
        self._maker: Maker | None = None
        if open_stream is not None:
            models = Models(open_stream, find_weights or (lambda _preset: {}), preload)
            self._maker = Maker(self._sync, self.library, models, quota_bytes, usual)
            Recovery(self.runs_dir, self.queue, self._work, resumes=resumes).recover_all()
        self._courier = Courier(self.queue, self._work, self._sync, desk, self._maker, name)
        self._courier.start()
        if self._maker is not None:
            self._maker.start()

    def submit(
        self,
        settings: RunSettings,
        visitor: str = "",
        address: str = "",
        start: Start | None = None,
    ) -> str:
        """Adds a run to the queue and returns its id.

        Args:
            visitor: identifies who asks; "" for somebody without a limit.
            address: identifies where from; "" likewise.
            start: what the video begins with besides text; it is kept with the run.

        Raises:
            RunError: too many runs are waiting, or the disk is full or refuses the folder.
        """
        if start is not None:
            settings = replace(settings, begins_with=describe_start(start))
        run_id = new_id()
        run = LiveRun(RunFolder(self.runs_dir / run_id), settings, visitor, address)
        with disk_errors():
            self._sync.sync()  # what others ask for counts as well
        self.queue.reserve(run)
        try:
            check_disk(self.runs_dir)
            folder = RunFolder.create(self.runs_dir, settings, visitor, run_id)
            with disk_errors():
                if start is not None:
                    write_start(folder.start_path, start)
                self._work.waiting.put(run_id, Entry(since=run.since, address=run.address))
        except BaseException:
            shutil.rmtree(run.folder.path, ignore_errors=True)
            self.queue.remove(run)
            raise
        self.queue.publish(run)
        return run_id

    def record(self, run_id: str) -> RunRecord:
        """What is known of a run on disk. A damaged one counts as failed.

        Raises:
            RunError: there is no such run.
        """
        record = RunFolder.open(self.runs_dir, run_id).describe()
        end = end_off_disk(self.queue, self._work, run_id)
        return replace(record, **record_changes(end)) if end else record

    def start_of(self, run_id: str) -> Start | None:
        """The image or the clip that a run begins with; None if it begins with text alone.

        Raises:
            RunError: there is no such run, or its file is missing or damaged.
        """
        folder = RunFolder.open(self.runs_dir, run_id)
        begins_with = folder.read().settings.begins_with
        return read_start(folder.start_path, begins_with) if begins_with else None

    def open_reader(self, run_id: str) -> EventReader:
        """A new reader at the first event of a run. It never blocks; `watch` does.

        Raises:
            RunError: there is no such run.
        """
        folder = RunFolder.open(self.runs_dir, run_id)
        try:
            folder.read()
            damage = ""
        except RunError:
            damage = folder.describe().message
        return EventReader(
            folder,
            lambda: self._look(run_id),
            damage,
            lambda: end_off_disk(self.queue, self._work, run_id),
        )

    def watch(self, run_id: str) -> Iterator[RunEvent]:
        """Yields all events of a run from the first on, waits for more, and ends with the run."""
        reader = self.open_reader(run_id)
        while not reader.has_ended:
            events = reader.poll()
            yield from events
            if not events:
                with self.queue.changed:
                    self.queue.changed.wait(timeout=0.25)

    def workers(self) -> list[WorkerState]:
        """What makes the runs of this folder; nothing if only a thread of this process does."""
        makers = self.makers()
        return makers if len(makers) > (self._maker is not None) else []

    def makers(self) -> list[WorkerState]:
        """What makes the runs of this folder, with what it has done."""
        return list(self._courier.makers)

    def close(self, timeout: float = 5.0, *, ends_process: bool = False) -> None:
        """Ends the run that is being made after its current step, and the thread.

        Others with the same folder, or the next worker on it, go on with what is not complete.

        Args:
            timeout: seconds to wait for that step. If it takes longer, the run is left as it would
                be after the step, and the process may end.
            ends_process: whether the process ends at once after this; see `Maker.stay`.
        """
        deadline = time.monotonic() + timeout
        if ends_process and self._maker is not None:
            self._maker.stay()
        self.queue.close()
        has_ended = self._maker is None or self._maker.join(timeout)
        self.queue.await_commands(max(0.0, deadline - time.monotonic()))
        self._courier.close()
        if has_ended:
            self._work.leases.close()
            return
        for run in self.queue.runs_being_made():
            self._interrupt_early(run)

    def _interrupt_early(self, run: LiveRun) -> None:
        """Marks a run as interrupted in a long step, which is no failed attempt."""
        try:
            with self.queue.claim(run.folder.id):  # so that its end is not being written
                if run.phase == "making" and run.stop_request == "interrupt":
                    run.folder.update(state="interrupted", num_attempts=0)
                    entry = Entry(since=run.since, address=run.address, is_cut_off=True)
                    self._work.waiting.put(run.folder.id, entry)
        except (RunError, OSError, LeaseLostError):
            log.exception("run %s could not be marked as interrupted", run.folder.id)

    def _look(self, run_id: str) -> tuple[bool, tuple[LiveEvent, ...]]:
        """Whether a run has yet to end, and what it is doing."""
        is_live, events = self.queue.live_events(run_id)
        if not is_live and self._work.waiting.has(run_id):  # another process has just asked for it
            return True, (Queued(position=0),)
        return is_live, events


def has_makers(runs_dir: Path) -> bool:
    """Whether other processes make the runs of a folder."""
    return any(other.name for other in WorkFolder(Path(runs_dir).resolve()).workers.others())
