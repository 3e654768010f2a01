"""Steps of browser tests: ask for a video, wait for a state, download."""

import re
import time
from io import BytesIO

import numpy as np
from PIL import Image

from t2v.media.reader import read_frames
from tests.support.fakes import read_number


SECOND = 1000  # Playwright counts in milliseconds
LONG = 120  # seconds, on a machine that does much else
WITHOUT_MESSAGES = ".toast-wrap { visibility: hidden }"  # they lie over whatever is at the top


def ask(page, prompt="a red star", chunks=6, seed=5, refine=False):
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.locator("#chunks input").fill(str(chunks))
    open_settings(page)
    page.get_by_label("New seed for every video").uncheck()
    page.get_by_label("Seed", exact=True).fill(str(seed))
    page.get_by_label("Refine", exact=True).set_checked(refine)
    page.get_by_role("button", name="Generate", exact=True).click()


def open_settings(page, panel="#more-settings"):
    """Unfolds a part of the form."""
    if not page.locator(f"{panel} .label-wrap.open").count():
        page.locator(f"{panel} .label-wrap").click()


def live_time(page) -> float:
    return page.evaluate("document.querySelector('#live video')?.currentTime ?? 0")


def live_picture(page) -> tuple[int, int] | None:
    """Number and seed of the painted frame that the live player shows."""
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


def seen_picture(page, screen="#screen") -> tuple[int, int]:
    """Number and seed of the painted frame that a visitor sees, whatever shows it."""
    png = page.locator(screen).screenshot(style=WITHOUT_MESSAGES)
    pixels = np.asarray(Image.open(BytesIO(png)).convert("RGB"))
    height, width, _ = pixels.shape
    side = min(height, width)  # painted frames are square, and in the middle
    top, left = (height - side) // 2, (width - side) // 2
    return read_number(pixels[top : top + side, left : left + side])


def pictures_until(page, is_over, screen="#screen") -> list[tuple[int, int]]:
    """Numbers and seeds of the frames that a visitor sees, until something has happened."""
    seen = []
    end = time.monotonic() + LONG
    while not seen or not is_over():
        assert time.monotonic() < end
        seen.append(seen_picture(page, screen))
        page.wait_for_timeout(0.1 * SECOND)
    return seen


def step_until(page, steps, has_obeyed):
    """Lets a run that waits at its gate take steps: it obeys between two of them."""
    end = time.monotonic() + LONG
    while not has_obeyed():
        assert time.monotonic() < end
        steps.release()
        page.wait_for_timeout(2 * SECOND)


def wait_for_state(page, state, seconds=60):
    page.locator(f".status.{state}").wait_for(timeout=seconds * SECOND)


def download(page, path, button="#download"):
    with page.expect_download() as download:
        page.locator(button).click()
    download.value.save_as(path)
    return read_frames(path)


def run_of(page, after: str = "none") -> str:
    """The id of the run in the page's address, as soon as it is another than `after`."""
    page.wait_for_function(
        f"location.search.includes('run=') && !location.search.includes('{after}')"
    )
    return re.search("run=([0-9a-f]{24})", page.url)[1]
