"""Steering a video and finding it again, in headless Chromium."""

import pytest

from tests.browser.steps import SECOND, ask, live_picture, live_time, run_of, wait_for_state
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
    page.wait_for_function("document.querySelector('#redo-chunk input')?.value === '5'")
    page.get_by_role("button", name="Make anew").click()
    page.locator(".timeline .making, .timeline .waiting").first.wait_for()
    wait_for_state(page, "finished")
    assert worker.record(run_id).settings.config.reseed.startswith("5: ")

    page.get_by_label("How many chunks to add").fill("2")
    page.get_by_role("button", name="Add chunks").click()
    num_done(page, 9)
    wait_for_state(page, "finished")
    assert worker.record(run_id).num_frames == 80


def times_until(page, state) -> list[float]:
    """Where the live player was all the while."""
    times = []
    while not page.locator(f".status.{state}").count():
        page.wait_for_timeout(0.05 * SECOND)
        times.append(live_time(page))
    return times


def test_chunks_made_anew_are_seen_live_and_what_goes_on_is_played_from_there(serve, visit):
    url, worker = serve(PaintingStream(seconds_per_step=0.25))
    page = visit(url)
    ask(page, chunks=7, seed=5)
    num_done(page, 4)
    page.get_by_role("button", name="Chunk 2, from 3.0 s").click()
    page.wait_for_function("document.querySelector('#redo-chunk input')?.value === '2'")
    page.get_by_role("button", name="Make anew").click()
    page.wait_for_function("!document.querySelector('#live video')?.videoWidth")
    times = times_until(page, "finished")
    assert max(times) > 3.5
    assert not [time for time in times if 0 < time < 3]
    # Before the fault was mended, the live player went on with chunks that were thrown away.
    seed = worker.record(run_of(page)).settings.config.seed_of(2)
    assert live_picture(page)[1] == seed % 16

    page.locator(".over #result video").wait_for()
    page.get_by_role("button", name="Add chunks").click()
    wait_for_state(page, "running")
    times = times_until(page, "finished")
    assert max(times) > 8.5
    assert not [time for time in times if 0 < time < 8]


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


def test_a_video_is_seen_beside_itself_without_a_memory_and_both_are_kept(serve, visit):
    url, worker = serve(PaintingStream())
    page = visit(url)
    ask(page, chunks=3)
    wait_for_state(page, "finished")
    page.get_by_text("See what the memories are worth").click()
    page.get_by_label("the CAM (short-term)").check()
    page.locator("#ablate").click()
    page.locator("#ablated video").wait_for(timeout=40 * SECOND)
    assert page.locator("#ablate").is_enabled()
    page.get_by_text("Your videos").click()
    page.locator("#gallery li").nth(1).wait_for()
    other_id = page.locator("#gallery li a").first.get_attribute("href").partition("run=")[2]
    assert worker.record(other_id).settings.config.use_cam is False


def test_what_is_told_of_one_video_is_not_shown_below_the_next(serve, visit):
    url, _ = serve(PaintingStream(seconds_per_step=0.2))
    page = visit(url)
    ask(page, chunks=2)
    wait_for_state(page, "finished")
    first = run_of(page)
    page.get_by_text("See what the memories are worth").click()
    page.locator("#ablate").click()
    page.get_by_text("Making it: ").wait_for(timeout=40 * SECOND)
    ask(page, prompt="a blue ring", chunks=4)
    page.wait_for_function(f"!location.search.includes('{first}')")
    page.get_by_role("button", name="Make it without them").wait_for()
    wait_for_state(page, "finished")
    assert page.locator("#ablated video").count() == 0
    assert page.locator("#ablate").is_enabled()
