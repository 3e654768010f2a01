"""Takes the pictures of the page: before, during and after a run, wide and narrow, light and dark.

python app.py --port 7860 &
python docs/screenshots.py http://127.0.0.1:7860
"""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright


SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
SEEN = 1.5  # seconds of the video that were played when "during" is taken
CHROMIUM = "/usr/bin/chromium"
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
    parser.add_argument("--animation", type=Path, help="record one run as this GIF instead")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    executable = CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        if options.animation:
            animate(browser, options.url, options.animation)
            return
        for size in SIZES:
            for scheme in ("light", "dark"):
                take(browser, options.url, options.out, size, scheme)
        browser.close()


def take(browser: Browser, url: str, out: Path, size: str, scheme: str) -> None:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1
    )
    page = context.new_page()
    page.goto(f"{url}?__theme={scheme}")
    page.get_by_role("button", name="Generate").wait_for()
    page.wait_for_timeout(1000)
    picture(page, out / f"before-{size}-{scheme}.png")

    generate_an_example(page)
    page.wait_for_function(f"document.querySelector('#live video')?.currentTime > {SEEN}")
    picture(page, out / f"during-{size}-{scheme}.png")

    page.locator(".status.finished").wait_for(timeout=600_000)
    page.locator("#screen.over").wait_for(timeout=60_000)
    page.wait_for_timeout(500)
    picture(page, out / f"after-{size}-{scheme}.png")
    context.close()


def animate(browser: Browser, url: str, path: Path, frames_per_second: int = 4) -> None:
    """The wide page from the click on Generate until the finished video is shown."""
    page = browser.new_page(viewport={"width": 1280, "height": 860})
    page.goto(f"{url}?__theme=light")
    page.get_by_role("button", name="Generate").wait_for()
    page.wait_for_timeout(1000)
    generate_an_example(page)
    pictures = []
    while not page.locator("#screen.over").count():
        pictures.append(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
        page.wait_for_timeout(1000 / frames_per_second)
    small = [picture.resize((960, 645), Image.Resampling.LANCZOS) for picture in pictures]
    small = [picture.quantize(96, dither=Image.Dither.NONE) for picture in small]
    small[0].save(
        path,
        save_all=True,
        append_images=small[1:],
        duration=1000 // frames_per_second,
        loop=0,
        optimize=True,
    )


def generate_an_example(page: Page) -> None:
    page.locator("#examples button").nth(2).click()  # its object never leaves the picture
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Generate").click()


def picture(page: Page, path: Path) -> None:
    page.screenshot(path=path, full_page=True)


if __name__ == "__main__":
    main()
