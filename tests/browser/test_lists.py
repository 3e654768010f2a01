"""The strip of one's own runs and the cards of the history, in headless Chromium."""

import pytest

from t2v.ui.auth import Access
from tests.support.browser_steps import SECOND, ask, run_of, wait_for_state
from tests.support.fakes import PaintingStream, StepGate


pytestmark = pytest.mark.browser


def prompts(page) -> list[str]:
    return page.locator(".strip .words").all_inner_texts()


def wait_for_prompts(page, *expected):
    page.wait_for_function(
        "(expected) => [...document.querySelectorAll('.strip .words')]"
        ".map((cell) => cell.textContent).join() === expected",
        arg=",".join(expected),
    )


def test_a_run_that_was_left_is_found_in_the_strip_and_the_queue_is_changed_there(serve, visit):
    steps = StepGate(6)  # of 20
    url, _ = serve(PaintingStream(gate=steps))
    page = visit(url)
    assert not page.locator("#strip").is_visible()
    ask(page, chunks=5)
    page.wait_for_function("document.querySelector('#live video')?.currentTime > 0.3")
    first = run_of(page)
    assert not page.locator("#strip").is_visible()  # one run, and it is in the player
    shown = first
    for prompt in ("a blue ring", "a white moon"):
        ask(page, prompt=prompt, chunks=1)
        shown = run_of(page, after=shown)
    page.get_by_text("The other video goes on").first.wait_for()
    wait_for_prompts(page, "a red star", "a blue ring", "a white moon")
    page.get_by_role("button", name="Move forward in the queue: a white moon").click()
    wait_for_prompts(page, "a red star", "a white moon", "a blue ring")
    page.get_by_role("button", name="Cancel: a blue ring").press("Enter")
    page.locator(".strip .stopped").get_by_text("a blue ring").wait_for()

    page.get_by_role("link", name="a red star").click()
    page.wait_for_function(f"location.search.includes('{first}')")
    wait_for_state(page, "running")
    assert page.get_by_label("Prompt", exact=True).input_value() == "a white moon"
    page.locator(f"[data-open='{first}'][aria-current=true]").wait_for()
    steps.open()
    wait_for_state(page, "finished")
    page.locator(".strip .finished").get_by_text("a white moon").wait_for()

    visitor = visit(page.url)
    wait_for_state(visitor, "finished")
    assert not visitor.locator("#strip").is_visible()  # it only watches


def test_runs_are_deleted_after_a_question_from_the_strip_and_the_cards(serve, visit):
    url, worker = serve(PaintingStream())
    page = visit(url)
    shown = "none"
    for prompt in ("a star", "a ring", "a moon"):
        ask(page, prompt=prompt, chunks=1)
        shown = run_of(page, after=shown)
        wait_for_state(page, "finished")
    delete = page.locator("#strip").get_by_role("button", name="Delete: a ring")
    delete.click()
    assert page.locator(".asking .question [data-action]").evaluate(
        "(x) => x === document.activeElement"
    )
    page.keyboard.press("Escape")
    assert delete.evaluate("(x) => x === document.activeElement")
    delete.click()
    page.locator("#strip .asking").get_by_role("button", name="Delete", exact=True).click()
    wait_for_prompts(page, "a moon", "a star")

    page.get_by_role("button", name="Your videos").click()
    cards = page.locator("#gallery")
    cards.get_by_role("button", name="Favourite: a moon").click()
    page.locator("#gallery .star").wait_for()
    page.locator("#strip [aria-pressed=true]").wait_for()
    cards.get_by_role("button", name="Delete: a moon").click()
    cards.locator(".asking").get_by_role("button", name="Delete", exact=True).click()
    page.locator(".status.idle").wait_for()  # it was in the player
    assert "run=" not in page.url
    assert len(list(worker.runs_dir.glob("?" * 24))) == 1


def test_a_finished_run_is_refined_and_a_wrong_link_says_so(serve, visit):
    url, worker = serve(PaintingStream())
    page = visit(url)
    ask(page, chunks=3)
    wait_for_state(page, "finished")
    run_id = run_of(page)
    page.get_by_role("button", name="Refine video").click()
    page.locator("#refined-result").wait_for(state="visible", timeout=60 * SECOND)
    wait_for_state(page, "finished")
    assert worker.record(run_id).num_refined_frames == 32
    assert not page.get_by_role("button", name="Refine video").is_visible()
    page.goto(f"{url}?run={'0' * 24}")
    page.get_by_text("There is no video at this link").first.wait_for()


def test_the_login_page_has_a_name_and_no_bands(serve, browser):
    url, _ = serve(PaintingStream(), access=Access(login=("reviewer", "secret")))
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    page.goto(url)
    page.get_by_role("heading", name="Longtake").wait_for()
    page.get_by_text("knows the name and the password").wait_for()
    assert page.title() == "Longtake"
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
