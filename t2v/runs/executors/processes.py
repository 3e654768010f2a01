"""Executors on this machine: one process for each GPU, or several on the CPU."""

import logging
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field


MAX_PAUSE = 60.0  # seconds between two starts of a process that ends at once
SOON = 20.0  # seconds: a process that ends sooner than this failed to start

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Device:
    """What one process makes runs with.

    Attributes:
        name: for people: "GPU 0".
        environment: variables that show the process this device and no other.
    """

    name: str
    environment: dict[str, str] = field(default_factory=dict)


def gpu_devices(numbers: Sequence[str]) -> list[Device]:
    """One device for each GPU; several processes must not share one."""
    return [Device(f"GPU {number}", {"CUDA_VISIBLE_DEVICES": number}) for number in numbers]


def cpu_devices(count: int) -> list[Device]:
    """Equal parts of the processor. More threads than cores only wait for each other."""
    threads = str(max(1, (os.cpu_count() or 1) // count))
    environment = {"CUDA_VISIBLE_DEVICES": "-1"}
    if "OMP_NUM_THREADS" not in os.environ:
        environment["OMP_NUM_THREADS"] = threads
    return [Device(f"CPU {number}", environment) for number in range(count)]


class ProcessExecutor:
    """Runs one process for each device, and starts those again that end.

    Args:
        command: the program that makes runs until its input ends or it gets SIGTERM. The name of
            the device is added to its arguments.
    """

    def __init__(self, command: Sequence[str], devices: Sequence[Device]):
        self._children = [Child([*command, device.name], device) for device in devices]
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="executors", daemon=True)

    def start(self) -> None:
        for child in self._children:
            child.start()
        self._thread.start()

    def close(self, timeout: float = 8.0) -> None:
        self._is_closed.set()
        if self._thread.is_alive():
            self._thread.join()
        end = time.monotonic() + timeout
        for child in self._children:
            child.ask_to_end()
        for child in self._children:
            child.end(max(0.0, end - time.monotonic()))

    def pids(self) -> list[int]:
        """The numbers of the processes, one for each device."""
        return [child.pid for child in self._children]

    def _watch(self) -> None:
        while not self._is_closed.wait(0.5):
            for child in self._children:
                child.start_again_if_ended()


class Child:
    """One process that makes runs.

    Its input is a pipe from here: when this process ends, however it ends, the input ends too.
    """

    def __init__(self, command: Sequence[str], device: Device):
        self._command = command
        self._device = device
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._pause = 0.0  # before the next start
        self._ended: float | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    def start(self) -> None:
        self._started, self._ended = time.monotonic(), None
        environment = os.environ | self._device.environment
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, env=environment)

    def start_again_if_ended(self) -> None:
        """Starts a process again that has ended; after a pause if that happens again and again."""
        if self._process is None or self._process.poll() is None:
            return
        now = time.monotonic()
        if self._ended is None:
            self._ended = now
            failed = now - self._started < SOON
            self._pause = min(MAX_PAUSE, 2 * self._pause + 1) if failed else 0.0
            log.warning(
                "the process of %s ended with status %s; it starts again in %.0f s",
                self._device.name,
                self._process.returncode,
                self._pause,
            )
        if now - self._ended >= self._pause:
            self._close_input()
            self.start()

    def ask_to_end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def end(self, timeout: float) -> None:
        if self._process is None:
            return
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close_input()

    def _close_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
