"""Takes the pictures of the page, narrow, wide and very wide, light and dark.

python app.py --port 7860 &
python docs/screenshots.py http://127.0.0.1:7860

Of one run: before it, waiting for its first chunk, while it is made, and finished. A second run,
refined, is compared with its preview; a third one, without the CAM, with the first. With
`--evidence FOLDER` of the app, the tables of a benchmark as well.
"""

import argparse
import io
import shutil
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright


SIZES = {"narrow": (390, 844), "wide": (1280, 900), "full": (1920, 1080)}
PICTURES = (
    ("narrow", "light"),
    ("wide", "light"),
    ("wide", "dark"),
    ("narrow", "dark"),
    ("full", "light"),
)
FILM_SIZE, FRAMES_PER_SECOND = (720, 484), 4
HIGHEST = 1000  # pixels of a panel: tables go on for pages
COLOURS = 200  # of a picture: flat surfaces need few
CHROMIUM = "/usr/bin/chromium"
MINUTES = 60_000  # as Playwright counts
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "screenshots")
    parser.add_argument("--chunks", type=int, default=10)
    parser.add_argument("--animation", type=Path, help="record one run as this GIF instead")
    parser.add_argument("--first-visit", type=Path, help="record a first visit as this GIF instead")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    executable = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        if options.animation:
            animate(browser, options.url, options.animation)
            return
        if options.first_visit:
            animate_first_visit(browser, options.url, options.first_visit)
            return
        take_all(browser, options.url, options.out, options.chunks)
        browser.close()


def take_all(browser: Browser, url: str, out: Path, num_chunks: int) -> None:
    """All pictures, of one page that changes its size and its scheme."""
    page = browser.new_page()
    page.set_default_timeout(10 * MINUTES)
    page.set_viewport_size(sized("narrow"))
    page.goto(f"{url}?new&__theme=light")
    page.get_by_role("button", name="Generate", exact=True).wait_for()
    page.wait_for_timeout(2000)
    take(page, out, "first")

    generate(page, num_chunks)
    page.locator("#cover img").wait_for()
    take(page, out, "waiting")
    page.wait_for_function("document.querySelector('#live video')?.currentTime > 1")
    take(page, out, "making")
    page.locator(".status.finished").wait_for()
    page.locator("#screen.over").wait_for()
    take(page, out, "finished")

    generate(page, 2, refine=True)
    page.locator("#refined-screen.over").wait_for()
    page.get_by_role("button", name="Show side by side").click()
    page.wait_for_function("document.querySelector('#compared video')?.readyState > 1")
    take(page, out, "comparing")
    take_runs(page, out, num_chunks)


def take_runs(page: Page, out: Path, num_chunks: int) -> None:
    """A run with the CAM and one of the same seed without it, their measurements and slices."""
    page.set_viewport_size(sized("wide"))
    runs = [shown_run(page)]
    for use_cam in (True, False):
        if not use_cam:
            page.locator("#memory .label-wrap").click()
            page.get_by_label("CAM", exact=True).uncheck()
            page.locator("#more-settings .label-wrap").click()
            page.get_by_label("New seed for every video").uncheck()
        generate(page, num_chunks)
        page.wait_for_function("(before) => !location.search.includes(before)", arg=runs[-1])
        page.locator(".status.finished").wait_for()
        runs.append(shown_run(page))
    take_evidence(page, out)
    take_comparison(page, out, runs[1])


def take_comparison(page: Page, out: Path, other: str) -> None:
    """The measurements of the run that is shown, its slice, and its comparison, also blind."""
    page.locator("#slice-panel .label-wrap").click()
    page.locator("#slice img, #slice canvas").first.wait_for()
    page.locator("#comparison .label-wrap").click()
    page.get_by_label("The other video").fill(other)
    page.get_by_role("button", name="Compare", exact=True).click()
    page.locator("#comparison .slice").nth(1).wait_for()
    show_middle(page)
    take_panels(
        page, out, {"measured": "#measures", "slice": "#slice-panel", "compared": "#comparison"}
    )
    page.get_by_role("button", name="Compare blind").click()
    page.locator(".comparison.blind").wait_for()
    show_middle(page)
    take_panels(page, out, {"blind": "#comparison"})


