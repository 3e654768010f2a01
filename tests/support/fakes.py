"""A stream and a refiner without weights: every frame shows its own number."""

import threading
import time
from collections.abc import Generator as Events
from collections.abc import Iterable, Iterator

import numpy as np

from t2v.events import Chunk, Event, Notice, RefinerState, ResumeState, Start, StepDone
from t2v.generator import Generator, stream_function
from t2v.runs.models import OpenStream
from t2v.runs.record import RunSettings
from t2v.runs.worker import Worker
from t2v.settings.chunking import PAPER_CHUNKING
from t2v.settings.config import GenerationConfig, RefinerSettings
from t2v.settings.presets import Preset


CELL = 8  # pixels of one digit of the number: survives yuv420p and resizing
DIGITS = 16  # binary digits in one frame, in a 4x4 grid
REFINER = RefinerSettings(
    frame_size=(64, 64),
    display_size=(96, 96),
    num_inference_steps=3,
    start_timestep=599,
    guidance_scale=1.0,
)


def paint(number: int, seed: int = 0) -> np.ndarray:
    """A 32x32 picture that shows a number (12 bits) and a seed (4 bits) in light and dark cells."""
    bits = [(number >> k) & 1 for k in range(12)] + [(seed >> k) & 1 for k in range(4)]
    cells = np.array(bits, np.uint8).reshape(4, 4) * 200 + 25
    pixels = cells.repeat(CELL, axis=0).repeat(CELL, axis=1)
    return np.stack([pixels] * 3, axis=-1)


def read_number(frame: np.ndarray) -> tuple[int, int]:
    """Reads (number, seed) back from a painted frame of any size."""
    height, width = frame.shape[:2]
    rows = (np.arange(4) * 2 + 1) * height // 8
    columns = (np.arange(4) * 2 + 1) * width // 8
    bits = (frame[np.ix_(rows, columns)][..., 1] > 125).flatten()
    number = sum(int(bit) << k for k, bit in enumerate(bits[:12]))
    return number, sum(int(bit) << k for k, bit in enumerate(bits[12:]))


def read_numbers(frames: np.ndarray) -> list[int]:
    return [read_number(frame)[0] for frame in frames]


class StepGate(threading.Semaphore):
    """A gate that a test opens step by step with `release(n)`. A painted chunk has 4 steps."""

    def __init__(self, num_open: int = 0):
        super().__init__(num_open)

    def wait(self, timeout: float) -> bool:
        return self.acquire(timeout=timeout)

    def open(self) -> None:
        """Opens the gate for all further steps."""
        self.release(10**6)


class PaintingStream:
    """A preset's stream that counts what it does. It can be slow, wait for a test, or fail.

    Args:
        seconds_per_step: how long a denoising step takes.
        gate: if given, every step waits until the gate is open.
        fails_at: index of the chunk that raises `error`.
        start: number of the first frame.
    """

    def __init__(
        self,
        seconds_per_step: float = 0.0,
        gate: threading.Event | StepGate | None = None,
        fails_at: int | None = None,
        error: Exception | None = None,
        start: int = 0,
    ):
        self.start = self._first = start
        self.seconds_per_step = seconds_per_step
        self.gate = gate
        self.fails_at = fails_at
        self.error = error
        self.num_steps_done = 0
        self.num_running = 0
        self.max_running = 0
        self.num_closed = 0
        self.has_begun = threading.Event()

    def __call__(
        self, config: GenerationConfig, start: ResumeState | None = None
    ) -> Events[Event, None, None]:
        if start is None:
            self.start = self._first
        return self._counted(config, start)

    def _counted(
        self, config: GenerationConfig, start: ResumeState | None
    ) -> Events[Event, None, None]:
        self.num_running += 1
        self.max_running = max(self.max_running, self.num_running)
        try:
            yield from self._events(config, start)
        finally:
            self.num_running -= 1
            self.num_closed += 1

    def begin(self, config: GenerationConfig, begins_with: Start) -> Events[Event, None, None]:
        """Counts on from a painted clip, or from a painted picture, which is the first frame."""
        last = read_numbers(begins_with.frames)[-1]
        self.start = last if begins_with.is_image else last + 1
        return self._counted(config, None)

    def _events(self, config: GenerationConfig, start: ResumeState | None) -> Iterator[Event]:
        if "elephant" in config.prompt:
            yield Notice("this model does not know 'elephant'")
        first, number = 0, self.start
        if start is not None:
            # Counts on from the memory alone: a wrong memory shows in every frame after it.
            assert read_number(start.memory.anchor_frame)[0] == self.start
            first, number = start.num_chunks, read_numbers(start.memory.cond_frames)[-1] + 1
        for index in range(first, config.num_chunks):
            stage = "initialization" if index == 0 else "streaming_t2v"
            for step in range(1, config.num_inference_steps + 1):
                self.has_begun.set()
                if self.gate is not None:
                    self.gate.wait(timeout=180)
                time.sleep(self.seconds_per_step)
                self.num_steps_done += 1
                yield StepDone(
                    stage=stage,
                    chunk_index=index,
                    step=step,
                    num_steps=config.num_inference_steps,
                    picture=paint(number),
                    memory=1_500_000_000,
                )
            if index == self.fails_at:
                raise self.error
            start_frame, end = (
                PAPER_CHUNKING.num_frames(index),
                PAPER_CHUNKING.num_frames(index + 1),
            )
            numbers = range(number, number + end - start_frame)
            frames = np.stack([paint(n, config.seed_of(index)) for n in numbers])
            yield Chunk(stage=stage, index=index, start_frame=start_frame, frames=frames)
            number = numbers.stop


