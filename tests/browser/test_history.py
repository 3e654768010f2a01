"""Editing, extending and comparing videos, in headless Chromium."""

import pytest

from tests.support.browser_steps import (
    SECOND,
    ask,
    live_picture,
    live_time,
    run_of,
    step_until,
    wait_for_state,
)
from tests.support.fakes import PaintingStream, StepGate


pytestmark = pytest.mark.browser


def num_done(page, number):
    page.wait_for_function(
        f"document.querySelectorAll('.timeline .done').length === {number}", timeout=40 * SECOND
    )


def test_a_video_is_edited_regenerated_and_extended(serve, visit):
    stream = PaintingStream(gate=StepGate(8))  # of 28
    url, worker = serve(stream)
    page = visit(url)
    assert not page.locator("#controls").is_visible()
    ask(page, chunks=7)
    page.locator(".timeline .done").nth(1).wait_for(timeout=40 * SECOND)
    page.get_by_role("button", name="Pause", exact=True).click()
    run_id = run_of(page)
    step_until(page, stream.gate, lambda: worker.record(run_id).state == "paused")
    page.get_by_text("Paused", exact=True).wait_for()
    page.get_by_label("Prompt from the next chunk on").fill("a blue ring")
    page.get_by_role("button", name="Change prompt", exact=True).click()
    page.get_by_role("list", name="Prompts").get_by_text("a blue ring").wait_for()
    stream.gate.open()
    num_done(page, 7)
    wait_for_state(page, "finished")
    assert ": a blue ring" in worker.record(run_id).settings.config.prompt
    assert not page.get_by_role("button", name="Resume").is_visible()

    page.get_by_role("button", name="Chunk 5 6.0 s").press("Enter")
    page.wait_for_function("document.querySelector('#redo-chunk input')?.value === '5'")
    page.get_by_role("button", name="Regenerate", exact=True).click()
    page.get_by_text("It and 1 later chunk are lost").wait_for()
    assert worker.record(run_id).state == "finished"
    stream.gate = StepGate()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("It and 1 later chunk are lost").wait_for(state="hidden")
    page.get_by_role("button", name="Regenerate", exact=True).click()
    page.get_by_text("It and 1 later chunk are lost").wait_for()
    page.get_by_role("button", name="Chunk 0 0.0 s").press("Enter")
    page.get_by_text("It and 1 later chunk are lost").wait_for(state="hidden")
    page.get_by_role("button", name="Chunk 5 6.0 s").press("Enter")
    page.wait_for_function("document.querySelector('#redo-chunk input')?.value === '5'")
    page.get_by_role("button", name="Regenerate", exact=True).click()
    page.get_by_role("button", name="Regenerate them").click()
    page.locator(".timeline .making, .timeline .waiting").first.wait_for()
    stream.gate.open()
    wait_for_state(page, "finished")
    assert worker.record(run_id).settings.config.reseed.startswith("5: ")

    page.get_by_label("Number of chunks to add").fill("2")
    page.get_by_role("button", name="Add chunks").click()
    num_done(page, 9)
    wait_for_state(page, "finished")
    assert worker.record(run_id).num_frames == 80


def times_until(page, state) -> list[float]:
    """The positions of the live player until then."""
    times = []
    while not page.locator(f".status.{state}").count():
        page.wait_for_timeout(0.05 * SECOND)
        times.append(live_time(page))
    return times


def test_regenerated_chunks_are_shown_live_and_a_continued_run_plays_from_there(serve, visit):
    url, worker = serve(PaintingStream(seconds_per_step=0.25))
    page = visit(url)
    ask(page, chunks=7, seed=5)
    num_done(page, 4)
    page.get_by_role("button", name="Chunk 2 3.0 s").click()
    page.wait_for_function("document.querySelector('#redo-chunk input')?.value === '2'")
    page.get_by_role("button", name="Regenerate", exact=True).click()
    page.get_by_role("button", name="Regenerate them").click()
    page.wait_for_function("!document.querySelector('#live video')?.videoWidth")
    times = times_until(page, "finished")
    assert max(times) > 3.5
    frame = 1 / 8  # seconds: the last one before the new chunks is shown until they come
    assert not [time for time in times if 0 < time < 3 - frame]
    # A live player must not continue with chunks that were discarded.
    seed = worker.record(run_of(page)).settings.config.seed_of(2)
    assert live_picture(page)[1] == seed % 16

    page.locator(".over #result video").wait_for()
    page.get_by_role("button", name="Add chunks").click()
    wait_for_state(page, "running")
    times = times_until(page, "finished")
    assert max(times) > 8.5
    assert not [time for time in times if 0 < time < 8 - frame]


