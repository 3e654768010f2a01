"""The worker: one thread that owns the models and makes one run after the other.

Whoever submits a run gets an id, and needs nothing else: the run goes on when nobody watches, and
is watched from its start at any time, by any number, without the worker noticing.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from t2v.errors import OUT_OF_MEMORY, JobError, MediaError, T2VError, is_out_of_memory
from t2v.events import Notice
from t2v.jobs.beside import JSON_NAME, write_beside
from t2v.jobs.follower import Follower
from t2v.jobs.library import Library
from t2v.jobs.line import Line
from t2v.jobs.pace import Stopwatch
from t2v.jobs.recorder import finish_video
from t2v.jobs.recovery import RunsLock, find_interrupted, may_go_on, prepare
from t2v.jobs.reopening import reopen
from t2v.jobs.run_folder import RunFolder, RunRecord, RunSettings, check_disk
from t2v.jobs.steering import Steering
from t2v.jobs.turn import LiveRun, StreamFn, Turn, Wish
from t2v.jobs.updates import Failed, Finished, Loading, Moment, Progress, Update
from t2v.origin import versions_here


OpenStream = Callable[[str], StreamFn]

log = logging.getLogger(__name__)


class Worker(Steering):
    """
    Args:
        open_stream: gives the stream function of a preset. Called on the worker's thread, once in a
            row for runs of the same preset, after the one before was let go.
        runs_dir: where the folders of the runs are. One process at a time goes on with what is
            there; another one that is given the same folder makes its own runs only.
        preload: preset whose models are made ready before anybody asks.
        max_waiting: runs that may wait; more are refused.
        max_per_visitor: runs of one visitor that may wait or be made at once.
        quota_bytes: of the folder; the oldest runs go first. None: everything is kept.
        resumes: runs that were cut off go on by themselves.
        find_weights: the SHA-256 of every file of a preset's weights, to be told in `run.json`.
    """

    def __init__(
        self,
        open_stream: OpenStream,
        runs_dir: Path,
        *,
        preload: str | None = None,
        max_waiting: int = 16,
        max_per_visitor: int | None = None,
        quota_bytes: int | None = None,
        resumes: bool = True,
        find_weights: Callable[[str], dict[str, str]] | None = None,
    ):
        self.runs_dir = Path(runs_dir).resolve()
        self.line = Line(max_waiting, max_per_visitor)
        self.library = Library(self.runs_dir, self.line)
        self._open_stream = open_stream
        self._preload = preload
        self._quota_bytes = quota_bytes
        self._find_weights = find_weights or (lambda preset: {})
        self._loaded: tuple[str, StreamFn, dict[str, str]] | None = None
        self._lock = RunsLock(self.runs_dir)
        if self._lock.take():
            self._recover(resumes)
        self._thread = threading.Thread(target=self._serve, name="worker", daemon=True)
        self._thread.start()

    def submit(self, settings: RunSettings, visitor: str = "") -> str:
        """Puts a run into the queue and returns its id.

        Args:
            visitor: what tells whoever asks from others; "" for somebody without a limit.

        Raises:
            JobError: too many runs are waiting, or the disk is full or refuses the folder.
        """
        with self.line.changed:
            self.line.check_room(visitor)
            check_disk(self.runs_dir)
            folder = RunFolder.create(self.runs_dir, settings, visitor)
            self._lock.take()
            self.line.add(LiveRun(folder, settings, visitor))
        return folder.id

    def record(self, run_id: str) -> RunRecord:
        """What is known of a run on disk.

        Raises:
            JobError: there is no such run.
        """
        return RunFolder.open(self.runs_dir, run_id).read()

    def follow(self, run_id: str) -> Follower:
        """Someone's place in the story of a run, at its start. Never blocks; see `watch`."""
        folder = RunFolder.open(self.runs_dir, run_id)
        return Follower(folder, lambda: self.line.moments(run_id))

    def watch(self, run_id: str) -> Iterator[Update]:
        """Tells everything from the start, waits for more, and ends with the run."""
        follower = self.follow(run_id)
        while not follower.has_ended:
            updates = follower.poll()
            yield from updates
            if not updates:
                with self.line.changed:
                    self.line.changed.wait(timeout=0.25)

    def close(self, timeout: float = 8.0) -> None:
        """Ends the run that is being made within one step, and the thread. What is not complete
        goes on when a worker is given the same folder."""
        self.line.close()
        self._thread.join(timeout)
        if not self._thread.is_alive():
            self._lock.release()

    def _recover(self, resumes: bool) -> None:
        """Takes up the runs that were cut off."""
        for record in find_interrupted(self.runs_dir):
            folder = RunFolder(self.runs_dir / record.id)
            try:
                if not may_go_on(record):
                    self._give_up(folder, record)
                elif resumes:
                    num_chunks = prepare(folder, is_asked_for=False)
                    run = LiveRun(folder, record.settings, record.visitor, next_chunk=num_chunks)
                    with self.line.changed:
                        self.line.add(run)
            except (T2VError, OSError):
                log.exception("run %s cannot go on", record.id)

    def _give_up(self, folder: RunFolder, record: RunRecord) -> None:
        prepare(folder, is_asked_for=True)
        message = (
            f"The app was closed {record.num_tries} times while chunk {record.begun_at} was "
            "being made. Resume the video to try once more."
        )
        run = LiveRun(folder, record.settings, record.visitor)
        end = Failed(message, *self._keep(run, False), *self._keep(run, True))
        self._end(run, end, record.seconds)

    def _serve(self) -> None:
        if self._preload is not None:
            try:
                self._stream_of(self._preload)
            except Exception:  # told again, to who asks for a video
                log.exception("preset %s could not be loaded", self._preload)
        while (run := self.line.take_next()) is not None:
            try:
                self._carry_out(run)
            except Exception:  # a full disk, mostly; the next run must get its turn
                log.exception("run %s could not be ended properly", run.folder.id)
                with self.line.changed:
                    self.line.leave(run)

    def _carry_out(self, run: LiveRun) -> None:
        watch = Stopwatch(run.folder.read().seconds)
        turn, message = None, None
        try:
            if not self._has_loaded(run.settings.preset):
                self._tell(run, Loading(run.settings.preset))
            self._clean_up()
            check_disk(self.runs_dir)  # which others may have filled while it waited
            stream = self._stream_of(run.settings.preset)
            self._write_down_origin(run)
            turn = Turn(run, stream, self.line.changed, partial(self._tell, run), watch)
            turn.make()
        except T2VError as error:
            message = str(error)
        except Exception as error:
            log.exception("run %s failed", run.folder.id)
            message = sentence_about(error)
        with self.line.changed:
            run.is_over = True
            is_interrupted = run.wish == "interrupt" and message is None
        if turn is not None and turn.num_chunks_before is not None:
            num_chunks = run.next_chunk - 1 - turn.num_chunks_before
            self.line.experience.learn(run.settings, num_chunks, watch.turn)
        if is_interrupted:
            self._interrupt(run, watch.total)
        else:
            seconds = watch.total
            self._end(run, self._find_end(run, message, seconds), seconds)

    def _interrupt(self, run: LiveRun, seconds: float) -> None:
        """Leaves a run so that the next worker takes it up."""
        run.folder.update(state="interrupted", num_tries=0, seconds=seconds)
        with self.line.changed:
            self.line.leave(run)

    def _find_end(self, run: LiveRun, message: str | None, seconds: float) -> Finished | Failed:
        """Joins what there is of a run, and says what has become of it."""
        if run.is_rewound:  # and ended before its turn came: what was to be made anew is gone
            reopen(run.folder)
        video, refined = self._keep(run, False), self._keep(run, True)
        self._write_beside(run, has_video=video[0] is not None)
        if message is not None:
            return Failed(message, *video, *refined)
        config = run.settings.config
        videos = (video, refined) if config.refine else (video,)
        is_complete = all(num_frames == config.num_frames for _, num_frames in videos)
        state = "paused" if run.wish == "pause" else "stopped"
        return Finished("finished" if is_complete else state, *video, seconds, *refined)

    def _keep(self, run: LiveRun, is_refined: bool) -> tuple[Path | None, int]:
        """One of the videos, as far as it is done, and its number of frames."""
        try:
            if num_frames := finish_video(run.folder, is_refined):
                return run.folder.video_path(is_refined), num_frames
        except (MediaError, JobError):
            log.exception("the chunks of run %s could not be joined", run.folder.id)
        return None, 0

    def _write_beside(self, run: LiveRun, *, has_video: bool) -> None:
        path = run.folder.path / JSON_NAME
        try:
            if has_video and run.settings.write_metadata:
                write_beside(run.folder, path)
            else:
                path.unlink(missing_ok=True)
        except (T2VError, OSError):  # the video is worth more than what is said of it
            log.exception("the JSON of run %s cannot be written", run.folder.id)

    def _clean_up(self) -> None:
        if self._quota_bytes is not None and self._lock.take():
            self.library.clean_up(self._quota_bytes)

    def _write_down_origin(self, run: LiveRun) -> None:
        """Writes down which weights and versions make the run; says so where others began it."""
        before = run.folder.read()
        now = {"weights": self._loaded[2], "versions": versions_here()}
        for name, said in (
            ("weights", "The model's weights"),
            ("versions", "Versions of software"),
        ):
            old = getattr(before, name)
            if old and old != now[name]:
                run.folder.append(Notice(f"{said} have changed since this video was begun."))
        run.folder.update(**now)

    def _stream_of(self, preset: str) -> StreamFn:
        if not self._has_loaded(preset):
            self._loaded = None  # one stack at a time: the old one goes before the new one comes
            self._loaded = (preset, self._open_stream(preset), self._find_weights(preset))
        return self._loaded[1]

    def _has_loaded(self, preset: str) -> bool:
        return self._loaded is not None and self._loaded[0] == preset

    def _tell(self, run: LiveRun, moment: Loading | Progress) -> None:
        with self.line.changed:
            run.moments = (*others(run.moments, moment), moment)
            self.line.changed.notify_all()

    def _end_waiting(self, run: LiveRun, wish: Wish) -> None:
        run.wish = wish
        seconds = run.folder.read().seconds
        self._end(run, self._find_end(run, None, seconds), seconds)

    def _end(self, run: LiveRun, end: Finished | Failed, seconds: float) -> None:
        """Writes the end down, then lets go of the run."""
        is_failed = isinstance(end, Failed)
        with self.line.changed:
            run.folder.update(
                state="failed" if is_failed else end.state,
                message=end.message if is_failed else "",
                num_frames=end.num_frames,
                num_refined_frames=end.num_refined_frames,
                seconds=seconds,
                num_tries=0,
            )
            run.folder.append(end)
            self.line.leave(run)


def others(moments: tuple[Moment, ...], new: Moment) -> Iterator[Progress]:
    """What stays true beside a new moment: where the run's other video is."""
    if isinstance(new, Progress):
        for moment in moments:
            if isinstance(moment, Progress) and moment.is_refined != new.is_refined:
                yield moment


def sentence_about(error: Exception) -> str:
    """Words for a failure that nobody foresaw; the log has the details."""
    if is_out_of_memory(error):
        return OUT_OF_MEMORY
    if isinstance(error, OSError) and error.strerror:
        return f"The disk refused a file of this video: {error.strerror}."
    return f"Something in Longtake broke ({type(error).__name__}); the log has the details."
