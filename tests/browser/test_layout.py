"""What a visitor finds where: the first view, the form, the phone, in headless Chromium."""

import pytest

from t2v.settings.presets import named_preset
from tests.support.browser_steps import ask, open_settings, run_of, wait_for_state
from tests.support.fakes import PaintingStream, StepGate


pytestmark = pytest.mark.browser

TOO_SMALL = """() => {
  const parts = [...document.querySelectorAll(
    "button, textarea, input[type=number], input[type=text], label:has(> [type=checkbox])"
  )].filter((part) => part.checkVisibility() && !part.closest("footer, .live, .showcase"));
  const box = (part) => part.getBoundingClientRect();
  return parts
    .filter((part) => box(part).width > 0 && Math.min(box(part).height, box(part).width) < 43.9)
    .map((part) => `${part.innerText || part.ariaLabel || part.type} ${box(part).height}`);
}"""
CUT_NUMBERS = """() => [...document.querySelectorAll("input[type=number]")]
  .filter((box) => box.checkVisibility())
  .filter((box) => {
    const outer = box.parentElement.getBoundingClientRect();
    const { bottom, right } = box.getBoundingClientRect();
    return box.scrollWidth > box.clientWidth || bottom > outer.bottom || right > outer.right;
  })
  .map((box) => `${box.ariaLabel}: ${box.value}`);
"""
IS_WIDE = """() => {
  const { right, height } = document.querySelector("#screen").getBoundingClientRect();
  return right > 1850 && height > 640;
}"""


@pytest.fixture
def bundled(serve):
    """The page of the bundled preset, painted by the fake stream; gives (address, worker)."""
    return serve(PaintingStream(), preset=named_preset("storybook"))


def test_an_example_plays_in_the_first_view_and_says_what_it_is(bundled, visit):
    page = visit(bundled[0])
    page.wait_for_function("document.querySelector('.showcase video')?.currentTime > 0.3")
    text = page.locator(".showcase").inner_text()
    assert "Example" in text and named_preset("storybook").examples[0] in text
    assert page.locator(".showcase video").get_attribute("aria-label").startswith("Example video")


def test_a_click_on_an_example_makes_its_video(bundled, visit):
    url, worker = bundled
    page = visit(url)
    preset = named_preset("storybook")
    prompt = preset.examples[0]
    page.locator("#seconds input").fill("3")
    page.get_by_role("button", name=prompt).click()
    settings = worker.record(run_of(page)).settings
    assert settings.config == preset.config(prompt=prompt)
    wait_for_state(page, "finished")
    assert page.locator(".showcase").count() == 0
    assert page.get_by_label("Prompt", exact=True).input_value() == prompt


def test_seconds_and_chunks_follow_each_other(bundled, visit):
    page = visit(bundled[0])
    seconds, chunks = page.locator("#seconds input"), page.locator("#chunks input")
    seconds.fill("8.5")
    page.wait_for_function("document.querySelector('#chunks input').value === '8'")
    page.locator("#estimate").get_by_text("72 frames, 9.0 s").wait_for()
    assert seconds.input_value() == "8.5"  # what is typed stays
    chunks.fill("3")
    page.wait_for_function("document.querySelector('#seconds input').value === '4'")
    page.get_by_role("button", name="30 s").click()
    page.wait_for_function("document.querySelector('#seconds input').value === '30'")
    assert chunks.input_value() == "29"


def test_the_time_that_a_video_takes_is_said_before_it_is_made(serve, visit):
    url, _ = serve(PaintingStream(seconds_per_step=0.1))
    page = visit(url)
    assert "Takes about" not in page.locator("#estimate").inner_text()
    ask(page, chunks=2)
    wait_for_state(page, "finished")
    page.locator("#estimate").get_by_text("Takes about").wait_for()
    page.locator("#chunks input").fill("2000")
    page.locator("#estimate").get_by_text("min here").wait_for()


def test_the_folded_form_fits_a_screen_and_every_control_is_in_it(bundled, visit):
    page = visit(bundled[0])
    page.locator("#examples img").first.wait_for()
    boxes = [page.locator(part).bounding_box() for part in ("#compose", "#settings-column")]
    assert boxes[-1]["y"] + boxes[-1]["height"] - boxes[0]["y"] <= 900
    generate = page.get_by_role("button", name="Generate", exact=True).bounding_box()
    assert generate["y"] + generate["height"] < 900
    open_settings(page, "#memory")
    cam = page.get_by_label("CAM", exact=True).bounding_box()
    apm = page.locator("#memory input[type=range]").bounding_box()
    assert cam["x"] < apm["x"] and abs(cam["y"] - apm["y"]) < 200
    for panel in ("#model", "#more-settings"):
        open_settings(page, panel)
    for label in ("Refine", "Preset", "Seed", "Denoising steps", "Scheduler"):
        assert page.get_by_label(label, exact=True).first.is_visible()


def test_a_wide_screen_is_used(bundled, visit):
    page = visit(bundled[0])
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.wait_for_function(IS_WIDE)


def test_on_a_phone_everything_can_be_touched_and_progress_is_in_view(serve, visit):
    steps = StepGate(6)
    url, _ = serve(PaintingStream(gate=steps))
    page = visit(url)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(TOO_SMALL) == []
    for panel in ("#model", "#memory", "#more-settings"):
        open_settings(page, panel)
    assert page.evaluate(TOO_SMALL) == []
    ask(page, chunks=3)
    page.wait_for_function("document.querySelector('#live video')?.currentTime > 0.3")
    assert page.evaluate(TOO_SMALL) == []
    screen, status = (page.locator(part).bounding_box() for part in ("#screen", "#status"))
    assert screen["y"] >= -1 and status["y"] + status["height"] <= 844
    steps.open()
    wait_for_state(page, "finished")
    assert page.evaluate(TOO_SMALL) == []


def test_on_a_phone_no_number_is_cut(bundled, visit):
    page = visit(bundled[0])
    page.set_viewport_size({"width": 390, "height": 844})
    for panel in ("#memory", "#more-settings"):
        open_settings(page, panel)
    assert page.locator("#memory input[type=number]").is_visible()
    assert page.evaluate(CUT_NUMBERS) == []
