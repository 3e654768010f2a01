"""What visitors do on the page, and what they wait for."""

import re

import numpy as np

from t2v.media.video import read_frames
from tests.fakes import read_number


SECOND = 1000  # Playwright counts in milliseconds


def ask(page, prompt="a red star", chunks=6, seed=5, refine=False):
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.locator("#chunks input").fill(str(chunks))
    page.get_by_label("New seed for every video").uncheck()
    page.get_by_label("Seed", exact=True).fill(str(seed))
    page.get_by_label("Refine", exact=True).set_checked(refine)
    page.get_by_role("button", name="Generate").click()


def live_time(page) -> float:
    return page.evaluate("document.querySelector('#live video')?.currentTime ?? 0")


def live_picture(page) -> tuple[int, int] | None:
    """Number and seed of the painted frame that is to be seen live."""
    pixels = page.evaluate(
        """() => {
          const video = document.querySelector("#live video");
          if (!video?.videoWidth) return null;
          const canvas = document.createElement("canvas");
          canvas.width = canvas.height = 32;
          const context = canvas.getContext("2d");
          context.drawImage(video, 0, 0, 32, 32);
          return [...context.getImageData(0, 0, 32, 32).data];
        }"""
    )
    return pixels and read_number(np.array(pixels, np.uint8).reshape(32, 32, 4)[..., :3])


def wait_for_state(page, state, seconds=40):
    page.locator(f".status.{state}").wait_for(timeout=seconds * SECOND)


def download(page, path, button="#download"):
    with page.expect_download() as download:
        page.locator(button).click()
    download.value.save_as(path)
    return read_frames(path)


def run_of(page) -> str:
    page.wait_for_function("location.search.includes('run=')")
    return re.search("run=([0-9a-f]{24})", page.url)[1]
