"""RunProgress: what a viewer knows of a run after each of its events."""

from dataclasses import replace
from pathlib import Path

import pytest

from t2v.events import Notice
from t2v.runs.events import Failed, Queued, Rewound, SegmentReady, Started
from t2v.runs.progress import MAX_NOTICES, RunProgress
from tests.support.events import PROGRESS
from tests.support.fakes import PaintingStream, paint, settings


def fold(*events, **config) -> RunProgress:
    progress = RunProgress(settings(num_chunks=7, **config))
    for event in events:
        progress.add(event)
    return progress


def segment(stage: str, start_frame: int, num_frames: int) -> SegmentReady:
    return SegmentReady(
        stage=stage,
        index=0,
        path=Path("a.mp4"),
        start_frame=start_frame,
        num_frames=num_frames,
    )


def rewound(num_frames: int, num_refined_frames: int) -> Rewound:
    return Rewound(revision=3, num_frames=num_frames, num_refined_frames=num_refined_frames)


def test_a_new_run_has_the_numbers_of_its_settings():
    progress = fold(refine=True)
    assert (progress.num_frames, progress.fps, progress.refines) == (64, 8, True)
    assert (progress.latest, progress.picture, progress.revision) == (None, None, 0)
    assert progress.playable == progress.starts == {"preview": 0, "refined": 0}


def test_segments_make_frames_of_their_track_playable():
    progress = fold(segment("initialization", 0, 16), segment("streaming_t2v", 16, 8))
    progress.add(segment("refinement", 0, 11))
    assert progress.playable == {"preview": 24, "refined": 11}
    assert progress.num_playable == 24


def test_an_extended_run_says_its_new_length():
    assert fold(Started(num_chunks=9, num_frames=80, fps=8)).num_frames == 80


def test_each_track_keeps_its_newest_progress():
    refining = replace(PROGRESS, stage="refinement", chunk_index=0)
    progress = fold(PROGRESS, refining, replace(PROGRESS, step=4))
    assert progress.progress == {"preview": replace(PROGRESS, step=4), "refined": refining}
    assert progress.latest == replace(PROGRESS, step=4)


def test_the_picture_is_the_newest_one_of_the_preview():
    progress = fold(replace(PROGRESS, picture=paint(5)))
    progress.add(replace(PROGRESS, stage="refinement", picture=paint(6)))
    assert (progress.picture == paint(5)).all()
    progress.add(PROGRESS)  # the preview waits for the refiner
    assert progress.picture is None


def test_a_rewind_takes_back_what_no_longer_holds():
    progress = fold(segment("initialization", 0, 16), replace(PROGRESS, picture=paint(5)))
    progress.add(Failed(message="the disk is full"))
    progress.add(rewound(8, 3))
    assert progress.revision == 3
    assert progress.playable == progress.starts == {"preview": 8, "refined": 3}
    assert (progress.latest, progress.picture, progress.progress) == (None, None, {})
    progress.add(segment("streaming_t2v", 8, 8))
    assert progress.num_playable == 16
    assert progress.starts == {"preview": 8, "refined": 3}


def test_only_the_newest_notices_are_kept():
    texts = [f"word {number} is unknown" for number in range(MAX_NOTICES + 2)]
    assert fold(*map(Notice, texts)).notices == texts[2:]


@pytest.mark.parametrize(
    ("event", "is_waiting"),
    [(Queued(position=1), True), (Queued(position=0), False), (PROGRESS, False)],
)
def test_a_run_waits_while_others_come_first(event, is_waiting):
    assert fold(event).is_waiting is is_waiting


def test_the_fold_of_a_finished_run_ends_with_all_its_frames(start_worker):
    worker = start_worker(PaintingStream())
    run = settings(refine=True)
    progress = RunProgress(run)
    for event in worker.watch(worker.submit(run)):
        progress.add(event)
    assert progress.playable == {"preview": 32, "refined": 32}
    assert progress.latest.state == "finished"
