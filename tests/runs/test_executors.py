"""Processes that make runs: started, started again, and ended with their app."""

import os
import signal
import subprocess
import sys
import time

import pytest

from t2v.runs.executors.processes import Device, ProcessExecutor, cpu_devices, gpu_devices
from tests.support.processes import wait_until


SAY_AND_WAIT = (
    "import os, sys, pathlib;"
    "pathlib.Path(sys.argv[1], str(os.getpid())).write_text("
    "    sys.argv[2] + ' ' + os.environ.get('CUDA_VISIBLE_DEVICES', ''));"
    "sys.stdin.read()"
)


def said(folder):
    return {int(path.name): path.read_text() for path in folder.iterdir() if path.read_text()}


@pytest.fixture
def executor(tmp_path):
    command = [sys.executable, "-c", SAY_AND_WAIT, str(tmp_path)]
    executor = ProcessExecutor(command, gpu_devices(["0", "3"]))
    executor.start()
    yield executor
    executor.close()


def test_every_device_has_a_process_that_sees_no_other(executor, tmp_path):
    wait_until(lambda: len(said(tmp_path)) == 2)
    assert sorted(said(tmp_path).values()) == ["GPU 0 0", "GPU 3 3"]
    assert set(said(tmp_path)) == set(executor.pids())


def test_a_process_that_ends_is_started_again(executor, tmp_path):
    wait_until(lambda: len(said(tmp_path)) == 2)
    first, other = executor.pids()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: len(said(tmp_path)) == 3)
    assert executor.pids()[1] == other
    assert said(tmp_path)[executor.pids()[0]] == "GPU 0 0"


def test_processes_end_with_the_app_also_if_it_is_killed(tmp_path):
    code = (
        "import sys, time; from t2v.runs.executors.processes import *;"
        "e = ProcessExecutor([sys.executable, '-c', sys.argv[1], sys.argv[2]], cpu_devices(2));"
        "e.start(); print(*e.pids(), flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, SAY_AND_WAIT, str(tmp_path)], stdout=subprocess.PIPE
    ) as app:
        children = [int(pid) for pid in app.stdout.readline().split()]
        wait_until(lambda: len(said(tmp_path)) == 2)
        app.kill()
    wait_until(lambda: not any(is_running(pid) for pid in children))


def is_running(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_processes_share_the_threads_of_the_machine(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    devices = cpu_devices(3)
    assert [device.name for device in devices] == ["CPU 0", "CPU 1", "CPU 2"]
    assert {device.environment["OMP_NUM_THREADS"] for device in devices} == {"2"}
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert "OMP_NUM_THREADS" not in cpu_devices(2)[0].environment


def test_a_process_that_does_not_end_is_killed():
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    executor = ProcessExecutor([sys.executable, "-c", stubborn], [Device("CPU 0")])
    executor.start()
    time.sleep(0.3)
    [pid] = executor.pids()
    executor.close(timeout=0.2)
    assert not is_running(pid)
