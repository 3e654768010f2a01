"""The picture over a live player: what it is, and until when."""

import re
from base64 import b64decode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from t2v.runs.events import SegmentReady
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_events
from t2v.runs.progress import RunProgress
from t2v.ui.cover import Cover
from tests.support.events import PROGRESS
from tests.support.fakes import made, paint, read_number, settings


def shown_frame(html: str) -> tuple[int, int]:
    data = re.search('src="data:image/[a-z]+;base64,([^"]+)', html)[1]
    return read_number(np.asarray(Image.open(BytesIO(b64decode(data))).convert("RGB")))


def until(html: str) -> float:
    return float(re.search('data-until="([^"]+)', html)[1])


def followed(folder: RunFolder) -> RunProgress:
    progress = RunProgress(settings())
    for event in iter_events(folder):
        progress.add(event)
    return progress


@pytest.fixture
def folder(worker):
    """Of a finished run of three chunks, 32 frames."""
    return RunFolder(worker.runs_dir / made(worker, num_chunks=3))


@pytest.mark.parametrize(("track", "is_refined"), [("preview", False), ("refined", True)])
def test_a_continued_run_is_covered_by_its_last_frame(worker, track, is_refined):
    run_id = made(worker, num_chunks=3, refine=is_refined)
    worker.commands.redo(run_id, 2, seed=6)
    folder = RunFolder(worker.runs_dir / run_id)
    cover = Cover(folder, track, fps=8, has_ended=False)
    html = cover.first()
    start = followed(folder).starts[track]
    assert start > 0 and until(html) == start / 8
    assert shown_frame(html)[0] == start - 1
    assert cover.update(followed(folder)) is None


def test_the_first_chunk_is_covered_by_its_rough_preview(tmp_path):
    cover = Cover(RunFolder(tmp_path), "preview", fps=8, has_ended=False)
    progress = RunProgress(settings())
    assert cover.first() == "" and cover.update(progress) is None
    for number in (77, 78):
        progress.add(replace(PROGRESS, picture=paint(number)))
        html = cover.update(progress)
        assert shown_frame(html)[0] == number and until(html) == 0
    progress.add(
        SegmentReady(
            stage="initialization", index=0, path=tmp_path / "a", start_frame=0, num_frames=16
        )
    )
    progress.add(replace(PROGRESS, picture=paint(79)))
    assert cover.update(progress) is None  # or it would cover the player again


def test_a_run_that_ends_with_nothing_leaves_no_picture(tmp_path):
    from t2v.runs.events import Failed

    cover = Cover(RunFolder(tmp_path), "preview", fps=8, has_ended=False)
    progress = RunProgress(settings())
    progress.add(replace(PROGRESS, picture=paint(77)))
    assert cover.update(progress)
    progress.add(Failed(message="no memory"))
    assert cover.update(progress) == ""


def test_a_finished_run_is_covered_by_its_first_frame_until_its_file_is_loaded(folder):
    cover = Cover(folder, "preview", fps=8, has_ended=True)
    assert shown_frame(cover.first())[0] == 0
    assert cover.update(followed(folder)) is None


def test_a_segment_that_is_gone_covers_nothing(worker):
    run_id = made(worker, num_chunks=3)
    worker.commands.redo(run_id, 2, seed=6)
    folder = RunFolder(worker.runs_dir / run_id)
    for path in folder.segments_dir.glob("*.mp4"):
        path.unlink()
    assert Cover(folder, "preview", fps=8, has_ended=False).first() == ""
