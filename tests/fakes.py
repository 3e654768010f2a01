"""A stream and a refiner without weights: every frame is painted with its own number."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from t2v.config import (
    CHUNK_FRAMES,
    NUM_NEW_FRAMES,
    GenerationConfig,
    RefinerSettings,
    first_frame_of,
)
from t2v.events import Chunk, Event, Notice, StepDone
from t2v.jobs.run_folder import RunSettings
from t2v.jobs.worker import Worker
from t2v.pipeline.turns import take_turns
from t2v.presets import Preset
from t2v.state import RefinerState, Start


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
    """A 32x32 picture that says its number (12 bits) and seed (4 bits) in light and dark cells."""
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


class PaintingStream:
    """Calls like a preset's stream; counts what it does and can be made slow, held or broken.

    Args:
        seconds_per_step: how long a denoising step takes.
        gate: when given, every step waits until the gate is open.
        fails_at: number of the chunk that raises `error` instead of being made.
    """

    def __init__(
        self,
        seconds_per_step: float = 0.0,
        gate: threading.Event | None = None,
        fails_at: int | None = None,
        error: Exception | None = None,
    ):
        self.seconds_per_step = seconds_per_step
        self.gate = gate
        self.fails_at = fails_at
        self.error = error
        self.num_steps_done = 0
        self.num_running = 0
        self.max_running = 0
        self.num_closed = 0
        self.has_begun = threading.Event()

    def __call__(self, config: GenerationConfig, start: Start | None = None) -> Iterator[Event]:
        self.num_running += 1
        self.max_running = max(self.max_running, self.num_running)
        try:
            yield from self._events(config, start)
        finally:
            self.num_running -= 1
            self.num_closed += 1

    def _events(self, config: GenerationConfig, start: Start | None) -> Iterator[Event]:
        if "elephant" in config.prompt:
            yield Notice("this model does not know 'elephant'")
        first, number = 0, 0
        if start is not None:
            # Goes on counting from the memory alone: a wrong one is seen in every frame after.
            assert read_number(start.memory.anchor_frame)[0] == 0
            first, number = start.num_chunks, read_numbers(start.memory.cond_frames)[-1] + 1
        for index in range(first, config.num_chunks):
            stage = "initialization" if index == 0 else "streaming_t2v"
            for step in range(1, config.num_inference_steps + 1):
                self.has_begun.set()
                if self.gate is not None:
                    self.gate.wait(timeout=30)
                time.sleep(self.seconds_per_step)
                self.num_steps_done += 1
                place = stage, index, step, config.num_inference_steps
                yield StepDone(*place, paint(number), memory=1_500_000_000)
            if index == self.fails_at:
                raise self.error
            num_frames = CHUNK_FRAMES if index == 0 else NUM_NEW_FRAMES
            numbers = range(number, number + num_frames)
            seed = config.seed_of(index)
            yield Chunk(
                stage, index, first_frame_of(index), np.stack([paint(n, seed) for n in numbers])
            )
            number += num_frames


class PaintedRefiner:
    """Calls like a preset's refiner, and asks for frames as it does; paints them yellow.

    Args:
        seconds_per_step, fails_at, error: as for PaintingStream.
    """

    def __init__(
        self,
        seconds_per_step: float = 0.0,
        fails_at: int | None = None,
        error: Exception | None = None,
    ):
        self.seconds_per_step = seconds_per_step
        self.fails_at = fails_at
        self.error = error
        self.num_steps_done = 0
        self.num_closed = 0

    def __call__(
        self, pieces: Iterable[np.ndarray], state: RefinerState | None = None
    ) -> Iterator[Event]:
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
                time.sleep(self.seconds_per_step)
                self.num_steps_done += 1
                yield StepDone("refinement", index, step, REFINER.num_inference_steps)
            if index == self.fails_at:
                raise self.error
            frames = shared + new
            is_last = len(new) < num_wanted
            num_done = len(frames) - (0 if is_last else REFINER.overlap)
            after = None
            if not is_last:
                waiting = np.moveaxis(np.stack(frames[num_done:]), -1, 0)[None].astype(np.float32)
                num_read = start + num_done + REFINER.overlap
                after = RefinerState(index + 1, num_read, (32, 32), waiting, waiting, None)
            done = np.stack(frames[:num_done]) * YELLOW
            yield Chunk("refinement", index, start, done, after)
            index, start, shared = index + 1, start + num_done, frames[num_done:]
            num_wanted = REFINER.chunk_frames - REFINER.overlap
            new = take(pieces, num_wanted)
        if shared:
            yield Chunk("refinement", index, start, np.stack(shared) * YELLOW)


YELLOW = np.array([1, 1, 0], np.uint8)


def is_yellow(frames: np.ndarray) -> bool:
    """Whether they are a refined video's."""
    return bool(frames[..., 2].mean() < frames[..., 1].mean() / 2)


def take(pieces: Iterator[np.ndarray], num_frames: int) -> list[np.ndarray]:
    """So many frames or, at the end, those that are left; asks for no piece too many."""
    frames = []
    while len(frames) < num_frames and (piece := next(pieces, None)) is not None:
        frames += list(piece)
    return frames


def opener(
    stream: PaintingStream, refiner: PaintedRefiner | None = None
) -> Callable[[str], Callable[[GenerationConfig], Iterator[Event]]]:
    """What a worker opens: the stream, followed by the refiner where a run wants it."""
    refiner = refiner or PaintedRefiner()

    def make(config: GenerationConfig, start: Start | None = None) -> Iterator[Event]:
        preview = stream(config, start)
        if not config.refine:
            return preview
        refine = partial(refiner, state=start and start.refiner)
        return take_turns(preview, refine, REFINER, start)

    return lambda preset: make


def settings(**config) -> RunSettings:
    """A small run; `config` overrides what it asks for."""
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
    """The id of such a run, which has ended."""
    run_id = worker.submit(settings(**config))
    list(worker.watch(run_id))
    return run_id


class PaintedPreset(Preset):
    """A preset that is always available, with its refiner."""

    unavailable = None
    refiner_unavailable = None


def painted_preset(kind=PaintedPreset, **values) -> Preset:
    """What the page needs of a preset; `values` override."""
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
