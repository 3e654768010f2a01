"""The end of the app's process: exit status, order, and nothing that runs after it."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from t2v.cli.ending import closed_on_signal
from t2v.runs.worker import Worker
from tests.support.fakes import PaintingStream, opener


HEAD = """
import atexit, os, signal, sys, threading, time, weakref
from t2v.cli.ending import *
"""


@pytest.fixture
def start():
    """Starts programs that have imported the module; none outlives its test."""
    processes = []

    def start(code, **options):
        command = [sys.executable, "-c", HEAD + textwrap.dedent(code)]
        process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, **options)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_the_exit_status_is_that_of_the_program_and_nothing_runs_after_it(start):
    code = """
        class Model:
            pass

        def main():
            global model
            model = Model()
            weakref.finalize(model, print, "finalizer")
            atexit.register(print, "atexit")
            threading.Thread(target=time.sleep, args=(60,)).start()
            print("main", end="")
            return 3

        run_and_exit(main)
    """
    process = start(code)
    assert process.communicate(timeout=30)[0] == "main"
    assert process.returncode == 3


def test_an_unexpected_exception_is_printed_and_the_status_is_1(start):
    code = """
        def main():
            raise RuntimeError("broken")

        run_and_exit(main)
    """
    process = start(code, stderr=subprocess.PIPE)
    assert "RuntimeError: broken" in process.communicate(timeout=30)[1]
    assert process.returncode == 1


def test_output_that_nobody_reads_does_not_change_the_status(start):
    process = start("sys.stdout = open('/dev/full', 'w')\nprint('x')\nexit_now(0)")
    assert process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_and_ends_without_raising_anything_in_the_main_thread(start, number):
    code = """
        def main():
            with closed_on_signal(lambda: print("closed")):
                print("ready", flush=True)
                try:
                    while True:
                        time.sleep(0.01)
                except BaseException:
                    print("raised", flush=True)
                    raise
            return 1

        atexit.register(print, "atexit")
        run_and_exit(main)
    """
    process = start(code)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.communicate(timeout=30)[0] == "closed\n"
    assert process.returncode == 0


def test_a_signal_ends_a_forked_process_which_closes_nothing(start):
    code = """
        def main():
            with closed_on_signal(lambda: print("closed", os.getpid() == parent)):
                ready, answer = os.pipe()
                child = os.fork()
                if not child:
                    os.write(answer, b"x")  # Python forgets signals that come before this
                    time.sleep(60)
                    os._exit(7)  # without its signal, it must not send one to everybody
                os.read(ready, 1)
                os.kill(child, signal.SIGTERM)
                print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            return 0

        parent = os.getpid()
        run_and_exit(main)
    """
    process = start(code)
    assert process.communicate(timeout=30)[0].split() == ["-15", "closed", "True"]
    assert process.returncode == 0


def test_a_close_that_fails_is_printed_and_the_status_is_1(start):
    code = """
        def main():
            with closed_on_signal(lambda: 1 / 0):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)

        run_and_exit(main)
    """
    process = start(code, stderr=subprocess.PIPE)
    assert "ZeroDivisionError" in process.communicate(timeout=30)[1]
    assert process.returncode == 1


def test_a_block_that_ends_by_itself_closes_once_and_restores_the_signals():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    closed = []
    with closed_on_signal(lambda: closed.append(True)):
        assert signal.getsignal(signal.SIGTERM) != before[signal.SIGTERM]
        assert not closed
    assert closed == [True]
    assert {number: signal.getsignal(number) for number in before} == before
    end = time.monotonic() + 10
    while any(thread.name == "ending" for thread in threading.enumerate()):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="delays the end of a thread with glibc")
def test_a_thread_that_used_torch_ends_without_the_memory_that_python_has_freed(start):
    """Without `import_torch` in its second line, this program dies by a segmentation fault."""
    code = """
        import ctypes
        import_torch()
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        ctypes.pythonapi.PyThreadState_Get.restype = ctypes.c_void_p

        def work():
            global state
            import torch
            torch._C._stash_obj_in_tls("longtake", object())
            state = ctypes.pythonapi.PyThreadState_Get()
            # The destructors of a thread run in reverse: this one holds up those of torch.
            delay, arguments = libc.usleep, (ctypes.c_void_p(3_000_000), ctypes.c_void_p(0))
            libc.__cxa_thread_atexit_impl(delay, *arguments)

        num_threads = len(os.listdir("/proc/self/task"))
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        time.sleep(0.5)
        is_reused = False
        for size in range(16, 800, 16):
            for _ in range(500):  # whatever else asks for memory now
                block = ctypes.c_void_p(libc.malloc(size))
                length = libc.malloc_usable_size(block)
                ctypes.memset(block, 0x41, length)
                is_reused |= block.value <= state < block.value + length
        assert is_reused, "the memory of the thread's state was not freed: this tests nothing"
        while len(os.listdir("/proc/self/task")) > num_threads:
            time.sleep(0.05)
        exit_now(0)
    """
    # glibc else keeps the memory for the thread that has freed it, until that has ended, if it can.
    environment = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0", "OMP_NUM_THREADS": "1"}
    process = start(code, env=os.environ | environment)
    assert process.wait(120) == 0


@pytest.mark.parametrize("ends_process", [False, True])
def test_the_thread_that_has_computed_ends_with_the_process_alone(tmp_path, ends_process):
    """Where the process goes on, it ends with its worker; see `Maker.stay`."""
    before = set(threading.enumerate())
    worker = Worker(opener(PaintingStream()), tmp_path)
    worker.close(ends_process=ends_process)
    left = [thread.name for thread in set(threading.enumerate()) - before]
    assert left == ["worker"] * ends_process
