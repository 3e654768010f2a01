"""The strip of measurements: bars for the eye, sentences and a table for everybody."""

import asyncio
import re

import pytest

from t2v.runs.measurements import Measurements
from t2v.ui.measures import measures_strip
from tests.runs.test_measurements import chunk, folded
from tests.support.fakes import made, painted_preset, settings
from tests.support.page import Page


def strip_of(*events, num_chunks: int = 5) -> str:
    measurements = Measurements()
    for event in events:
        measurements.add(event)
    return measures_strip(measurements, num_chunks)


def test_there_is_no_strip_without_numbers():
    assert strip_of() == ""


def test_each_chunk_has_a_column_with_its_numbers_as_text():
    html = strip_of(chunk(0, seam_ratio=None, is_cut=None), chunk(1, motion=12.345, is_cut=True))
    assert html.count("<i ") == 2 and html.count("<i></i>") == 3
    assert "Chunk 0: motion 0.00 px a frame, seam none, drift 3.00, sharpness 50%, no cut" in html
    newest = "Chunk 1: motion 12.3 px a frame, seam 2.00, drift 3.00, sharpness 50%, 1 cut"
    assert f'<span data-default="{newest}">{newest}</span>' in html
    assert f'aria-valuenow="1" aria-valuetext="{newest}"' in html
    assert html.count('class="cut"') == 1


def test_screen_readers_get_a_table():
    html = strip_of(chunk(0), chunk(1))
    assert '<table class="sr-only"><caption>' in html
    assert '<tr><th scope="row">1</th><td>1.00</td><td>2.00</td><td>3.00</td>' in html


def test_a_stagnant_chunk_has_a_badge_and_later_ones_say_how_many_there_were():
    still = chunk(0, stagnant_share=1.0)
    assert '<b class="badge">stagnant</b>' in strip_of(still)
    assert '<b class="badge past">1 stagnant</b>' in strip_of(still, chunk(1))
    assert "badge" not in strip_of(chunk(0, stagnant_share=0.5))


def test_a_strong_seam_looks_different():
    assert 'class="seam strong"' in strip_of(chunk(0, seam_ratio=2.0))
    assert 'class="seam strong"' not in strip_of(chunk(0, seam_ratio=1.99))


@pytest.mark.parametrize("num_chunks", [49, 2000])
def test_a_long_video_has_few_columns(num_chunks):
    measurements = folded(num_chunks, max_spans=48)
    html = measures_strip(measurements, num_chunks)
    assert html.count("<i ") <= 48 and len(html) < 60_000
    assert "Chunks 0 to " in html and "strongest seam" in html


def test_the_page_shows_the_strip_of_a_run_and_clears_that_of_another(worker):
    page = Page(worker, {"painted": painted_preset()})
    run_id = made(worker, num_chunks=4)

    async def views():
        return [view async for view in page.show(run_id)]

    first, *_, last = asyncio.run(views())
    assert first.measures == ""
    assert last.measures.count("<i ") == 4


def test_programs_get_the_numbers_as_events(worker):
    page = Page(worker, {"painted": painted_preset()})

    async def events():
        values = settings(num_chunks=2).to_json()["config"]
        known = {"prompt": "a red star", "num_chunks": 2, "num_inference_steps": 2}
        assert known.items() <= values.items()
        return [event async for event, _ in page.generation.make(preset="painted", **known)]

    numbers = [event for event in asyncio.run(events()) if event["type"] == "ChunkMeasured"]
    assert [event["index"] for event in numbers] == [0, 1]
    assert re.fullmatch("[0-9a-f]{24}", numbers[0]["run"])
    assert numbers[0]["seam_ratio"] is None and numbers[1]["motion"] >= 0
