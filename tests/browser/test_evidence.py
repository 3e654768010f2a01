"""What is measured of a video on the page: strip, X-T slice, comparison, vote, benchmark."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from t2v.runs.votes import VOTES_FILE
from tests.browser.test_layout import TOO_SMALL
from tests.support.browser_steps import ask, run_of, wait_for_state
from tests.support.fakes import PaintingStream, StepGate, made


pytestmark = pytest.mark.browser

IS_SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"


def unfold(page, panel):
    page.locator(f"{panel} .label-wrap").first.click()


def count_measured(page, number):
    page.wait_for_function(f"document.querySelectorAll('.columns [data-text]').length === {number}")


def test_numbers_and_slice_grow_while_the_video_is_made(serve, visit):
    steps = StepGate(14)  # of 24: three chunks, and the half of another
    url, _ = serve(PaintingStream(gate=steps))
    page = visit(url)
    ask(page, chunks=6)
    count_measured(page, 3)
    assert page.locator(".columns > i").count() == 6
    readout, columns = page.locator(".readout span"), page.locator(".columns")
    assert re.match(r"Chunk 2: motion [\d.]+ px a frame, seam [\d.]+, drift", readout.inner_text())
    columns.focus()
    page.keyboard.press("Home")
    assert readout.inner_text().startswith("Chunk 0: ")
    page.keyboard.press("ArrowRight")
    assert columns.get_attribute("aria-valuetext").startswith("Chunk 1: ")
    unfold(page, "#slice-panel")
    caption = page.locator("#slice figcaption")
    caption.get_by_text("over 32 frames").wait_for()
    width = page.locator("#slice img").bounding_box()["width"]
    page.locator("#slice input").fill("0")
    caption.get_by_text("Row 0 of 32").wait_for()

    columns.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    steps.open()
    wait_for_state(page, "finished")
    count_measured(page, 6)
    assert page.evaluate("document.activeElement.className") == "columns"  # also when redrawn
    columns.locator("i").nth(4).hover()
    assert readout.inner_text().startswith("Chunk 4: ")
    caption.get_by_text("over 56 frames").wait_for()
    assert page.locator("#slice img").bounding_box()["width"] > width * 1.5
    rows = page.locator(".measures table tbody tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == list("012345")


def test_until_the_vote_nothing_else_shows_the_videos_of_a_blind_comparison(serve, visit):
    url, worker = serve(PaintingStream())
    other = made(worker, num_chunks=3, seed=8)
    page = visit(url)
    ask(page, chunks=3)
    wait_for_state(page, "finished")
    for panel in ("#slice-panel", "#provenance", "#comparison", "#share", "#history"):
        unfold(page, panel)
    page.locator("#gallery img").first.wait_for()
    page.get_by_label("The other video").fill(other)

    def shown():
        """The parts of the page outside of form and comparison that are to be seen."""
        parts = "#stage :is(.block, button, img, video, input), #history *"
        script = f"""[...document.querySelectorAll('{parts}')]
            .filter((part) => !part.closest('#comparison') && !part.contains(
              document.querySelector('#comparison')) && part.offsetHeight > 0)
            .map((part) => part.id || part.className || part.tagName)"""
        return page.evaluate(script)

    assert {"screen", "strip", "measures", "timeline"} <= set(
        page.evaluate("[...document.querySelectorAll('#stage *')].map((part) => part.id)")
    )
    assert len(shown()) > 20
    page.get_by_role("button", name="Compare blind").click()
    page.locator(".votes").wait_for()
    assert shown() == []
    page.get_by_text("The rest of the page is hidden until you have voted").wait_for()
    fold = page.locator("#comparison button.label-wrap")
    fold.click()
    page.locator("#screen").wait_for()
    fold.click()
    page.locator("#screen").wait_for(state="hidden")
    page.get_by_role("button", name="No difference").click()
    page.get_by_text("You saw no difference.").wait_for()
    page.locator("#screen").wait_for()
    page.locator("#measures").wait_for()
    assert len(shown()) > 20


def test_a_benchmark_that_is_written_while_the_app_runs_is_on_the_next_page(serve, visit, tmp_path):
    url, _ = serve(PaintingStream(), evidence=tmp_path / "bench")
    page = visit(url)
    assert page.locator("#evidence").count() == 0
    suite = tmp_path / "bench" / "apm"
    suite.mkdir(parents=True)
    (suite / "table.md").write_text("# apm\n\n| arm | drift |\n| --- | --- |\n| `cam` | 1.5 |\n")
    page.reload()
    unfold(page, "#evidence")
    page.locator(".evidence summary").click()
    page.locator(".evidence").get_by_text("1.5").wait_for()


def test_two_videos_are_compared_voted_on_and_a_benchmark_is_read(serve, visit, tmp_path):
    suite = tmp_path / "bench" / "apm"
    suite.mkdir(parents=True)
    (suite / "table.md").write_text("# apm\n\n| arm | drift |\n| --- | --- |\n| `cam` | 1.5 |\n")
    Image.fromarray(np.full((60, 900, 3), 99, np.uint8)).save(suite / "contact.png")
    url, worker = serve(PaintingStream(), evidence=tmp_path / "bench")
    other = made(worker, num_chunks=3, seed=8)
    page = visit(url)
    ask(page, chunks=4)
    wait_for_state(page, "finished")
    unfold(page, "#comparison")
    page.get_by_label("The other video").fill(f"{url}?run={other}")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.locator("#comparison .slice").nth(1).wait_for()
    page.get_by_role("button", name="Play both").click()
    times = "[...document.querySelectorAll('.pair video')].map((video) => video.currentTime)"
    page.wait_for_function(f"{times}.every((time) => time > 0.5)")
    page.get_by_role("button", name="Play both").click()
    page.get_by_label("Position in both videos").fill("600")
    page.wait_for_function(f"{times}.every((time) => Math.abs(time - 3) < 0.15)")  # of 5 s

    page.get_by_role("button", name="Compare blind").click()
    page.locator(".votes").wait_for()
    assert page.locator("#comparison table").count() == 0
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(TOO_SMALL) == []
    page.get_by_role("button", name="A is better").click()
    page.get_by_text("You preferred A.").wait_for()
    (vote,) = (worker.runs_dir / VOTES_FILE).read_text().splitlines()
    assert {json.loads(vote)[side] for side in ("left", "right")} == {other, run_of(page)}
    answer = page.request.get(f"{url}gradio_api/file={worker.runs_dir / VOTES_FILE}")
    assert answer.status == 403

    unfold(page, "#evidence")
    page.locator(".evidence summary").click()
    page.locator(".evidence").get_by_text("1.5").wait_for()
    page.locator(".evidence img").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.evidence img').naturalWidth === 900")
    unfold(page, "#slice-panel")
    page.locator("#slice img").wait_for()
    assert page.evaluate(TOO_SMALL) == [] and not page.evaluate(IS_SIDEWAYS)
