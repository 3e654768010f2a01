"""An app in a process of its own, to be killed: python crashing_app.py RUNS_DIR [SECONDS_PER_STEP].

Makes painted videos, or those of the preset that a run names, until a signal ends it.
"""

import sys
import time
from functools import partial
from pathlib import Path

from t2v.cli.ending import closed_on_signal, import_torch, run_and_exit
from t2v.runs.folder import iter_folders
from t2v.runs.worker import Worker
from tests.support.fakes import PaintingStream, opener


def main(runs_dir: Path, seconds_per_step: float) -> int:
    paint = opener(PaintingStream(seconds_per_step))

    def open_stream(preset: str):
        if preset == "painted":
            return paint(preset)
        from t2v.generator import open_stream

        return open_stream(preset)

    if any(folder.read().settings.preset != "painted" for folder in iter_folders(runs_dir)):
        import_torch()
    worker = Worker(open_stream, runs_dir)
    with closed_on_signal(worker.close):
        while worker.queue.live_runs():
            time.sleep(0.02)
    return 0


if __name__ == "__main__":
    seconds_per_step = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
    run_and_exit(partial(main, Path(sys.argv[1]), seconds_per_step))
