"""The real page in a real browser, with a painted stream instead of a model."""

import os
import shutil
from pathlib import Path

import jaxtyping
import pytest

from t2v.runs.models import OpenStream
from t2v.runs.worker import Worker
from t2v.settings.presets import Preset
from t2v.ui.auth import OWNER, Access
from t2v.ui.server import launch_page
from t2v.ui.wiring import build_page
from tests.support.browser_steps import SECOND
from tests.support.fakes import PaintedRefiner, PaintingStream, opener, painted_preset


BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# While the browser is open an event loop runs in this thread, so it is closed after each file.
@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        report = pytest.fail if "CI" in os.environ else pytest.skip
        report("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def serve(tmp_path, monkeypatch):
    """Starts the page on a free port; gives (its address, the worker)."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    # Browsers can send anything: our own checks must find it, not those of the test run.
    jaxtyping.config.update("jaxtyping_disable", True)
    started = []

    def start(
        stream: PaintingStream,
        refiner: PaintedRefiner | None = None,
        *,
        is_streaming: bool = True,
        preset: Preset | None = None,
        access: Access | None = None,
        evidence: Path | None = None,
        open_stream: OpenStream | None = None,
    ) -> tuple[str, Worker]:
        worker = Worker(open_stream or opener(stream, refiner), tmp_path / "runs")
        preset = preset or painted_preset()
        page = build_page(
            worker,
            {preset.name: preset},
            preset.name,
            access=access,
            is_streaming=is_streaming,
            evidence=evidence,
        )
        _, url, _ = launch_page(
            page,
            worker,
            host="127.0.0.1",
            access=access or OWNER,
            prevent_thread_lock=True,
            quiet=True,
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
    """Opens a page for a new visitor; the test fails if there are errors in its console."""
    contexts, errors = [], []

    def open_page(url, context=None, button="Generate"):
        if context is None:
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            context.set_default_timeout(60 * SECOND)  # on a machine that does much else
            contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.get_by_role("button", name=button, exact=True).wait_for()
        page.wait_for_function("document.querySelector('#screen')?.offsetHeight > 100")
        page.wait_for_timeout(0.5 * SECOND)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not errors
