"""The estimates that a run writer returns, on a clock that only steps move."""

from dataclasses import replace

import pytest

from t2v.events import Chunk, StepDone, track_of
from t2v.runs.folder import RunFolder
from t2v.runs.writer import RunWriter
from tests.runs.clock import StillStopwatch
from tests.support.fakes import PaintingStream, opener, settings


@pytest.mark.parametrize("num_chunks", [8, 9])
def test_both_countdowns_end_when_the_chunks_are_done(tmp_path, num_chunks):
    run = settings(refine=True, num_chunks=num_chunks)
    stopwatch = StillStopwatch(100.0)  # of earlier executions
    writer = RunWriter(RunFolder.create(tmp_path, run), run, stopwatch)
    all_progress, done_at = [], {}
    for event in opener(PaintingStream())("painted")(run.config):
        if isinstance(event, StepDone):
            stopwatch.total += 10.0 if event.stage == "refinement" else 1.0
            all_progress += writer.write(event)
        if isinstance(event, Chunk):
            writer.write(event)
            done_at.setdefault((track_of(event.stage), event.index), stopwatch.total)
    has_refined = False  # nothing is known of the refiner before its first chunk is done
    for progress in all_progress:
        has_refined |= progress.track == "refined" and progress.chunk_index > 0
        if has_refined:
            now, chunk = progress.elapsed, (progress.track, progress.chunk_index)
            assert now + progress.next_chunk_in == pytest.approx(done_at[chunk]), progress
    assert {p.step for p in all_progress if p.track == "preview"} == {0, 1, 2}


def test_the_most_memory_in_use_is_recorded_over_all_executions(tmp_path):
    run = settings(num_chunks=3)
    folder = RunFolder.create(tmp_path, run)
    for memories, is_gpu in (((300, 900, 500), False), ((400, 700, 200), False), ((50,), True)):
        writer = RunWriter(folder, run, StillStopwatch(0.0))
        for event in opener(PaintingStream())("painted")(run.config):
            if isinstance(event, StepDone):
                memory = memories[event.chunk_index % len(memories)]
                event = replace(event, memory=memory, is_gpu=is_gpu)
            writer.write(event)
    record = folder.read()
    assert (record.peak_memory, record.peak_gpu_memory) == (900, 50)