def test_a_guest_sees_why_a_video_cannot_be_changed_and_has_no_buttons_for_it(serve, visit):
    url, worker = serve(PaintingStream())
    page = visit(url)
    ask(page, chunks=2)
    wait_for_state(page, "finished")
    assert not page.get_by_text("Somebody else asked").is_visible()
    guest = visit(page.url)
    guest.locator("#only-watching").get_by_text("you may watch it, download").wait_for()
    guest.locator("#extend:disabled").wait_for()
    assert page.locator("#extend").is_enabled()
    guest.get_by_text("Save and share").click()
    for name in ("#extend", "#favourite", "#delete"):
        assert guest.locator(name).is_disabled()
    guest.get_by_role("button", name="Edit: change the prompt").click()
    for name in ("#change", "#redo"):
        assert guest.locator(name).is_disabled()
    assert worker.record(run_of(page)).settings.config.num_chunks == 2


def test_a_second_viewer_is_shown_that_an_ended_video_goes_on(serve, visit):
    steps = StepGate(8)
    url, _ = serve(PaintingStream(gate=steps))
    page = visit(url)
    ask(page, chunks=2)
    wait_for_state(page, "finished")
    run_of(page)
    second = visit(page.url)
    wait_for_state(second, "finished")
    page.get_by_label("Number of chunks to add").fill("6")
    page.get_by_role("button", name="Add chunks").click()
    steps.release(12)
    wait_for_state(second, "running")
    second.wait_for_function("document.querySelector('#live video')?.currentTime > 0.3")
    steps.open()
    wait_for_state(second, "finished")
    num_done(second, 8)


def test_settings_that_are_not_those_of_the_video_are_marked_and_can_be_taken(serve, visit):
    url, _ = serve(PaintingStream())
    page = visit(url)
    ask(page, chunks=2, seed=5)
    wait_for_state(page, "finished")
    differs = page.locator("#differs")
    assert not differs.is_visible()
    page.get_by_label("Prompt", exact=True).fill("a red\nstar")  # the same on one line
    page.wait_for_timeout(SECOND)
    assert not differs.is_visible()
    page.get_by_label("Prompt", exact=True).fill("two blue rings")
    differs.wait_for()
    differs.get_by_role("button", name="Use these settings").click()
    differs.wait_for(state="hidden")
    assert page.get_by_label("Prompt", exact=True).input_value() == "a red star"


def test_an_ablation_is_shown_side_by_side_and_both_runs_are_kept(serve, visit):
    url, worker = serve(PaintingStream())
    page = visit(url)
    ask(page, chunks=3)
    wait_for_state(page, "finished")
    page.get_by_text("Ablation: compare without CAM or APM").click()
    page.get_by_label("the CAM (short-term)").check()
    page.locator("#ablate").click()
    page.locator("#ablated video").wait_for(timeout=40 * SECOND)
    assert page.locator("#ablate").is_enabled()
    page.get_by_role("button", name="Your videos").click()
    page.locator("#gallery li").nth(1).wait_for()
    other_id = page.locator("#gallery li a").first.get_attribute("href").partition("run=")[2]
    assert worker.record(other_id).settings.config.use_cam is False


def test_a_comparison_is_not_shown_below_the_next_video(serve, visit):
    steps = StepGate(8)
    url, _ = serve(PaintingStream(gate=steps))
    page = visit(url)
    ask(page, chunks=2)
    wait_for_state(page, "finished")
    first = run_of(page)
    page.get_by_text("Ablation: compare without CAM or APM").click()
    page.locator("#ablate").click()
    page.get_by_text("Running: ").wait_for(timeout=40 * SECOND)
    ask(page, prompt="a blue ring", chunks=4)
    page.wait_for_function(f"!location.search.includes('{first}')")
    page.get_by_role("button", name="Run ablation", exact=True).wait_for()
    steps.open()
    wait_for_state(page, "finished")
    assert page.locator("#ablated video").count() == 0
    assert page.locator("#ablate").is_enabled()
