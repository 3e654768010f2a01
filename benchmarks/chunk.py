"""Benchmark: how long until there is something to see, how long a chunk takes, how much memory.

    python -m benchmarks.chunk
    python -m benchmarks.chunk | tail -1 | jq .seconds_per_chunk
    python -m benchmarks.chunk --steps 7 4 3    # compared in turns

A table for people, then one line of JSON. Peak memory is measured in processes of their own, for a
short and for a long video: it must not depend on the length.
"""

import argparse
import json
import multiprocessing
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from t2v.device import default_preset
from t2v.events import Chunk
from t2v.generator import Generator
from t2v.media.images import resize
from t2v.media.segments import write_segment
from t2v.settings.presets import find_preset


SHORT_FRAMES, LONG_FRAMES = 24, 400
ROUNDS = 3  # so that a short load on the machine does not decide a median


def measure_speed(preset_name: str, num_chunks: int) -> dict[str, float]:
    """Seconds from an empty process, and per chunk (median; all but the first)."""
    preset = find_preset(preset_name)
    started = time.perf_counter()
    generator = Generator.load(preset, refine=False)
    ready = time.perf_counter() - started

    config = preset.config(prompt=preset.examples[0], num_chunks=num_chunks)
    durations, first_segment = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        before = time.perf_counter()
        for event in generator.stream(config):
            if isinstance(event, Chunk):
                frames = resize(event.frames, preset.display_size)
                segment = Path(folder, f"{event.index}.mp4")
                write_segment(segment, frames, fps=preset.fps)
                durations.append(time.perf_counter() - before)
                first_segment = first_segment or durations[0]
                before = time.perf_counter()
    per_chunk = statistics.median(durations[1:])
    return {
        "seconds_to_ready": ready,
        "seconds_to_first_segment": first_segment,
        "seconds_per_chunk": per_chunk,
        "slowest_chunk": max(durations[1:]),
        "real_time_factor": preset.chunking.new_frames / preset.fps / per_chunk,
    }


def compare_steps(preset_name: str, num_chunks: int, steps: Sequence[int]) -> dict[str, float]:
    """Seconds per chunk with other numbers of denoising steps, and their ratios to the first.

    In turns, one video of each after the other, so that a busy machine slows all of them.
    """
    preset = find_preset(preset_name)
    generator = Generator.load(preset, refine=False)
    durations: dict[int, list[float]] = {number: [] for number in steps}
    for _ in range(ROUNDS):
        for number in steps:
            config = preset.config(
                prompt=preset.examples[0], num_chunks=num_chunks, num_inference_steps=number
            )
            before = 0.0
            for event in generator.stream(config):
                if isinstance(event, Chunk):
                    now = time.perf_counter()
                    if before:
                        durations[number].append(now - before)
                    before = now
    medians = {number: statistics.median(values) for number, values in durations.items()}
    first = medians[steps[0]]
    return {f"seconds_per_chunk_{number}_steps": value for number, value in medians.items()} | {
        f"{number}_steps_over_{steps[0]}": medians[number] / first for number in steps[1:]
    }


def peak_memory(preset_name: str, num_frames: int) -> float:
    """MB that a process of its own used at most for a video of that length."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_peak_memory, (preset_name, num_frames))


def _peak_memory(preset_name: str, num_frames: int) -> float:
    preset = find_preset(preset_name)
    num_chunks = preset.chunking.num_chunks(num_frames)
    config = preset.config(prompt=preset.examples[0], num_chunks=num_chunks)
    for _ in Generator.load(preset, refine=False).stream(config):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default=default_preset()[0].name)
    parser.add_argument("--chunks", type=int, default=12)
    parser.add_argument(
        "--steps", type=int, nargs="+", help="only compare these numbers of denoising steps"
    )
    options = parser.parse_args()

    if options.steps:
        measured = compare_steps(options.preset, options.chunks, options.steps)
    else:
        measured = measure_speed(options.preset, options.chunks) | {
            f"peak_mb_{frames}_frames": peak_memory(options.preset, frames)
            for frames in (SHORT_FRAMES, LONG_FRAMES)
        }
    result = {
        "preset": options.preset,
        **measured,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }
    for name, value in result.items():
        print(f"{name:28}{value:.3f}" if isinstance(value, float) else f"{name:28}{value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
