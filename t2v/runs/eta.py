"""Time: how long a run has taken, and how long it will take."""

import time
from dataclasses import dataclass, replace
from typing import Any

from t2v.events import Chunk, StepDone, Track, track_of
from t2v.runs.events import Progress
from t2v.runs.record import RunSettings


SMOOTHING = 0.3  # weight of the newest measurement


class Stopwatch:
    """Seconds of work on a run.

    Args:
        before: seconds of its earlier executions.
    """

    def __init__(self, before: float):
        self._before = before
        self._began = time.monotonic()

    @property
    def this_execution(self) -> float:
        return time.monotonic() - self._began

    @property
    def total(self) -> float:
        return self._before + self.this_execution


class EtaEstimator:
    """Estimates from the steps and chunks of one track. All times are seconds on one clock."""

    def __init__(self, num_chunks: int, now: float):
        self.per_chunk = 0.0  # seconds; 0 as long as nothing is known
        self.per_step = 0.0
        self._num_chunks = num_chunks
        self._num_done = 0
        self._chunk_start = now
        self._last_step: float | None = None
        self._chunk_seconds: float | None = None

    def step_done(self, step: StepDone, now: float) -> tuple[float, float]:
        """Returns the seconds until the next chunk, and until the end."""
        before = self._chunk_start if self._last_step is None else self._last_step
        self.per_step = _smooth(self.per_step or None, now - before)
        self._last_step = now

        next_chunk_in = (step.num_steps - step.step) * self.per_step
        if self._chunk_seconds is not None:
            # A chunk also has to be decoded and written.
            in_chunk = now - self._chunk_start
            next_chunk_in = max(next_chunk_in, self._chunk_seconds - in_chunk)
        self.per_chunk = self._chunk_seconds or step.num_steps * self.per_step
        num_left = self._num_chunks - step.chunk_index - 1
        return next_chunk_in, next_chunk_in + num_left * self.per_chunk

    def chunk_done(self, now: float) -> None:
        # The first chunk is unlike the others: the second one replaces its measurement.
        previous = self._chunk_seconds if self._num_done > 1 else None
        self._chunk_seconds = _smooth(previous, now - self._chunk_start)
        self._num_done += 1
        self._chunk_start = now
        self._last_step = None


@dataclass(slots=True)
class VideoProgress:
    """One track of a run: its estimator, and the time that was spent on it."""

    num_chunks: int
    estimator: EtaEstimator
    seconds: float = 0.0  # of work on this track alone
    remaining: float = 0.0  # seconds of work, as its estimator says
    latest: Progress | None = None  # None before its first step, and once it is complete


