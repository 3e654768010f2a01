"""Benchmark: chunks per minute of two worker processes against one, on the CPU.

    python -m benchmarks.workers
    python -m benchmarks.workers --pairs 5 --threads 2 | tail -1 | jq .ratio

The same runs are made by one worker process and by two, several times in turn, so that a machine
that is busy with other things is so for both. Every worker has the same number of threads; with one
thread each, two workers use two cores where one uses one. A line for every pair, then one line of
JSON: `ratio` is the median.
"""

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from t2v.runs.executors.processes import Device, ProcessExecutor
from t2v.runs.record import RunSettings
from t2v.runs.worker import Worker
from t2v.settings.presets import find_preset


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--runs", type=int, default=2, help="of each measurement")
    parser.add_argument("--chunks", type=int, default=6, help="of each run")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1, help="of each worker")
    options = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, {options.threads} threads a worker, load {os.getloadavg()[0]:.1f}"
    )
    ratios = []
    for pair in range(options.pairs):
        order = (1, 2) if pair % 2 == 0 else (2, 1)
        rates = {count: chunks_per_minute(count, options) for count in order}
        ratios.append(rates[2] / rates[1])
        print(
            f"one worker {rates[1]:.1f}, two workers {rates[2]:.1f} chunks a minute, "
            f"ratio {ratios[-1]:.2f}, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    print(json.dumps({"ratio": statistics.median(ratios), "ratios": ratios} | vars(options)))


def chunks_per_minute(num_workers: int, options: argparse.Namespace) -> float:
    """Makes the runs with so many workers, whose models are loaded before the clock starts."""
    with TemporaryDirectory() as folder:
        devices = [
            Device(f"CPU {n}", {"OMP_NUM_THREADS": str(options.threads)})
            for n in range(num_workers)
        ]
        command = [sys.executable, "-m", "t2v", "work", "--runs-dir", folder, "--preset", "shapes"]
        executor = ProcessExecutor([*command, "--until-input-ends", "--name"], devices)
        executor.start()
        page = Worker(None, Path(folder), max_waiting=100)
        try:
            # Every worker makes one run first.
            make(page, num_workers, 1, options.steps)
            began = time.monotonic()
            make(page, options.runs, options.chunks, options.steps)
            return 60 * options.runs * options.chunks / (time.monotonic() - began)
        finally:
            page.close()
            executor.close()


def make(page: Worker, num_runs: int, num_chunks: int, steps: int) -> None:
    """Asks for runs, and waits until all are finished."""
    runs = [page.submit(settings(num_chunks, steps, seed)) for seed in range(num_runs)]
    for run_id in runs:
        *_, end = page.watch(run_id)
        if getattr(end, "state", "") != "finished":
            raise RuntimeError(f"a run was not made: {end}")


def settings(num_chunks: int, steps: int, seed: int) -> RunSettings:
    """A run of `shapes`."""
    preset = find_preset("shapes")
    return RunSettings(
        config=preset.config(
            prompt="a red star moving left over black",
            num_chunks=num_chunks,
            num_inference_steps=steps,
            seed=seed,
        ),
        preset=preset.name,
        fps=preset.fps,
        display_size=preset.display_size,
        chunking=preset.chunking,
    )


if __name__ == "__main__":
    main()
