"""What the status box says of a run, update by update."""

import time
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from t2v.jobs.updates import Progress, Queued, SegmentReady, to_json
from t2v.ui.status import RunStatus
from tests.fakes import paint, read_number, settings


PROGRESS = Progress("streaming_t2v", 2, 7, 3, 8, 21.0, 4.0, 30.0, 0.123, 1_460_000_000)


def status_of(*updates, **config) -> RunStatus:
    status = RunStatus(settings(num_chunks=7, **config))
    for update in updates:
        status.add(update)
    return status


def shown_number(html: str) -> int:
    """Of the painted picture in the box."""
    data = html.split('src="data:image/png;base64,')[1].split('"')[0]
    return read_number(np.asarray(Image.open(BytesIO(b64decode(data)))))[0]


def test_the_chunk_that_is_being_denoised_is_shown_in_rough_colours():
    html = status_of(replace(PROGRESS, picture=paint(77))).to_html()
    assert shown_number(html) == 77
    assert "in rough colours" in html


def test_a_new_picture_comes_twice_a_second_at_most(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    status, shown = status_of(), []
    for number in range(20):
        status.add(replace(PROGRESS, picture=paint(number)))
        shown.append(shown_number(status.to_html()))
        now += 0.1
    assert len(set(shown)) == 4


def test_no_picture_stays_of_a_video_that_waits_for_its_turn():
    status = status_of(replace(PROGRESS, picture=paint(1)), PROGRESS, refine=True)
    assert "<img" not in status.to_html()


@pytest.mark.parametrize(("is_gpu", "name"), [(False, "Memory"), (True, "GPU memory")])
def test_the_time_of_a_step_and_the_memory_in_use_are_told(is_gpu, name):
    html = status_of(replace(PROGRESS, is_gpu=is_gpu)).to_html()
    assert "<dt>One step</dt><dd>0.12 s</dd>" in html
    assert f"<dt>{name}</dt><dd>1.5 GB</dd>" in html


def test_a_preview_that_is_there_after_a_restart_is_not_said_to_begin(tmp_path):
    drawn = SegmentReady("initialization", 0, tmp_path / "a.mp4", 0, 16)
    refining = replace(PROGRESS, stage="refinement")
    assert "2.0 s so far, goes on in its turn" in status_of(drawn, refining, refine=True).to_html()
    html = status_of(refining, refine=True).to_html()
    assert "begins when its first frames are there" in html


def test_a_run_waits_as_long_as_others_come_first():
    assert status_of(Queued(1)).is_waiting
    assert not status_of(Queued(0)).is_waiting
    assert not status_of(PROGRESS).is_waiting


def test_programs_are_told_no_picture():
    assert "picture" not in to_json(replace(PROGRESS, picture=paint(1)))
