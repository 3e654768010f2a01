"""The real page in a real browser, with a painted stream instead of a model."""

import shutil
from pathlib import Path

import jaxtyping
import pytest

from t2v.jobs.worker import Worker
from t2v.ui.launch import launch_page
from t2v.ui.page import build_page
from tests.browser.steps import SECOND
from tests.fakes import PaintedRefiner, PaintingStream, opener, painted_preset


CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# While it is open an event loop runs in this thread: no test of another file may meet it.
@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    executable = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")
    if executable is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Starts the page on a free port; gives (its address, the worker)."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    # Browsers send what they like: our own checks must find it, not those of the test run.
    jaxtyping.config.update("jaxtyping_disable", True)
    started = []

    def start(
        stream: PaintingStream, refiner: PaintedRefiner | None = None, *, is_streaming: bool = True
    ) -> tuple[str, Worker]:
        worker = Worker(opener(stream, refiner), tmp_path / "runs")
        page = build_page(
            worker, {"painted": painted_preset()}, "painted", is_streaming=is_streaming
        )
        _, url, _ = launch_page(
            page, worker, host="127.0.0.1", prevent_thread_lock=True, quiet=True
        )
        started.append((page, worker))
        return url, worker

    yield start
    for page, worker in started:
        worker.close()
        page.close()
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def visit(browser):
    """Opens a page of a visitor of its own and fails the test for errors in its console."""
    contexts, errors = [], []

    def open_page(url, context=None):
        if context is None:
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.get_by_role("button", name="Generate").wait_for()
        page.wait_for_timeout(0.5 * SECOND)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors
