"""An upload that a video begins with, and what is typed: real files, a real reload."""

import numpy as np
import pytest
from PIL import Image

from t2v.media.reader import read_frames
from t2v.media.video import VideoWriter
from t2v.settings.presets import named_preset
from tests.support.browser_steps import ask, download, open_settings, run_of, wait_for_state
from tests.support.fakes import PaintingStream, paint, read_numbers


pytestmark = pytest.mark.browser


def choose(page, path):
    open_settings(page, "#start-panel")
    page.locator("#start input[type=file]").set_input_files(path)


def test_a_video_goes_on_from_an_uploaded_clip_until_it_is_taken_away(serve, visit, tmp_path):
    clip, picture = tmp_path / "before.mp4", tmp_path / "wide.png"
    with VideoWriter(clip, fps=8) as writer:
        writer.write(np.stack([paint(number) for number in range(30, 49)]))
    Image.fromarray(np.full((20, 90, 3), 200, np.uint8)).save(picture)
    url, worker = serve(PaintingStream())
    page = visit(url)
    choose(page, clip)
    page.get_by_text("The video goes on from this picture. Of the clip, the last 2.0 s").wait_for()
    ask(page, chunks=2)
    wait_for_state(page, "finished")
    assert read_numbers(download(page, tmp_path / "a.mp4"))[:2] == [49, 50]
    page.get_by_role("button", name="How this video was made").click()
    page.locator("#facts").get_by_text("the end of a clip (SHA-256").wait_for()

    page.locator("#start").get_by_role("button", name="Clear").click()
    page.locator("#start-shown").get_by_text("An image becomes the first picture").wait_for()
    first = run_of(page)
    page.get_by_role("button", name="Generate", exact=True).click()
    second = run_of(page, after=first)
    wait_for_state(page, "finished")
    assert worker.record(second).settings.begins_with == ""
    assert read_numbers(read_frames(worker.open_reader(second).folder.video_path()))[0] == 0

    choose(page, picture)
    page.locator("#start-shown img").wait_for()
    page.get_by_label("Letterbox (black bars)").check()
    page.wait_for_function(
        """() => {
          const canvas = document.createElement("canvas");
          const picture = document.querySelector("#start-shown img");
          canvas.getContext("2d").drawImage(picture, 0, 0);
          return canvas.getContext("2d").getImageData(3, 1, 1, 1).data[0] === 0;
        }"""
    )


def test_what_is_typed_outlives_a_reload_but_not_over_the_prompt_of_a_link(serve, visit):
    url, _ = serve(PaintingStream())
    page = visit(url)
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.press_sequentially("two red wheels")
    page.reload()
    page.wait_for_function("document.querySelector('#prompt textarea')?.value === 'two red wheels'")
    ask(page, prompt="a blue ring", chunks=2)
    wait_for_state(page, "finished")
    link = page.url
    page.goto(url + "?new")
    page.wait_for_function("document.querySelector('#prompt textarea')")
    prompt.press_sequentially("!")
    page.goto(link)
    wait_for_state(page, "finished")
    page.wait_for_function("document.querySelector('#prompt textarea')?.value === 'a blue ring'")
    page.wait_for_timeout(1000)
    assert prompt.input_value() == "a blue ring"


def test_a_prompt_whose_video_was_refused_outlives_a_reload(serve, visit):
    url, _ = serve(PaintingStream())
    page = visit(url)
    page.get_by_label("Prompt", exact=True).press_sequentially("two red wheels")
    page.get_by_label("Chunks", exact=True).fill("0")
    page.get_by_role("button", name="Generate", exact=True).click()
    page.locator(".toast-body").wait_for()
    page.reload()
    page.wait_for_function("document.querySelector('#prompt textarea')?.value === 'two red wheels'")


def test_unknown_words_are_marked_while_typing_and_the_known_ones_can_be_seen(serve, visit):
    url, _ = serve(PaintingStream(), preset=named_preset("storybook"))
    page = visit(url)
    page.get_by_label("Prompt", exact=True).press_sequentially("a red zebra")
    page.locator("#unknown-words").get_by_text("does not know zebra").wait_for()
    page.get_by_label("Prompt", exact=True).fill("a red car")
    page.locator("#unknown-words").get_by_text("zebra").wait_for(state="hidden")
    known = page.locator("#vocabulary p")
    assert not known.is_visible()
    page.get_by_text("words that it reads").click()
    assert "squirrel" in known.inner_text() and "zebra" not in known.inner_text()
