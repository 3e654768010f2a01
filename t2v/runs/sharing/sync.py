"""Keeps the queue of this process the same as that of the folder, which all processes share."""

import logging
from pathlib import Path

from t2v.atomic import Version
from t2v.errors import RunError
from t2v.runs.folder import RunFolder
from t2v.runs.live_run import LiveRun
from t2v.runs.queue import RunQueue
from t2v.runs.sharing.folder import WorkFolder
from t2v.runs.sharing.places import Places
from t2v.runs.sharing.waiting import Entry


log = logging.getLogger(__name__)


class QueueSync:
    """Brings what other processes did into the queue of this one."""

    def __init__(self, runs_dir: Path, queue: RunQueue, work: WorkFolder):
        self.runs_dir = runs_dir
        self.queue = queue
        self.work = work
        self.places = Places(queue, work.waiting)
        self._versions: dict[str, Version | None] = {}  # of the records of runs made elsewhere

    def sync(self) -> None:
        """Looks at all runs that have not ended. A run that this process works on is left alone.

        Raises:
            OSError: the file system does not answer; the next call sees what this one missed.
        """
        # Before the folder is read: a run that is asked for in between is not missed there.
        listed = [run for run in self.queue.live_runs() if run.is_listed]
        entries = self.places.read()
        for run in listed:
            if run.folder.id not in entries:
                self._forget(run)
        held = self.work.leases.ids_held_elsewhere()
        new = [
            unseen
            for run_id, entry in entries.items()
            if self.queue.get(run_id) is None and (unseen := self._read(run_id, entry)) is not None
        ]
        self.queue.add_seen(new)  # together: whose turn it is depends on all
        for run in self.queue.live_runs():
            if run.folder.id in held:
                self.queue.mark_elsewhere(run, was="waiting")
                self._look_at(run)
            elif run.phase == "elsewhere":
                self.refresh(run.folder.id)

    def refresh(self, run_id: str) -> None:
        """Brings one run up to date that nobody else has now.

        Raises:
            RunError: its record cannot be read.
        """
        run = self.queue.get(run_id)
        entry = self.work.waiting.get(run_id)
        if run is None:
            if entry is not None and (seen := self._read(run_id, entry)) is not None:
                self.queue.add_seen([seen])
            return
        if run.phase not in ("waiting", "elsewhere"):
            return
        if run.is_listed and entry is None:
            self._forget(run)
            return
        with self.queue.claim(run_id):
            self.reread(run)
        self.queue.mark_free(run)

    def reread(self, run: LiveRun) -> None:
        """Takes over what another process has changed. The caller has claimed the run's files."""
        try:
            record = run.folder.read()
        except RunError:
            return  # whoever makes it will say so
        with self.queue.changed:
            if run.settings != record.settings:
                run.settings = record.settings
            run.is_rewound = record.rewind_to is not None

    def _read(self, run_id: str, entry: Entry) -> LiveRun | None:
        """A run that another process has listed; None if it was deleted or is damaged."""
        try:
            folder = RunFolder.open(self.runs_dir, run_id)
            record = folder.read()
        except RunError:
            return None
        if not self.work.waiting.has(run_id):  # it has ended since the list was read
            return None
        return LiveRun(
            folder,
            record.settings,
            record.visitor,
            entry.address,
            next_chunk=record.attempt_chunk,
            since=entry.since,
            is_own=False,
            is_listed=True,
        )

    def _look_at(self, run: LiveRun) -> None:
        """What a run does that another process makes."""
        if run.phase != "elsewhere":
            return
        version = run.folder.version()
        if self._versions.get(run.folder.id) != version:
            self._versions[run.folder.id] = version
            self.reread(run)
        events = self.work.live.read(run.folder.id)
        with self.queue.changed:
            if run.phase == "elsewhere" and events != run.live_events:
                run.live_events = events
                self.queue.changed.notify_all()

    def _forget(self, run: LiveRun) -> None:
        """A run has ended elsewhere: what it took helps to estimate others."""
        self._versions.pop(run.folder.id, None)
        was_made = run.phase == "elsewhere" and run.live_events
        self.queue.forget(run)
        if not was_made:
            return
        try:
            record = run.folder.read()
        except RunError:
            return
        num_chunks = record.settings.chunking.num_complete(record.num_frames)
        with self.queue.changed:
            self.queue.throughput.learn(record.settings, num_chunks, record.seconds)
