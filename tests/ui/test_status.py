"""The status box, event by event."""

import time
from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from t2v.runs.events import Queued, SegmentReady, to_json
from t2v.runs.progress import RunProgress
from t2v.runs.sharing.workers import WorkerState
from t2v.ui.status import StatusBox
from tests.support.events import PROGRESS
from tests.support.fakes import paint, read_number, settings


DRAWN = SegmentReady(
    stage="initialization", index=0, path=Path("a.mp4"), start_frame=0, num_frames=16
)


def status_of(*events, **config) -> tuple[RunProgress, StatusBox]:
    run = settings(num_chunks=7, **config)
    progress = RunProgress(run)
    for event in events:
        progress.add(event)
    return progress, StatusBox(progress, run.chunking)


def test_the_owner_sees_which_worker_makes_which_run():
    progress, _ = status_of(PROGRESS)
    workers = [
        WorkerState(name="GPU 0", preset="shapes", run_id="3f9a" * 6),
        WorkerState(name="<b>GPU 1"),
    ]
    html = StatusBox(progress, settings().chunking, lambda: workers).to_html()
    link = f'<a href="?run={"3f9a" * 6}">3f9a3f9a</a>'
    assert f"GPU 0 makes {link} · &lt;b&gt;GPU 1 idle" in html
    assert 'class="workers"' not in html_of(PROGRESS)


def html_of(*events, **config) -> str:
    _, status = status_of(*events, **config)
    return status.to_html()


def shown_number(html: str) -> int:
    """Of the painted picture in the box."""
    data = html.partition('src="data:image/png;base64,')[2].partition('"')[0]
    return read_number(np.asarray(Image.open(BytesIO(b64decode(data)))))[0]


def test_the_chunk_being_denoised_is_shown_in_rough_colours():
    html = html_of(DRAWN, replace(PROGRESS, picture=paint(77)))
    assert shown_number(html) == 77
    assert "in rough colours" in html


def test_the_first_chunk_is_shown_on_the_screen_and_not_here():
    assert "<img" not in html_of(replace(PROGRESS, picture=paint(77)))


def test_the_picture_changes_twice_a_second_at_most(monkeypatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    (progress, status), shown = status_of(DRAWN), []
    for number in range(20):
        progress.add(replace(PROGRESS, picture=paint(number)))
        shown.append(shown_number(status.to_html()))
        now += 0.1
    assert len(set(shown)) == 4


def test_the_picture_goes_while_the_other_video_is_made():
    drawn = replace(PROGRESS, picture=paint(1))
    assert "<img" in html_of(DRAWN, drawn, refine=True)
    assert "<img" not in html_of(DRAWN, drawn, PROGRESS, refine=True)


@pytest.mark.parametrize(("is_gpu", "name"), [(False, "Memory"), (True, "GPU memory")])
def test_step_time_and_memory_are_shown(is_gpu, name):
    html = html_of(replace(PROGRESS, is_gpu=is_gpu))
    assert "<dt>One step</dt><dd>0.12 s</dd>" in html
    assert f"<dt>{name}</dt><dd>1.5 GB</dd>" in html


def test_a_resumed_preview_is_not_said_to_start(tmp_path):
    drawn = SegmentReady(
        stage="initialization", index=0, path=tmp_path / "a.mp4", start_frame=0, num_frames=16
    )
    refining = replace(PROGRESS, stage="refinement")
    assert "2.0 s so far, waits for the other video" in html_of(drawn, refining, refine=True)
    html = html_of(refining, refine=True)
    assert "starts when its first frames are ready" in html


def test_the_place_in_the_queue_is_shown():
    assert "You are next" in html_of(Queued(position=1))
    assert "Place 3 in the queue" in html_of(Queued(position=3))
    stuck = html_of(Queued(position=1, obstacle="the <b> preset needs a GPU with 7.0 GB"))
    assert "No worker can make this video now: the &lt;b&gt; preset needs a GPU" in stuck
    assert "You are next" not in stuck
    assert "Preparing" in html_of(Queued(position=0))


def test_programs_get_no_picture():
    assert "picture" not in to_json(replace(PROGRESS, picture=paint(1)))
