"""Benchmark: how long until there is something to see, how long a chunk takes, how much memory.

    python -m benchmarks.chunk
    python -m benchmarks.chunk | tail -1 | jq .seconds_per_chunk

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
from pathlib import Path

import torch

from t2v.device import default_preset
from t2v.events import Chunk
from t2v.generator import Generator
from t2v.media.images import resize
from t2v.media.segments import write_segment
from t2v.settings.presets import find_preset


SHORT_FRAMES, LONG_FRAMES = 24, 400


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
    options = parser.parse_args()

    result = {
        "preset": options.preset,
        **measure_speed(options.preset, options.chunks),
        f"peak_mb_{SHORT_FRAMES}_frames": peak_memory(options.preset, SHORT_FRAMES),
        f"peak_mb_{LONG_FRAMES}_frames": peak_memory(options.preset, LONG_FRAMES),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    for name, value in result.items():
        print(f"{name:28}{value:.3f}" if isinstance(value, float) else f"{name:28}{value}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