def show_middle(page: Page) -> None:
    """Moves both players of a comparison."""
    ready = "[...document.querySelectorAll('.pair video')].every((video) => video.readyState > 2)"
    page.wait_for_function(ready)
    page.get_by_label("Position in both videos").fill("600")
    page.wait_for_timeout(2000)


def take_evidence(page: Page, out: Path) -> None:
    """The first suite of the last benchmark, if the app has one."""
    panel = page.locator("#evidence .label-wrap")
    if not panel.is_visible():
        return
    panel.click()
    page.locator(".evidence details summary").first.click()
    take_panels(page, out, {"evidence": "#evidence"})


def take_panels(page: Page, out: Path, panels: dict[str, str]) -> None:
    """Pictures of parts of the page, wide and light, narrow and dark."""
    for size, scheme in (("wide", "light"), ("narrow", "dark")):
        look(page, size, scheme)
        for name, panel in panels.items():
            save(page.locator(panel).screenshot(), out / f"{name}-{size}-{scheme}.png", HIGHEST)
    look(page, "wide", "light")


def shown_run(page: Page) -> str:
    return page.evaluate("new URLSearchParams(location.search).get('run') ?? 'none'")


def sized(size: str) -> ViewportSize:
    width, height = SIZES[size]
    return {"width": width, "height": height}


def take(page: Page, out: Path, moment: str) -> None:
    for size, scheme in PICTURES:
        look(page, size, scheme)
        save(page.screenshot(full_page=True), out / f"{moment}-{size}-{scheme}.png")


def look(page: Page, size: str, scheme: str) -> None:
    page.set_viewport_size(sized(size))
    is_dark = scheme == "dark"
    page.evaluate("(isDark) => document.body.classList.toggle('dark', isDark)", is_dark)
    page.wait_for_timeout(250)


def save(png: bytes, path: Path, highest: int | None = None) -> None:
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    if highest:
        picture = picture.crop((0, 0, picture.width, min(picture.height, highest)))
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def generate(page: Page, num_chunks: int, *, refine: bool = False) -> None:
    """The first example's prompt: its object never leaves the picture."""
    prompt = page.locator("#examples button").first.get_attribute("title")
    page.locator("#prompt textarea").fill(prompt)
    page.locator("#chunks input").fill(str(num_chunks))
    page.get_by_label("Refine", exact=True).set_checked(refine)
    page.get_by_role("button", name="Generate", exact=True).click()
    page.wait_for_function("location.search.includes('run=')")


def animate(browser: Browser, url: str, path: Path) -> None:
    """The wide page from the click on Generate until the finished video is shown."""
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.goto(f"{url}?__theme=light")
    page.get_by_role("button", name="Generate", exact=True).wait_for()
    page.wait_for_timeout(1000)
    generate(page, 10)
    save_film(film(page, lambda: page.locator("#screen.over").count() > 0), path)


def animate_first_visit(browser: Browser, url: str, path: Path) -> None:
    """The wide page as it opens, a click on the first example, and its video until it is over."""
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.goto(f"{url}?new&__theme=light", wait_until="commit")
    page.locator(".showcase video").wait_for()
    example = page.locator("#examples button").first
    pictures = film(page, example.is_visible)
    example.click()
    pictures += film(page, lambda: page.locator(".status.finished").count() > 0)
    save_film(pictures, path)


def film(page: Page, is_over: Callable[[], bool]) -> list[tuple[float, Image.Image]]:
    """Pictures of the page, and when each was taken, until it is over; one at least."""
    pictures = []
    while True:
        taken = time.monotonic()
        pictures.append((taken, Image.open(io.BytesIO(page.screenshot())).convert("RGB")))
        if is_over():
            return pictures
        page.wait_for_timeout(1000 / FRAMES_PER_SECOND)


def save_film(film: Sequence[tuple[float, Image.Image]], path: Path) -> None:
    # Each picture stays as long as it took until the next: a screenshot is slow on a busy machine.
    times = [taken for taken, _ in film]
    durations = [round(1000 * (after - before)) for before, after in pairwise(times)] + [2000]
    small = [picture.resize(FILM_SIZE, Image.Resampling.LANCZOS) for _, picture in film]
    small = [picture.quantize(64, dither=Image.Dither.NONE) for picture in small]
    small[0].save(
        path,
        save_all=True,
        append_images=small[1:],
        duration=durations,
        loop=0,
        optimize=True,
    )


if __name__ == "__main__":
    main()
