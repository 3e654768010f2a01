"""Helios with small random weights in the page: chunks of 33 frames play while others are made."""

import pytest

from t2v.generator import Generator, stream_function
from t2v.pipeline.helios_loading import load_helios
from tests.support.browser_steps import SECOND, ask, download, wait_for_state
from tests.support.fakes import PaintingStream
from tests.support.small_helios import small_helios_preset, write_small_helios


pytestmark = pytest.mark.browser


@pytest.fixture
def address(serve, tmp_path):
    preset = small_helios_preset(write_small_helios(tmp_path / "helios"))
    generator = Generator.from_helios(preset, load_helios(preset, device="cpu"))
    stream = stream_function(generator)
    url, _ = serve(PaintingStream(), open_stream=lambda name: stream, preset=preset)
    return url


def test_a_video_plays_while_it_is_made(address, visit, tmp_path):
    page = visit(address)
    ask(page, chunks=20)
    page.wait_for_function(
        "document.querySelector('#live video')?.currentTime > 0.3", timeout=180 * SECOND
    )
    page.get_by_role("button", name="Stop").click()
    wait_for_state(page, "stopped")
    num_frames, *size = download(page, tmp_path / "video.mp4").shape
    assert 33 <= num_frames < 20 * 33 and num_frames % 33 == 0 and size == [64, 128, 3]
