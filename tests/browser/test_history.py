"""Steering a video and finding it again, in headless Chromium."""

import pytest

from tests.browser.steps import SECOND, ask, run_of, wait_for_state
from tests.fakes import PaintingStream


pytestmark = pytest.mark.browser


def num_done(page, number):
    page.wait_for_function(
        f"document.querySelectorAll('.timeline .done').length === {number}", timeout=40 * SECOND
    )


def test_a_video_is_steered_made_anew_and_extended(serve, visit):
    url, worker = serve(PaintingStream(seconds_per_step=0.25))
    page = visit(url)
    assert not page.locator("#controls").is_visible()
    ask(page, chunks=7)
    page.locator(".timeline .done").nth(1).wait_for(timeout=40 * SECOND)
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_text("Paused", exact=True).wait_for()
    page.get_by_role("button", name="Change what comes next").click()
    page.get_by_label("Prompt from the next chunk on").fill("a blue ring")
    page.get_by_role("button", name="Change", exact=True).click()
    page.get_by_role("list", name="Prompts").get_by_text("a blue ring").wait_for()
    num_done(page, 7)
    wait_for_state(page, "finished")
    run_id = run_of(page)
    assert ": a blue ring" in worker.record(run_id).settings.config.prompt
    assert not page.get_by_role("button", name="Resume").is_visible()

    page.get_by_role("button", name="Chunk 5, from 6.0 s").press("Enter")
    page.wait_for_function("document.querySelector('#redo-chunk input').value === '5'")
    page.get_by_role("button", name="Make anew").click()
    page.locator(".timeline .making, .timeline .waiting").first.wait_for()
    wait_for_state(page, "finished")
    assert worker.record(run_id).settings.config.reseed.startswith("5: ")

    page.get_by_label("How many chunks to add").fill("2")
    page.get_by_role("button", name="Add chunks").click()
    num_done(page, 9)
    wait_for_state(page, "finished")
    assert worker.record(run_id).num_frames == 80


def test_whoever_has_only_the_link_is_told_why_a_video_cannot_be_changed(serve, visit):
    url, worker = serve(PaintingStream())
    page = visit(url)
    ask(page, chunks=2)
    wait_for_state(page, "finished")
    assert not page.get_by_text("Somebody else asked").is_visible()
    guest = visit(page.url)
    guest.locator("#only-watching").get_by_text("you may watch it, download").wait_for()
    guest.get_by_role("button", name="Add chunks").click()
    guest.get_by_test_id("toast-body").get_by_text("Somebody else asked").wait_for()
    assert worker.record(run_of(page)).settings.config.num_chunks == 2
