"""Benchmark: how long a viewer waits for an answer while a long video is being joined.

    python -m benchmarks.responsiveness
    python -m benchmarks.responsiveness --chunks 10000 | tail -1 | jq .ratio

A run that waits in the queue is paused, so that its chunks are joined to one file. Meanwhile the
state of the queue is read as every open page reads it. A table for people, then one line of JSON:
`ratio` compares the median of these reads with an idle app.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np

from t2v.events import Event, ResumeState
from t2v.media.segments import write_segment
from t2v.runs.events import SegmentReady
from t2v.runs.folder import RunFolder
from t2v.runs.record import RunSettings
from t2v.runs.worker import Worker
from t2v.settings.chunking import PAPER_CHUNKING
from t2v.settings.config import GenerationConfig


SECONDS_IDLE = 2.0
SECONDS_BETWEEN_LOOKS = 0.002
SIZE = (64, 64)  # pixels of the frames


def measure(num_chunks: int) -> dict[str, float]:
    """Seconds per look at the queue, idle and while `num_chunks` chunks are joined."""
    gate = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(lambda preset: held_stream(gate), Path(folder))
        try:
            held = worker.submit(run_settings(1))  # keeps the worker busy
            run_id = worker.submit(run_settings(num_chunks))
            fill(RunFolder.open(worker.runs_dir, run_id), num_chunks)

            def look() -> None:
                worker.queue.live_events(held)

            idle_end = time.perf_counter() + SECONDS_IDLE
            idle = time_looks(look, lambda: time.perf_counter() < idle_end)
            joining = threading.Thread(target=worker.commands.pause, args=[run_id])
            before = time.perf_counter()
            joining.start()
            busy = time_looks(look, joining.is_alive)
            seconds = time.perf_counter() - before
            if worker.record(run_id).num_frames != PAPER_CHUNKING.num_frames(num_chunks):
                raise RuntimeError("the video was not joined")
        finally:
            gate.set()
            worker.close()
    return {
        "num_chunks": num_chunks,
        "seconds_joining": seconds,
        "looks_while_joining": len(busy),
        "idle_ms": 1000 * statistics.median(idle),
        "joining_ms": 1000 * statistics.median(busy),
        "ratio": statistics.median(busy) / statistics.median(idle),
        "slowest_idle_ms": 1000 * max(idle),
        "slowest_joining_ms": 1000 * max(busy),
    }


def time_looks(look: Callable[[], None], should_continue: Callable[[], bool]) -> list[float]:
    durations = []
    while should_continue():
        before = time.perf_counter()
        look()
        durations.append(time.perf_counter() - before)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    return durations


def held_stream(
    gate: threading.Event,
) -> Callable[[GenerationConfig, ResumeState | None], Generator[Event, None, None]]:
    """A stream that makes nothing until the gate opens."""

    def stream(config: GenerationConfig, start: ResumeState | None) -> Generator[Event, None, None]:
        gate.wait()
        yield from ()

    return stream


def run_settings(num_chunks: int) -> RunSettings:
    config = GenerationConfig(prompt="a red star", num_chunks=num_chunks)
    return RunSettings(config=config, preset="none", fps=8, display_size=SIZE)


def fill(folder: RunFolder, num_chunks: int) -> None:
    """Gives a run all its chunks: files of noise, two in fact, under many names."""
    rng = np.random.default_rng(0)
    for index in range(num_chunks):
        start = PAPER_CHUNKING.num_frames(index)
        num_frames = PAPER_CHUNKING.num_frames(index + 1) - start
        path = folder.segment_path(start)
        if index < 2:
            frames = rng.integers(0, 256, (num_frames, *SIZE, 3), np.uint8)
            write_segment(path, frames, fps=8)
        else:
            os.link(folder.segment_path(PAPER_CHUNKING.num_frames(1)), path)
        folder.append(
            SegmentReady(
                stage="streaming_t2v",
                index=index,
                path=path,
                start_frame=start,
                num_frames=num_frames,
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--chunks", type=int, default=2000)
    result = measure(parser.parse_args().chunks)
    for name, value in result.items():
        print(f"{name:22}{value:12.4g}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