class PaintedRefiner:
    """A preset's refiner that reads frames as the real one does, and paints them yellow.

    Args:
        seconds_per_step, fails_at, error, gate: as for PaintingStream.
    """

    def __init__(
        self,
        seconds_per_step: float = 0.0,
        fails_at: int | None = None,
        error: Exception | None = None,
        gate: threading.Event | None = None,
    ):
        self.seconds_per_step = seconds_per_step
        self.gate = gate
        self.fails_at = fails_at
        self.error = error
        self.num_steps_done = 0
        self.num_closed = 0

    def __call__(
        self, pieces: Iterable[np.ndarray], state: RefinerState | None = None
    ) -> Events[Event, None, None]:
        try:
            yield from self._events(iter(pieces), state)
        finally:
            self.num_closed += 1

    def _events(self, pieces: Iterator[np.ndarray], state: RefinerState | None) -> Iterator[Event]:
        index, start, num_wanted, shared = 0, 0, REFINER.chunk_frames, []
        if state is not None:
            index, start = state.num_chunks, state.num_frames - REFINER.overlap
            num_wanted -= REFINER.overlap
            shared = list(np.moveaxis(state.latents[0], 0, -1).astype(np.uint8))
        new = take(pieces, num_wanted)
        while new:
            for step in range(1, REFINER.num_inference_steps + 1):
                if self.gate is not None:
                    self.gate.wait(timeout=30)
                time.sleep(self.seconds_per_step)
                self.num_steps_done += 1
                yield StepDone(
                    stage="refinement",
                    chunk_index=index,
                    step=step,
                    num_steps=REFINER.num_inference_steps,
                )
            if index == self.fails_at:
                raise self.error
            frames = shared + new
            is_last = len(new) < num_wanted
            num_done = len(frames) - (0 if is_last else REFINER.overlap)
            after = None
            if not is_last:
                waiting = np.moveaxis(np.stack(frames[num_done:]), -1, 0)[None].astype(np.float32)
                num_read = start + num_done + REFINER.overlap
                after = RefinerState(
                    num_chunks=index + 1,
                    num_frames=num_read,
                    frame_size=(32, 32),
                    encoded=waiting,
                    latents=waiting,
                    x0s=None,
                )
            yield refined_chunk(index, start, frames[:num_done], after)
            index, start, shared = index + 1, start + num_done, frames[num_done:]
            num_wanted = REFINER.chunk_frames - REFINER.overlap
            new = take(pieces, num_wanted)
        if shared:
            yield refined_chunk(index, start, shared)


YELLOW = np.array([1, 1, 0], np.uint8)


def refined_chunk(
    index: int, start: int, frames: list[np.ndarray], state: RefinerState | None = None
) -> Chunk:
    return Chunk(
        stage="refinement",
        index=index,
        start_frame=start,
        frames=np.stack(frames) * YELLOW,
        refiner=state,
    )


def is_yellow(frames: np.ndarray) -> bool:
    """Whether the frames are from a refined video."""
    return bool(frames[..., 2].mean() < frames[..., 1].mean() / 2)


def take(pieces: Iterator[np.ndarray], num_frames: int) -> list[np.ndarray]:
    """The next frames, fewer at the end; reads no more pieces than that takes."""
    frames = []
    while len(frames) < num_frames and (piece := next(pieces, None)) is not None:
        frames += list(piece)
    return frames


def opener(stream: PaintingStream, refiner: PaintedRefiner | None = None) -> OpenStream:
    """Opens a stream for a worker, with the refiner for runs that refine."""
    refiner = refiner or PaintedRefiner()
    generator = Generator(
        painted_preset(),
        stream,
        lambda: lambda config, pieces, state: refiner(pieces, state),
        getattr(stream, "begin", refuse_start),
    )
    return lambda preset: stream_function(generator)


def refuse_start(config: GenerationConfig, start: Start) -> Events:
    """For generators whose videos begin with text alone."""
    raise AssertionError("a video was begun with an image or a clip")


def settings(**config) -> RunSettings:
    """The settings of a small run; `config` overrides the defaults."""
    defaults = {"prompt": "a red star", "num_chunks": 3, "num_inference_steps": 2, "seed": 5}
    config = GenerationConfig(**defaults | config)
    return RunSettings(
        config=config,
        preset="painted",
        fps=8,
        display_size=(64, 64),
        refiner=REFINER if config.refine else None,
    )


def made(worker: Worker, **config) -> str:
    """Makes such a run to its end; returns its id."""
    run_id = worker.submit(settings(**config))
    list(worker.watch(run_id))
    return run_id


def live_ids(worker: Worker) -> set[str]:
    """The runs that have not ended, as a worker knows them."""
    return {run.folder.id for run in worker.queue.live_runs()}


class PaintedPreset(Preset):
    """A preset that is always available, with its refiner."""

    unavailable = None
    refiner_unavailable = None
    takes_image = True


def painted_preset(kind=PaintedPreset, **values) -> Preset:
    """A preset for the page; `values` override."""
    defaults = {
        "name": "painted",
        "title": "Painted numbers",
        "description": "Every frame says its number. For tests.",
        "weights": "nowhere",
        "frame_size": (32, 32),
        "display_size": (128, 128),
        "fps": 8,
        "examples": ("a red star over the sea", "two blue rings"),
        "defaults": {"num_chunks": 6, "num_inference_steps": 4},
        "refiner": REFINER,
    }
    return kind(**defaults | values)
