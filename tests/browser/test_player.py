"""What the screens show before, while and after a video is made, in headless Chromium."""

import time

import pytest

from tests.support.browser_steps import (
    SECOND,
    ask,
    live_time,
    pictures_until,
    run_of,
    seen_picture,
    wait_for_state,
)
from tests.support.fakes import PaintedRefiner, PaintingStream, StepGate


pytestmark = pytest.mark.browser


def test_a_continued_run_shows_its_last_picture_until_new_frames_come(serve, visit):
    steps = StepGate(8)  # of two chunks
    url, _ = serve(PaintingStream(gate=steps))
    page = visit(url)
    ask(page, chunks=2, seed=5)
    wait_for_state(page, "finished")
    page.locator(".over #result video").wait_for()
    page.get_by_role("button", name="Add chunks").click()
    page.locator(".status:is(.loading, .queued, .running)").wait_for()
    page.locator("#cover .over-player").wait_for()
    end = time.monotonic() + 4
    assert set(pictures_until(page, lambda: time.monotonic() > end)) == {(23, 5)}
    steps.open()
    seen = pictures_until(page, lambda: live_time(page) > 3.4)
    numbers = [number for number, _ in seen]
    assert numbers == sorted(numbers) and numbers[0] >= 23 and numbers[-1] > 23
    assert {seed for _, seed in seen} == {5}
    wait_for_state(page, "finished")


def test_both_screens_of_a_continued_run_show_their_last_pictures(serve, visit):
    steps = StepGate(8)
    url, _ = serve(PaintingStream(gate=steps), PaintedRefiner())
    page = visit(url)
    ask(page, chunks=2, seed=5, refine=True)
    wait_for_state(page, "finished")
    page.locator(".over #refined-result video").wait_for()
    page.get_by_role("button", name="Add chunks").click()
    page.locator(".status:is(.loading, .queued, .running)").wait_for()
    page.locator("#refined-cover .over-player").wait_for()
    until = page.locator("#refined-cover .over-player").get_attribute("data-until")
    page.wait_for_timeout(2 * SECOND)
    assert seen_picture(page) == (23, 5)
    assert seen_picture(page, "#refined-screen") == (float(until) * 8 - 1, 5)
    steps.open()
    page.wait_for_function("document.querySelector('#refined-live video')?.currentTime > 3.4")
    assert page.locator("#refined-cover .lifted").count() == 1
    wait_for_state(page, "finished")


def test_the_rough_preview_fills_the_screen_until_the_first_chunk_is_there(serve, visit):
    steps = StepGate(2)  # of four
    url, _ = serve(PaintingStream(gate=steps, start=77))
    page = visit(url)
    ask(page, chunks=3)
    page.locator("#cover img").wait_for()
    assert seen_picture(page) == (77, 0)
    assert page.locator("#cover img").get_attribute("alt") == (
        "The first chunk so far, in rough colours"
    )
    page.locator("#screen .pill").wait_for()
    assert page.locator("#screen .pill").inner_text().startswith("First part")
    assert page.locator(".status img").count() == 0
    steps.open()
    page.wait_for_function("document.querySelector('#live video')?.currentTime > 0.3")
    assert page.locator("#cover .lifted").count() == 1
    number, seed = seen_picture(page)
    assert seed == 5 and number > 77


def test_the_screen_says_when_the_next_part_comes(serve, visit):
    steps = StepGate(6)  # one chunk and a half
    url, _ = serve(PaintingStream(gate=steps))
    page = visit(url)
    ask(page, chunks=3)
    page.locator("#screen .pill").get_by_text("Next part").wait_for()
    assert live_time(page) > 1.2  # nearly at the end of 2 s
    steps.open()
    wait_for_state(page, "finished")
    assert not page.locator("#screen .pill").is_visible()


def test_a_finished_video_loops_and_a_link_starts_it_muted(serve, visit):
    url, _ = serve(PaintingStream())
    page = visit(url)
    ask(page, chunks=2)
    wait_for_state(page, "finished")
    run_of(page)
    link = visit(page.url)
    for tab in (link, page):
        tab.wait_for_function("document.querySelector('.over #result video')?.currentTime > 0.2")
        shown = tab.evaluate(
            "(v => [v.paused, v.muted, v.loop])(document.querySelector('#result video'))"
        )
        assert shown == [False, True, True]


def test_on_a_phone_the_keyboard_starts_a_video_and_the_screen_comes_into_view(serve, visit):
    url, worker = serve(PaintingStream())
    page = visit(url)
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#chunks input").fill("2")
    page.get_by_label("Prompt", exact=True).fill("two blue rings")
    page.get_by_label("Prompt", exact=True).press("Control+Enter")
    record = worker.record(run_of(page))
    assert record.settings.config.prompt == "two blue rings"
    wait_for_state(page, "finished")
    box = page.locator("#screen").bounding_box()
    assert -1 < box["y"] < 100  # scrolled to whole pixels
    picture = page.locator(".timeline img").first
    assert picture.evaluate("image => getComputedStyle(image).objectFit") == "contain"
