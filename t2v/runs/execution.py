"""One execution of a run: from its resume point to its end, or until it is asked to stop."""

from collections.abc import Callable

from t2v.events import Chunk, Event, ResumeState, Start
from t2v.generator import StreamFn
from t2v.runs.eta import Stopwatch
from t2v.runs.events import Progress
from t2v.runs.live_run import LiveRun
from t2v.runs.queue import RunQueue
from t2v.runs.record import RunSettings
from t2v.runs.resume import reopen
from t2v.runs.start_file import read_start
from t2v.runs.tally import Tally
from t2v.runs.writer import RunWriter


class Execution:
    """Makes one run on the worker's thread.

    Args:
        queue: guards what is shared of the run.
        publish: is called with every Progress.
        stopwatch: of the work on the run.
        tally: of the worker.
    """

    def __init__(
        self,
        run: LiveRun,
        stream: StreamFn,
        queue: RunQueue,
        publish: Callable[[Progress], None],
        stopwatch: Stopwatch,
        tally: Tally,
    ):
        self.num_chunks_before: int | None = None  # that were done when it began
        self._run = run
        self._stream = stream
        self._queue = queue
        self._publish = publish
        self._stopwatch = stopwatch
        self._tally = tally
        self._is_lost: Callable[[], bool] = lambda: False

    def make(self, is_lost: Callable[[], bool] = lambda: False) -> None:
        """Makes chunks until all are done or the run is asked to stop.

        A change of the settings applies from the next chunk on.

        Args:
            is_lost: whether another process has the run by now; asked after every step.

        Raises:
            T2VError: the run cannot continue.
        """
        self._is_lost = is_lost
        while self._make_until_changed():
            pass

    def _make_until_changed(self) -> bool:
        """Whether there is more to make, with other settings or from another chunk."""
        run = self._run
        if self._must_stop():
            return False
        with self._queue.claim(run.folder.id):
            with self._queue.changed:
                settings, run.is_rewound = run.settings, False
            state = self._reopen()
            begins = self._begins_with(settings) if state is None else ()
        writer = RunWriter(run.folder, settings, self._stopwatch, run.notices)
        events = self._stream(settings.config, state, *begins)
        self._tally.begin()
        try:
            for event in events:
                for progress in writer.write(event):
                    self._publish(progress)
                self._tally.add(settings.preset, event)
                if self._is_lost() or self._must_stop():
                    return False
                if self._is_changed(event, settings):
                    return True
        finally:
            events.close()
            writer.close()
        with self._queue.changed:
            self._queue.await_changes(run)
            if run.settings is not settings or run.is_rewound:
                return not self._must_stop()
            self._queue.begin_end(run)
            return False

    def _reopen(self) -> ResumeState | None:
        run = self._run
        state = reopen(run.folder)
        num_chunks = state.num_chunks if state else 0
        if self.num_chunks_before is None:
            self._count_attempt(num_chunks)
            self.num_chunks_before = num_chunks
        with self._queue.changed:
            run.next_chunk = num_chunks + 1
        return state

    def _begins_with(self, settings: RunSettings) -> tuple[Start, ...]:
        """The image or the clip that the video begins with, if it begins with one."""
        if not settings.begins_with:
            return ()
        return (read_start(self._run.folder.start_path, settings.begins_with),)

    def _must_stop(self) -> bool:
        """Whether the run is asked to stop. If so, no command can change it any more."""
        run = self._run
        with self._queue.changed:
            if not run.stop_request:
                return False
            self._queue.await_changes(run)
            if not run.stop_request:  # resumed in the meantime
                return False
            self._queue.begin_end(run)
            return True

    def _is_changed(self, event: Event, settings: RunSettings) -> bool:
        """Whether the stream has to start again; if not, notes which chunk comes next.

        It has to at once to redo chunks, and after a chunk of the preview if its settings have
        changed.
        """
        run, is_preview_chunk = self._run, isinstance(event, Chunk) and event.stage != "refinement"
        with self._queue.changed:
            if is_preview_chunk:  # a command must not write settings for a chunk that has begun
                self._queue.await_changes(run)
            if run.is_rewound:
                return True
            if isinstance(event, Chunk) and is_preview_chunk:
                if run.settings is not settings:
                    return True
                run.next_chunk = event.index + 2
            return False

    def _count_attempt(self, num_chunks: int) -> None:
        folder = self._run.folder
        record = folder.read()
        num_attempts = 1
        if record.attempt_chunk == num_chunks:
            num_attempts += record.num_attempts
        folder.update(state="running", attempt_chunk=num_chunks, num_attempts=num_attempts)
