"""The page has no violation of ours that axe-core finds, in its states, wide and narrow."""

import os
import shutil
from pathlib import Path

import pytest

from t2v.settings.presets import named_preset
from tests.support.browser_steps import SECOND, ask, open_settings, wait_for_state
from tests.support.fakes import PaintingStream, StepGate


pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
VIOLATIONS = """async () => {
  const { violations } = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  });
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, html }) => [id, target.flat().join(" "), html.slice(0, 160)])
  );
}"""
# Gradio's own: the rule, and a part of the address of its element.
GRADIO = {
    ("aria-prohibited-attr", "unpadded_box"),  # what an empty component says of itself
    ("label-content-name-mismatch", ".upload-container"),
}


def found(page) -> list[tuple[str, str, str]]:
    page.wait_for_timeout(1.2 * SECOND)  # names are given once a second
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=AXE)
    return [tuple(one) for one in page.evaluate(VIOLATIONS)]


def ours(page) -> list[tuple[str, str, str]]:
    def is_gradios(rule, target):
        return any(rule == known and part in target for known, part in GRADIO)

    return [one for one in found(page) if not is_gradios(*one[:2])]


@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_of_ours_in_any_state(serve, visit, width):
    if not AXE.is_file():
        report = pytest.fail if "CI" in os.environ and shutil.which("npm") else pytest.skip
        report("axe-core is not installed: npm ci")
    steps = StepGate()
    url, _ = serve(PaintingStream(gate=steps), preset=named_preset("storybook"))
    page = visit(url)
    page.set_viewport_size({"width": width, "height": 900})
    assert ours(page) == []  # the first view
    for panel in ("#model", "#memory", "#start-panel", "#more-settings", "#vocabulary"):
        if panel == "#vocabulary":
            page.locator("#vocabulary summary").click()
        else:
            open_settings(page, panel)
    assert ours(page) == []
    steps.release(1)
    ask(page, chunks=2, prompt="a red zebra")
    page.locator(".status.running").wait_for()
    assert ours(page) == []  # it waits for its first part
    steps.open()
    wait_for_state(page, "finished")
    page.locator(".over #result video").wait_for()
    assert ours(page) == []
