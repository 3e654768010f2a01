"""What is told of time, on a clock that only steps move."""

import pytest

from t2v.events import Chunk, StepDone
from t2v.jobs.pace import Stopwatch
from t2v.jobs.recorder import Recorder
from t2v.jobs.run_folder import RunFolder
from tests.fakes import PaintingStream, opener, settings


class Clock(Stopwatch):
    total = 0.0

    def __init__(self, before: float):
        self.total = before


@pytest.mark.parametrize("num_chunks", [8, 9])
def test_both_countdowns_end_when_the_chunks_are_there(tmp_path, num_chunks):
    run = settings(refine=True, num_chunks=num_chunks)
    watch = Clock(100.0)  # what earlier turns took
    recorder = Recorder(RunFolder.create(tmp_path, run), run, watch)
    told, ready = [], {}
    for event in opener(PaintingStream())("painted")(run.config):
        if isinstance(event, StepDone):
            watch.total += 10.0 if event.stage == "refinement" else 1.0
            told += recorder.record(event)
        if isinstance(event, Chunk):
            recorder.record(event)
            ready.setdefault((event.stage == "refinement", event.index), watch.total)
    has_begun = False  # nothing is known of the refiner before its first chunk is done
    for progress in told:
        has_begun |= progress.is_refined and progress.chunk_index > 0
        if has_begun:
            now, chunk = progress.elapsed, (progress.is_refined, progress.chunk_index)
            assert now + progress.next_chunk_in == pytest.approx(ready[chunk]), progress
    assert {p.step for p in told if not p.is_refined} == {0, 1, 2}
