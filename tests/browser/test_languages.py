"""The page in the language of the browser."""

import pytest

from tests.support.browser_steps import SECOND, wait_for_state
from tests.support.fakes import PaintingStream


pytestmark = pytest.mark.browser


@pytest.fixture
def visit_in(browser, visit):
    """Opens the page in a browser of a language."""
    contexts = []

    def open_page(url, language, button):
        context = browser.new_context(locale=language, viewport={"width": 1280, "height": 900})
        context.set_default_timeout(60 * SECOND)
        contexts.append(context)
        return visit(url, context, button=button)

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize(
    ("browser_language", "page_language", "texts"),
    [
        (
            "zh-CN",
            "zh-CN",
            {
                "prompt": "提示词",
                "generate": "生成",
                "chunks": "片段数",
                "made": ("已完成", "视频长 3.0 秒", "24 帧，用时"),
                "error": "“片段数”须为 1 到 10000 之间的整数，收到的是 0",
            },
        ),
        (
            "de-DE",
            "en",
            {
                "prompt": "Prompt",
                "generate": "Generate",
                "chunks": "Chunks",
                "made": ("Finished", "3.0 s of video", "24 frames, made in"),
                "error": "Chunks must be a whole number from 1 to 10000, got 0",
            },
        ),
    ],
)
def test_the_page_speaks_the_language_of_the_browser(
    serve, visit_in, browser_language, page_language, texts
):
    url, _ = serve(PaintingStream())
    page = visit_in(url, browser_language, texts["generate"])
    page.get_by_label(texts["prompt"], exact=True).fill("a red star")
    chunks = page.get_by_label(texts["chunks"], exact=True)
    chunks.fill("2")
    generate = page.get_by_role("button", name=texts["generate"], exact=True)
    generate.click()
    wait_for_state(page, "finished")
    status = page.locator("#status").inner_text()
    for text in texts["made"]:
        assert text in status

    chunks.fill("0")
    page.wait_for_timeout(1 * SECOND)  # a double click would be ignored
    generate.click()
    page.locator(".toast-body", has_text=texts["error"]).wait_for()
    assert page.evaluate("document.documentElement.lang") == page_language
