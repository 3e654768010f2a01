"""A worker in a process of its own, to be killed: worker_process.py RUNS_DIR STEP LEASE KIND.

Makes the runs of a folder until a signal ends it.

    STEP     seconds of a painted denoising step
    LEASE    seconds without a sign of life, until another worker takes over
    KIND     "painted", or "real" for the preset that a run names
"""

import sys
import threading
from functools import partial
from pathlib import Path

from t2v.cli.ending import closed_on_signal, import_torch, run_and_exit
from t2v.generator import open_stream
from t2v.runs.worker import Worker
from tests.support.fakes import PaintingStream, opener


def main(runs_dir: Path, seconds_per_step: float, lease_seconds: float, kind: str) -> int:
    open_preset = opener(PaintingStream(seconds_per_step))
    if kind == "real":
        import_torch()
        open_preset = open_stream
    worker = Worker(open_preset, runs_dir, name="a process", lease_seconds=lease_seconds)
    with closed_on_signal(worker.close):
        threading.Event().wait()
    return 0


if __name__ == "__main__":
    runs_dir, seconds_per_step, lease_seconds, kind = sys.argv[1:]
    run_and_exit(partial(main, Path(runs_dir), float(seconds_per_step), float(lease_seconds), kind))
