"""One turn of a run on the device: from where it is to its end, or until something is wished."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from t2v.config import GenerationConfig
from t2v.errors import JobError
from t2v.events import Chunk, Event, Notice
from t2v.jobs.pace import Stopwatch
from t2v.jobs.recorder import Recorder
from t2v.jobs.reopening import reopen
from t2v.jobs.run_folder import RunFolder, RunSettings
from t2v.jobs.updates import Loading, Progress
from t2v.state import Start


StreamFn = Callable[[GenerationConfig, Start | None], Iterator[Event]]
Wish = Literal["", "stop", "pause", "interrupt"]  # interrupt: it goes on when the app starts again
MAX_TRIES = 3  # turns in a row that die in the same chunk, before the run is left alone


@dataclass(eq=False, slots=True)
class LiveRun:
    """A run that waits or is being made, as the worker, its watchers and commands share it."""

    folder: RunFolder
    settings: RunSettings
    visitor: str = ""
    next_chunk: int = 0  # of the preview, the first that has not been begun
    wish: Wish = ""
    is_rewound: bool = False  # `run.json` says from which chunk on it is to be made anew
    is_over: bool = False  # its end is being written: too late for anything else
    moments: tuple[Loading | Progress, ...] = ()  # one a video, the newest last
    told: set[Notice] = field(default_factory=set)

    def check_takes_commands(self) -> None:
        """
        Raises:
            JobError: it is about to end.
        """
        if self.wish or self.is_over:
            raise JobError("this run is just about to end; try again in a moment")


class Turn:
    """
    Args:
        lock: guards what is shared of a run.
        tell: is given every Progress.
        watch: of the work on the run.
    """

    def __init__(
        self,
        run: LiveRun,
        stream: StreamFn,
        lock: threading.Condition,
        tell: Callable[[Progress], None],
        watch: Stopwatch,
    ):
        self.num_chunks_before: int | None = None  # that were there when the turn began
        self._run = run
        self._stream = stream
        self._lock = lock
        self._tell = tell
        self._watch = watch

    def make(self) -> None:
        """Makes chunks until all are there or something is wished. What changes on the way, the
        prompt for what comes next or the number of chunks, is taken up at the next chunk.

        Raises:
            T2VError: the run cannot go on.
        """
        while self._make_until_changed():
            pass

    def _make_until_changed(self) -> bool:
        """Whether there is more to make, with other settings or from another chunk."""
        run = self._run
        with self._lock:
            if run.wish:
                return False
            settings, run.is_rewound = run.settings, False
            start = reopen(run.folder)
            num_chunks = start.num_chunks if start else 0
            run.next_chunk = num_chunks + 1
        if self.num_chunks_before is None:
            self._count_try(num_chunks)
            self.num_chunks_before = num_chunks
        recorder = Recorder(run.folder, settings, self._watch, run.told)
        events = self._stream(settings.config, start)
        try:
            for event in events:
                for progress in recorder.record(event):
                    self._tell(progress)
                with self._lock:
                    if run.wish:
                        return False
                    if run.is_rewound:
                        return True
                    if isinstance(event, Chunk) and event.stage != "refinement":
                        if run.settings is not settings:
                            return True
                        run.next_chunk = event.index + 2
        finally:
            events.close()
        with self._lock:
            run.is_over = run.settings is settings and not run.is_rewound and not run.wish
            return not (run.is_over or run.wish)

    def _count_try(self, num_chunks: int) -> None:
        record = self._run.folder.read()
        is_again = record.num_tries and record.begun_at == num_chunks
        num_tries = record.num_tries + 1 if is_again else 1
        self._run.folder.update(state="running", begun_at=num_chunks, num_tries=num_tries)
