"""The worker: one thread that owns the models and makes one run after the other.

Whoever submits a run gets an id, and needs nothing else: the run goes on when nobody watches, and
is watched from its start at any time, by any number, without the worker noticing.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from t2v.config import GenerationConfig
from t2v.errors import JobError, MediaError, T2VError
from t2v.events import Event
from t2v.jobs.follower import Follower
from t2v.jobs.recorder import Recorder
from t2v.jobs.run_folder import RunFolder, RunRecord, RunSettings
from t2v.jobs.updates import Failed, Finished, Loading, Moment, Progress, Queued, Update


StreamFn = Callable[[GenerationConfig], Iterator[Event]]
OpenStream = Callable[[str], StreamFn]

log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class LiveRun:
    """A run that has not ended yet, as the worker and its watchers share it."""

    folder: RunFolder
    settings: RunSettings
    stop: threading.Event = field(default_factory=threading.Event)
    moments: tuple[Loading | Progress, ...] = ()  # one a video, the newest last


class Worker:
    """
    Args:
        open_stream: gives the stream function of a preset. Called on the worker's thread, once in a
            row for runs of the same preset, after the one before was let go.
        runs_dir: where the folders of the runs are.
        preload: preset whose models are made ready before anybody asks.
        max_waiting: runs that may wait; more are refused.
    """

    def __init__(
        self,
        open_stream: OpenStream,
        runs_dir: Path,
        *,
        preload: str | None = None,
        max_waiting: int = 16,
    ):
        self.runs_dir = Path(runs_dir).resolve()
        self._open_stream = open_stream
        self._preload = preload
        self._max_waiting = max_waiting
        self._changed = threading.Condition()
        self._live: dict[str, LiveRun] = {}
        self._waiting: deque[str] = deque()
        self._is_closing = False
        self._loaded: tuple[str, StreamFn] | None = None
        self._thread = threading.Thread(target=self._serve, name="worker", daemon=True)
        self._thread.start()

    def submit(self, settings: RunSettings) -> str:
        """Puts a run into the queue and returns its id.

        Raises:
            JobError: too many runs are waiting, or the disk refuses the folder.
        """
        with self._changed:
            if self._is_closing:
                raise JobError("the app is shutting down")
            if len(self._waiting) >= self._max_waiting:
                raise JobError(
                    f"the queue is full: {self._max_waiting} videos are waiting; try again later"
                )
            folder = RunFolder.create(self.runs_dir, settings)
            self._live[folder.id] = LiveRun(folder, settings)
            self._waiting.append(folder.id)
            self._changed.notify_all()
        return folder.id

    def stop(self, run_id: str) -> None:
        """Ends a run within one denoising step and keeps its chunks; a waiting one never starts.

        Raises:
            JobError: there is no such run.
        """
        with self._changed:
            run = self._live.get(run_id)
            if run is None:
                RunFolder.open(self.runs_dir, run_id)  # one that has ended has nothing to stop
                return
            run.stop.set()
            if run_id in self._waiting:
                self._waiting.remove(run_id)
                self._end(run, Finished("stopped", None, 0, 0.0))

    def record(self, run_id: str) -> RunRecord:
        """What is known of a run on disk.

        Raises:
            JobError: there is no such run.
        """
        return RunFolder.open(self.runs_dir, run_id).read()

    def follow(self, run_id: str) -> Follower:
        """Someone's place in the story of a run, at its start. Never blocks; see `watch`."""
        folder = RunFolder.open(self.runs_dir, run_id)
        return Follower(folder, lambda: self._moments(run_id))

    def watch(self, run_id: str) -> Iterator[Update]:
        """Tells everything from the start, waits for more, and ends with the run."""
        follower = self.follow(run_id)
        while not follower.has_ended:
            updates = follower.poll()
            yield from updates
            if not updates:
                with self._changed:
                    self._changed.wait(timeout=0.25)

    def close(self, timeout: float = 10.0) -> None:
        """Stops the run that is being made, keeps its chunks, and ends the thread."""
        with self._changed:
            self._is_closing = True
            for run in self._live.values():
                run.stop.set()
            self._changed.notify_all()
        self._thread.join(timeout)

    def _moments(self, run_id: str) -> tuple[bool, tuple[Moment, ...]]:
        """Whether a run has yet to end, and what it is doing."""
        with self._changed:
            run = self._live.get(run_id)
            if run is None:
                return False, ()
            if run_id in self._waiting:
                is_busy = len(self._live) > len(self._waiting)
                return True, (Queued(self._waiting.index(run_id) + is_busy),)
            return True, run.moments

    def _serve(self) -> None:
        if self._preload is not None:
            try:
                self._stream_of(self._preload)
            except Exception:  # told again, to who asks for a video
                log.exception("preset %s could not be loaded", self._preload)
        while (run := self._next()) is not None:
            try:
                self._carry_out(run)
            except Exception:  # a full disk, mostly; the next run must get its turn
                log.exception("run %s could not be ended properly", run.folder.id)
                with self._changed:
                    self._live.pop(run.folder.id, None)
                    self._changed.notify_all()

    def _next(self) -> LiveRun | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closing)
            if self._is_closing:
                return None
            return self._live[self._waiting.popleft()]

    def _carry_out(self, run: LiveRun) -> None:
        began = time.monotonic()
        recorder, message = None, None
        try:
            self._tell(run, Loading(run.settings.preset))
            run.folder.write(replace(run.folder.read(), state="running"))
            stream = self._stream_of(run.settings.preset)
            recorder = Recorder(run.folder, run.settings)
            self._make(run, stream, recorder)
        except T2VError as error:
            message = str(error)
        except Exception as error:
            log.exception("run %s failed", run.folder.id)
            message = sentence_about(error)
        video, refined = self._keep(recorder, False), self._keep(recorder, True)
        seconds = time.monotonic() - began
        if message is not None:
            end = Failed(message, *video, *refined)
        else:
            config = run.settings.config
            videos = (video, refined) if config.refine else (video,)
            is_complete = all(num_frames == config.num_frames for _, num_frames in videos)
            end = Finished("finished" if is_complete else "stopped", *video, seconds, *refined)
        with self._changed:
            self._end(run, end, seconds)

    def _make(self, run: LiveRun, stream: StreamFn, recorder: Recorder) -> None:
        if run.stop.is_set():
            return
        events = stream(run.settings.config)
        try:
            for event in events:
                if (progress := recorder.record(event)) is not None:
                    self._tell(run, progress)
                if run.stop.is_set():
                    return
        finally:
            events.close()

    def _keep(self, recorder: Recorder | None, is_refined: bool) -> tuple[Path | None, int]:
        """One of the videos, as far as it is done, and its number of frames."""
        try:
            if recorder is not None and (num_frames := recorder.finish_video(is_refined)):
                return recorder.folder.video_path(is_refined), num_frames
        except MediaError:
            log.exception("the chunks of run %s could not be joined", recorder.folder.id)
        return None, 0

    def _stream_of(self, preset: str) -> StreamFn:
        if self._loaded is None or self._loaded[0] != preset:
            self._loaded = None  # one stack at a time: the old one goes before the new one comes
            self._loaded = (preset, self._open_stream(preset))
        return self._loaded[1]

    def _tell(self, run: LiveRun, moment: Loading | Progress) -> None:
        with self._changed:
            run.moments = (*others(run.moments, moment), moment)
            self._changed.notify_all()

    def _end(self, run: LiveRun, end: Finished | Failed, seconds: float = 0.0) -> None:
        """Writes the end down, then lets go of the run. The caller holds the lock."""
        is_failed = isinstance(end, Failed)
        record = replace(
            run.folder.read(),
            state="failed" if is_failed else end.state,
            message=end.message if is_failed else "",
            num_frames=end.num_frames,
            num_refined_frames=end.num_refined_frames,
            seconds=seconds,
        )
        run.folder.write(record)
        run.folder.append(end)
        self._live.pop(run.folder.id, None)
        self._changed.notify_all()


def others(moments: tuple[Moment, ...], new: Moment) -> Iterator[Progress]:
    """What stays true beside a new moment: where the run's other video is."""
    if isinstance(new, Progress):
        for moment in moments:
            if isinstance(moment, Progress) and moment.is_refined != new.is_refined:
                yield moment


def sentence_about(error: Exception) -> str:
    """Words for a failure that nobody foresaw; the log has the details."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "There was not enough memory for this video; close other programs and try again."
    if isinstance(error, OSError) and error.strerror:
        return f"The disk refused a file of this video: {error.strerror}."
    return f"Something in Longtake broke ({type(error).__name__}); the log has the details."
