"""An app in a process of its own, to be killed: python killed.py RUNS_DIR [SECONDS_PER_STEP].

Makes painted videos, or those of the preset that a run names, until it is told to end.
"""

import signal
import sys
import time
from pathlib import Path

from t2v.jobs.worker import Worker
from tests.fakes import PaintingStream, opener


def main(runs_dir: Path, seconds_per_step: float) -> None:
    paint = opener(PaintingStream(seconds_per_step))

    def open_stream(preset: str):
        if preset == "painted":
            return paint(preset)
        from app import open_stream

        return open_stream(preset)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    worker = Worker(open_stream, runs_dir)
    try:
        while worker.line.live_ids():
            time.sleep(0.02)
    finally:
        worker.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0)
