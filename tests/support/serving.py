"""The real server, started on a free port of this machine."""

import statistics
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import jaxtyping
import pytest

from t2v.runs.worker import Worker
from t2v.ui.auth import OWNER, Access
from t2v.ui.server import launch_page
from t2v.ui.wiring import build_page


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
    """Give (address, worker) of a page whose runs are in `folder`.

    Gradio's own files are there too, if `cache` is not another place.
    """
    # Programs can send anything: our own checks must find it, not those of the test run.
    jaxtyping.config.update("jaxtyping_disable", True)
    worker = Worker(open_stream, folder / "runs", max_waiting=access.max_waiting)
    page = build_page(worker, presets, next(iter(presets)), access=access)
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
    """Sends a small request to a server again and again, while a test does other things to it."""

    def __init__(self, url: str):
        self.seconds: list[float] = []  # that each answer took
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

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Assert that the server answered all the while.

        Alone, every answer takes less than 0.2 s. On a busy machine they are late through no fault
        of the server, so the limits are those of a server that is stuck.
        """
        assert statistics.median(self.seconds) < 5.0, self.seconds
        assert max(self.seconds) < 20.0, self.seconds
