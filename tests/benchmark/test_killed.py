"""A benchmark that is killed with -9, again and again, and the same command that goes on."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tests.support.processes import PATIENCE, ROOT, wait_until


OPTIONS = ["--arms", "cam,frozen", "--prompts", "2", "--chunks", "3", "--quick"]


@contextmanager
def benchmark(out):
    command = [sys.executable, "-m", "t2v", "benchmark", "context", *OPTIONS, "--out", str(out)]
    own = {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | own, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def finish(out):
    with benchmark(out) as process:
        assert process.wait(PATIENCE) == 0
    return json.loads((out / "context" / "report.json").read_text())


@pytest.mark.slow
def test_a_benchmark_killed_at_several_moments_says_what_an_undisturbed_one_says(tmp_path):
    killed = tmp_path / "killed"
    for pattern in ("first/*.npy", "videos/*/cam/.*", "videos/*/frozen/*.npy", "measures/*/cam/*"):
        with benchmark(killed):
            wait_until(lambda pattern=pattern: list(killed.glob(pattern)))
    whole, gone_on = finish(tmp_path / "whole"), finish(killed)
    assert gone_on["metrics"] == whole["metrics"]
    assert gone_on["criteria"] == whole["criteria"]
    assert not list(killed.rglob("*.part"))
