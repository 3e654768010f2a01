"""What the commands of a run do: in the process that has its lease."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from t2v.errors import RunError
from t2v.runs.disk import check_disk, disk_errors
from t2v.runs.edits import (
    add_chunks,
    add_refiner,
    check_whole_number,
    set_prompt,
    set_seed_and_prompt,
)
from t2v.runs.finish import end_run
from t2v.runs.folder import RunFolder
from t2v.runs.live_run import LiveRun, StopRequest
from t2v.runs.queue import RunQueue
from t2v.runs.record import RunSettings
from t2v.runs.resume import find_resume_point, prepare
from t2v.runs.sharing.folder import WorkFolder
from t2v.runs.sharing.lease import LeaseLostError
from t2v.runs.sharing.waiting import Entry
from t2v.settings.config import RefinerSettings


class CommandsHere:
    """Carries out commands to runs whose leases this process has; see `RunCommands`."""

    def __init__(self, queue: RunQueue, runs_dir: Path, work: WorkFolder):
        self._queue = queue
        self._runs_dir = runs_dir
        self._work = work

    def stop(self, run_id: str) -> None:
        self._end_early(run_id, "stop")

    def pause(self, run_id: str) -> None:
        if not self._end_early(run_id, "pause"):
            raise RunError("this run has ended; there is nothing to pause")

    def resume(self, run_id: str) -> None:
        with self._queue.claim(run_id):
            with self._queue.changed:
                run = self._queue.get(run_id)
                if run is not None:
                    if self._queue.adopt(run):
                        return
                    if run.stop_request != "pause":
                        raise RunError("this run is being made or waits already")
                    run.stop_request = ""  # its pause had not begun
                    return
            folder = self._work.open(run_id)
            record = folder.read()
            if record.state == "finished":
                raise RunError("this video is complete; extend it or redo a chunk")
            self._requeue(folder, record.settings)

    def extend(self, run_id: str, num_chunks: float) -> None:
        with self._open(run_id) as (run, folder, settings):
            self._change(run, folder, add_chunks(settings, num_chunks))

    def change_prompt(self, run_id: str, prompt: str, blend: float = 0) -> int:
        with self._open(run_id) as (run, folder, settings):
            chunk = run.next_chunk if run else find_resume_point(folder, settings).num_chunks
            if chunk >= settings.config.num_chunks:
                raise RunError(
                    "there is no further chunk to change: extend the video first, or redo a chunk"
                )
            self._change(run, folder, set_prompt(settings, chunk, prompt, blend))
            return chunk

    def redo(
        self, run_id: str, chunk: float, *, seed: float | None = None, prompt: str | None = None
    ) -> None:
        with self._open(run_id) as (run, folder, settings):
            num_chunks = find_resume_point(folder, settings, folder.read().rewind_to).num_chunks
            if not num_chunks:
                raise RunError("there is no finished chunk yet that could be redone")
            check_whole_number("chunk", chunk, 0, num_chunks - 1)
            changed = set_seed_and_prompt(settings, int(chunk), seed, prompt)
            self._change(run, folder, changed, rewind_to=int(chunk))

    def refine(self, run_id: str, refiner: dict[str, Any]) -> None:
        with self._open(run_id) as (run, folder, settings):
            if run is not None:
                raise RunError("this run has not ended; wait for it or stop it first")
            num_chunks = find_resume_point(folder, settings).num_chunks
            self._requeue(folder, add_refiner(settings, RefinerSettings(**refiner), num_chunks))

    def _end_early(self, run_id: str, stop_request: StopRequest) -> bool:
        """Returns False if the run had ended before."""
        if self._ask_to_stop(run_id, stop_request):
            return True
        with self._queue.claim(run_id):
            run = self._queue.get(run_id)
            if run is None:
                self._work.open(run_id)
                return False
            if self._queue.withdraw(run, stop_request):
                self._end_waiting(run)
                return True
        return self._ask_to_stop(run_id, stop_request)  # the worker has taken it just now

    def _ask_to_stop(self, run_id: str, stop_request: StopRequest) -> bool:
        """Whether the run is with the worker, which ends it after its current step."""
        with self._queue.changed:
            run = self._queue.get(run_id)
            if run is None or run.phase in ("opening", "waiting", "closing"):
                return False
            if run.phase == "making" and run.stop_request != "interrupt":
                run.stop_request = stop_request
            return True

    def _end_waiting(self, run: LiveRun) -> None:
        """Ends a run that was taken out of the queue."""
        try:
            with disk_errors():
                run.folder = self._work.open(run.folder.id)
                end_run(self._queue, run, run.folder.read().seconds)
                run.folder.check_mine()
        except (RunError, LeaseLostError):
            self._queue.put_back(run)  # a worker ends it instead
            raise
        self._work.end(run.folder.id)
        self._queue.remove(run)

    @contextmanager
    def _open(self, run_id: str) -> Iterator[tuple[LiveRun | None, RunFolder, RunSettings]]:
        """Claims the files of a run; gives it if it has not ended, its folder and its settings."""
        with self._queue.claim(run_id):
            folder, run = self._work.open(run_id), self._queue.get(run_id)
            if run is not None:
                run.check_takes_commands()
                self._queue.adopt(run)
            yield run, folder, run.settings if run else folder.read().settings

    def _change(
        self,
        run: LiveRun | None,
        folder: RunFolder,
        settings: RunSettings,
        rewind_to: int | None = None,
    ) -> None:
        """Gives a run other settings, and adds it to the queue if it has ended.

        The caller has claimed its files.
        """
        if run is None:
            self._requeue(folder, settings, rewind_to)
            return
        pending = folder.read().rewind_to
        if pending is not None:
            rewind_to = pending if rewind_to is None else min(pending, rewind_to)
        with disk_errors():
            folder.update(settings=settings, rewind_to=rewind_to)
        with self._queue.changed:
            run.settings = settings
            if rewind_to is not None:
                run.is_rewound = True
                # While it is being made, the chunk to redo starts at once.
                next_chunk = rewind_to if run.phase == "waiting" else rewind_to + 1
                run.next_chunk = min(run.next_chunk, next_chunk)
            self._queue.changed.notify_all()

    def _requeue(
        self, folder: RunFolder, settings: RunSettings, rewind_to: int | None = None
    ) -> None:
        """Adds a run that has ended to the queue again. The caller has claimed its files."""
        before = folder.read()
        run = LiveRun(folder, settings, before.visitor)
        self._queue.reserve(run)
        try:
            check_disk(self._runs_dir)
            # The record first: if the app is killed before the rest, the next one does it.
            with disk_errors():
                folder.update(
                    settings=settings,
                    rewind_to=rewind_to,
                    state="queued",
                    message="",
                    num_attempts=0,
                )
                try:
                    num_chunks = prepare(folder, by_user=True)
                    entry = Entry(since=run.since, address=run.address)
                    self._work.waiting.put(folder.id, entry, folder.check_mine)
                except (RunError, OSError):
                    with suppress(OSError):
                        folder.write(before)
                    raise
        except BaseException:
            self._queue.remove(run)
            raise
        self._queue.publish(run, next_chunk=num_chunks)
