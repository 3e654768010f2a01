"""How long it took, and how long it will take."""

import time

from t2v.events import StepDone
from t2v.jobs.run_folder import RunSettings


SMOOTHING = 0.3  # weight of the newest measurement


class Stopwatch:
    """Seconds of work on a run.

    Args:
        before: what its earlier turns on the device took.
    """

    def __init__(self, before: float):
        self._before = before
        self._began = time.monotonic()

    @property
    def turn(self) -> float:
        return time.monotonic() - self._began

    @property
    def total(self) -> float:
        return self._before + self.turn


class Pace:
    """Estimates from the steps and chunks of this run. All times are seconds on one clock."""

    def __init__(self, num_chunks: int, now: float):
        self.per_chunk = 0.0  # seconds; 0 as long as nothing is known
        self.per_step = 0.0
        self._num_chunks = num_chunks
        self._num_done = 0
        self._chunk_start = now
        self._last_step = None
        self._chunk_seconds = None

    def step_done(self, step: StepDone, now: float) -> tuple[float, float]:
        """Returns the time until the next chunk, and until the end."""
        before = self._chunk_start if self._last_step is None else self._last_step
        self.per_step = _smooth(self.per_step or None, now - before)
        self._last_step = now

        next_chunk_in = (step.num_steps - step.step) * self.per_step
        if self._chunk_seconds is not None:
            # Decoding and writing belong to a chunk, too.
            in_chunk = now - self._chunk_start
            next_chunk_in = max(next_chunk_in, self._chunk_seconds - in_chunk)
        self.per_chunk = self._chunk_seconds or step.num_steps * self.per_step
        num_left = self._num_chunks - step.chunk_index - 1
        return next_chunk_in, next_chunk_in + num_left * self.per_chunk

    def chunk_done(self, now: float) -> None:
        # The first chunk is unlike the others: the second one replaces what it said.
        previous = self._chunk_seconds if self._num_done > 1 else None
        self._chunk_seconds = _smooth(previous, now - self._chunk_start)
        self._num_done += 1
        self._chunk_start = now
        self._last_step = None


class Experience:
    """What runs took so far, to say how long those that wait will take."""

    def __init__(self):
        self._seconds = {}  # a chunk, by what it depends on most

    def learn(self, settings: RunSettings, num_chunks: int, seconds: float) -> None:
        """A run made so many chunks in this time."""
        if num_chunks > 0:
            key = _kind(settings)
            self._seconds[key] = _smooth(self._seconds.get(key), seconds / num_chunks)

    def expect(self, settings: RunSettings, num_chunks: int) -> float | None:
        """Seconds for so many chunks; None if there was no such run yet."""
        per_chunk = self._seconds.get(_kind(settings))
        return None if per_chunk is None else per_chunk * num_chunks


def _kind(settings: RunSettings) -> tuple:
    config = settings.config
    return settings.preset, config.num_inference_steps, config.refine


def _smooth(average: float | None, value: float) -> float:
    return value if average is None else average + SMOOTHING * (value - average)
