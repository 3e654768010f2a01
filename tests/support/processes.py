"""Programs of the tests in processes of their own, and waiting for what they do."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


ROOT = Path(__file__).parents[2]
PATIENCE = 480  # seconds, on a busy machine


@contextmanager
def started(module: str, *arguments: object, **environment: str) -> Iterator[subprocess.Popen]:
    """A module of `tests.support` as a program; it is killed when the block ends."""
    command = [sys.executable, "-m", f"tests.support.{module}", *map(str, arguments)]
    # One thread: on a busy machine, several mostly wait for each other, and how many there are may
    # change how kernels round.
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    program = subprocess.Popen(command, cwd=ROOT, env=os.environ | own)
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def finish(runs_dir: Path, patience: float = PATIENCE, **environment: str) -> None:
    """Lets an app make all runs of a folder to their ends."""
    with started("crashing_app", runs_dir, **environment) as app:
        assert app.wait(patience) == 0


def wait_until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Waits for something that another thread or process does."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)
