"""The real server, started on a free port of this machine."""

import statistics
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import jaxtyping
import pytest

from t2v.jobs.worker import Worker
from t2v.ui.access import OWNER, Access
from t2v.ui.launch import launch_page
from t2v.ui.page import build_page


@contextmanager
def serving(
    open_stream,
    presets,
    folder: Path,
    access: Access = OWNER,
    *,
    cache: Path | str | None = None,
    **options,
):
    """Gives (address, worker) of a page whose runs are in `folder`; there, too, is what Gradio
    keeps, if `cache` is not another place."""
    # Programs send what they like: our own checks must find it, not those of the test run.
    jaxtyping.config.update("jaxtyping_disable", True)
    worker = Worker(open_stream, folder / "runs", max_waiting=access.max_waiting)
    page = build_page(
        worker,
        presets,
        next(iter(presets)),
        max_chunks=access.max_chunks,
        sees_all_runs=access.sees_all_runs,
    )
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GRADIO_TEMP_DIR", str(cache or folder / "gradio"))
            patch.setenv("no_proxy", "localhost,127.0.0.1")
            _, url, _ = launch_page(
                page,
                worker,
                host="127.0.0.1",
                access=access,
                prevent_thread_lock=True,
                quiet=True,
                **options,
            )
            yield url, worker
    finally:
        worker.close()
        page.close()
        jaxtyping.config.update("jaxtyping_disable", False)


class Pulse:
    """Asks a server for something small, again and again, while other things happen to it."""

    def __init__(self, url: str):
        self.seconds = []  # that answers took
        self._url = f"{url}gradio_api/app_id"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def _ask(self) -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            while True:
                began = time.monotonic()
                client.get(self._url).raise_for_status()
                self.seconds.append(time.monotonic() - began)
                if self._stop.wait(0.05):
                    return

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """The server answers within a second. Beside other programs on two cores single answers
        are late through no fault of its own: so this holds for their median, and five seconds for
        every one. Alone, all take less than 0.2 s."""
        assert statistics.median(self.seconds) < 1.0
        assert max(self.seconds) < 5.0
