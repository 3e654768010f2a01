"""How the app ends: within seconds of being asked to, in order, and without Python's own shutdown.

Python's shutdown runs what libraries have registered (torch alone 200 functions) and then frees
what threads of torch still use. Both have killed the process on a busy machine.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from types import FrameType
from typing import NoReturn


SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_and_exit(main: Callable[[], int]) -> NoReturn:
    """Calls `main`, and ends the process with the exit status that it returns.

    An exception is printed, and the status is 1. SystemExit passes: argparse raises it before
    there are any threads.
    """
    try:
        status = main()
    except Exception:
        traceback.print_exc()
        status = 1
    exit_now(status)


def exit_now(status: int) -> NoReturn:
    """Ends the process. No function registered with `atexit` and no finalizer is called."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(status)


@contextmanager
def closed_on_signal(close: Callable[[], None]) -> Iterator[None]:
    """Calls `close` when the block ends, or on SIGTERM or Ctrl-C, which then end the process.

    A signal raises nothing in the block. The main thread may be anywhere in it, also in code of
    libraries that an exception would leave half done; so another thread waits for the signal.
    """
    signals: SimpleQueue[int | None] = SimpleQueue()  # its `put` is safe in a signal handler

    owner = os.getpid()

    def announce(number: int, _: FrameType | None) -> None:
        if os.getpid() == owner:
            signals.put(number)
        else:  # a forked process, which has no thread that waits
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def close_and_succeed() -> int:
        close()
        return 0

    def wait() -> None:
        if signals.get() is not None:
            run_and_exit(close_and_succeed)

    before = {number: signal.signal(number, announce) for number in SIGNALS}
    threading.Thread(target=wait, name="ending", daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signals.put(None)
        close()


def import_torch() -> None:
    """Imports torch on the calling thread, which has to live as long as the process.

    torch remembers the Python state of the thread that imports it first, and uses it once more
    when that thread ends, after Python has freed it (pybind11 issue 2888). If that thread is the
    worker, the process dies where the memory has got another use by then.
    """
    import torch  # noqa: F401