class ProgressTracker:
    """Turns the steps and chunks of a run into Progress events with estimates for each track.

    Args:
        stopwatch: of the work on this run.
    """

    def __init__(self, settings: RunSettings, stopwatch: Stopwatch):
        self.elapsed = stopwatch.total  # at the newest step or chunk
        self._settings = settings
        self._stopwatch = stopwatch
        self._tracks = {"preview": _new_track(settings.config.num_chunks)}
        if settings.active_refiner is not None:
            num_chunks = settings.active_refiner.num_chunks(settings.num_frames)
            self._tracks["refined"] = _new_track(num_chunks)

    def step_done(self, step: StepDone) -> list[Progress]:
        """The progress of every track that has started; last the one that made the step."""
        track = track_of(step.stage)
        active, other = self._tracks[track], self._other(track)
        self._count(active)
        next_chunk_in, active.remaining = active.estimator.step_done(step, active.seconds)
        active.latest = Progress(
            stage=step.stage,
            chunk_index=step.chunk_index,
            num_chunks=active.num_chunks,
            step=step.step,
            num_steps=step.num_steps,
            elapsed=self.elapsed,
            next_chunk_in=next_chunk_in,
            eta=self._eta(track),
            step_seconds=active.estimator.per_step,
            memory=step.memory,
            is_gpu=step.is_gpu,
            picture=step.picture,
        )
        if other is None or other.latest is None:
            return [active.latest]
        other.latest = replace(
            other.latest,
            elapsed=self.elapsed,
            next_chunk_in=next_chunk_in + self._until_next_chunk(other.latest, active.latest),
            eta=self._eta(other.latest.track),
        )
        return [other.latest, active.latest]

    def chunk_done(self, chunk: Chunk) -> None:
        """Counts a chunk whose files are written."""
        track = self._tracks[track_of(chunk.stage)]
        self._count(track)
        track.estimator.chunk_done(track.seconds)
        if chunk.index + 1 >= track.num_chunks:
            track.latest = None
        elif track.latest is not None:
            track.latest = replace(track.latest, chunk_index=chunk.index + 1, step=0, picture=None)

    def _eta(self, track: Track) -> float:
        this, other = self._tracks[track], self._other(track)
        if other is None:
            return this.remaining
        # The refined track is complete last, the preview one refined chunk earlier.
        before = other.remaining
        if track == "preview":
            before -= other.estimator.per_chunk
        return this.remaining + max(0.0, before)

    def _until_next_chunk(self, waiting: Progress, active: Progress) -> float:
        """Seconds until a track that waits has its next chunk, after the active track's chunk."""
        chunking, refiner = self._settings.chunking, self._settings.active_refiner
        if refiner is None:
            return 0.0
        if waiting.track == "refined":
            # The last chunk of the preview that the refined chunk reads.
            needed = refiner.chunking.num_frames(waiting.chunk_index + 1)
            last = chunking.chunk_at(min(needed, self._settings.num_frames) - 1)
        else:
            # The preview continues when the refined chunks that its frames complete are done.
            next_frame = chunking.num_frames(waiting.chunk_index)
            last = refiner.num_chunks(next_frame + 1) - 2
        num_before = max(0, last - active.chunk_index)
        active_track, waiting_track = self._tracks[active.track], self._tracks[waiting.track]
        return num_before * active_track.estimator.per_chunk + waiting_track.estimator.per_chunk

    def _other(self, track: Track) -> VideoProgress | None:
        return self._tracks.get("refined" if track == "preview" else "preview")

    def _count(self, track: VideoProgress) -> None:
        """The time since the last step or chunk was work on this track."""
        now = self._stopwatch.total
        track.seconds += now - self.elapsed
        self.elapsed = now


class ThroughputHistory:
    """How long runs took, to estimate how long those that wait will take."""

    def __init__(self) -> None:
        self._seconds: dict[
            tuple[Any, Any, Any], float
        ] = {}  # per chunk, by what it depends on most

    def learn(self, settings: RunSettings, num_chunks: int, seconds: float) -> None:
        """A run made so many chunks in this time."""
        if num_chunks > 0:
            key = _key(settings)
            self._seconds[key] = _smooth(self._seconds.get(key), seconds / num_chunks)

    def estimate(self, settings: RunSettings, num_chunks: int) -> float | None:
        """Seconds for so many chunks; None if there was no such run yet.

        Also None without any: such a run is only refined, and how long that takes is not known.
        """
        return self.estimate_for(_key(settings), num_chunks) if num_chunks else None

    def estimate_for(self, key: tuple[Any, Any, Any], num_chunks: int) -> float | None:
        """Seconds for so many chunks of runs with this (preset, steps, whether it is refined)."""
        per_chunk = self._seconds.get(key)
        return None if per_chunk is None else per_chunk * num_chunks


def _new_track(num_chunks: int) -> VideoProgress:
    return VideoProgress(num_chunks, EtaEstimator(num_chunks, now=0.0))


def _key(settings: RunSettings) -> tuple[str, int, bool]:
    config = settings.config
    return settings.preset, config.num_inference_steps, config.refine


def _smooth(average: float | None, value: float) -> float:
    return value if average is None else average + SMOOTHING * (value - average)
