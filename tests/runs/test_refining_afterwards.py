"""A run that was made without its refined video gets it later, with the same frames."""

from dataclasses import replace

import pytest

from t2v.errors import ConfigError, RunError
from t2v.events import Track
from t2v.generator import Generator, stream_function
from t2v.media.reader import read_frames
from t2v.media.video import read_metadata
from t2v.runs.events import SegmentReady
from t2v.runs.worker import Worker
from tests.support.fakes import (
    REFINER,
    PaintedRefiner,
    PaintingStream,
    StepGate,
    is_yellow,
    made,
    painted_preset,
    read_numbers,
    settings,
)
from tests.support.small_refiner import new_refiner
from tests.support.small_stack import new_stack


TRACKS: tuple[Track, ...] = ("preview", "refined")


def hashes_of(worker, run_id) -> dict[Track, list[str]]:
    """The hashes of the frames of all chunks, by track."""
    hashes: dict[Track, list[str]] = {track: [] for track in TRACKS}
    for event in worker.watch(run_id):
        if isinstance(event, SegmentReady):
            hashes[event.track].append(event.sha256)
    return hashes


def stopped_after(worker, steps, num_made, **config) -> str:
    """A run of which so many chunks of two steps were made."""
    run_id = worker.submit(settings(**config))
    steps.release(2 * num_made + 1)
    for event in worker.watch(run_id):
        if isinstance(event, SegmentReady) and event.index == num_made - 1:
            worker.commands.stop(run_id)
            steps.release(1)
    return run_id


def test_a_finished_run_gets_the_refined_frames_that_it_would_have_had(start_worker):
    worker = start_worker(stream := PaintingStream())
    whole, later = made(worker, num_chunks=7, refine=True), made(worker, num_chunks=7)
    num_steps = stream.num_steps_done
    worker.commands.refine(later, REFINER)
    end = list(worker.watch(later))[-1]
    assert hashes_of(worker, later) == hashes_of(worker, whole)
    assert stream.num_steps_done == num_steps  # nothing of the preview is drawn again
    assert (end.state, end.num_frames, end.num_refined_frames) == ("finished", 64, 64)
    assert is_yellow(read_frames(end.refined_path))
    assert worker.record(later).settings == worker.record(whole).settings
    assert read_metadata(end.path) == read_metadata(worker.runs_dir / whole / "video.mp4")


def test_of_a_stopped_run_what_was_made_is_refined_and_nothing_more(start_worker, steps):
    worker = start_worker(stream := PaintingStream(gate=steps))
    later = stopped_after(worker, steps, 4, num_chunks=200)
    assert worker.record(later).num_frames == 40
    num_steps = stream.num_steps_done
    steps.open()
    worker.commands.refine(later, REFINER)
    end = list(worker.watch(later))[-1]
    assert (end.state, end.num_frames, end.num_refined_frames) == ("finished", 40, 40)
    assert stream.num_steps_done == num_steps
    whole = made(worker, num_chunks=4, refine=True)
    assert hashes_of(worker, later) == hashes_of(worker, whole)


def test_refining_that_is_interrupted_resumes_with_the_same_frames(start_worker):
    gate = StepGate()
    worker = start_worker(PaintingStream(), PaintedRefiner(gate=gate))
    run_id = made(worker, num_chunks=7)
    worker.commands.refine(run_id, REFINER)
    gate.release(2 * REFINER.num_inference_steps + 1)
    for event in worker.watch(run_id):
        if isinstance(event, SegmentReady) and event.track == "refined" and event.index == 1:
            break
    worker.queue.close()
    gate.open()
    worker.close()
    assert worker.record(run_id).state == "interrupted"

    refiner = PaintedRefiner()
    worker = start_worker(PaintingStream(), refiner)
    end = list(worker.watch(run_id))[-1]
    assert (end.state, end.num_refined_frames) == ("finished", 64)
    assert refiner.num_steps_done == 2 * REFINER.num_inference_steps  # two of four chunks
    assert read_numbers(read_frames(end.refined_path)) == list(range(64))
    assert hashes_of(worker, run_id) == hashes_of(worker, made(worker, num_chunks=7, refine=True))


def test_what_cannot_be_refined_is_refused_and_stays_as_it_is(start_worker, steps):
    worker = start_worker(PaintingStream(gate=steps))
    waiting = [worker.submit(settings()) for _ in range(2)][1]
    with pytest.raises(RunError, match="has not ended"):
        worker.commands.refine(waiting, REFINER)
    worker.commands.stop(waiting)
    with pytest.raises(RunError, match="no finished chunk yet"):
        worker.commands.refine(waiting, REFINER)
    steps.open()
    for config, kind, words in (
        ({"refine": True}, RunError, "refined already"),
        ({"blending": "joint"}, ConfigError, "blending must not be joint"),
    ):
        run_id = made(worker, **config)
        before = worker.record(run_id)
        with pytest.raises(kind, match=words):
            worker.commands.refine(run_id, REFINER)
        assert worker.record(run_id) == before


def test_real_networks_refine_a_finished_run_with_identical_frames(tmp_path):
    stack, refiner = new_stack(), new_refiner()
    preset = painted_preset(frame_size=stack.frame_size, refiner=refiner.settings)
    generator = Generator.from_networks(preset, stack, lambda: refiner)
    plain = settings(num_chunks=4, num_inference_steps=2)
    refined = replace(plain, config=replace(plain.config, refine=True), refiner=refiner.settings)
    worker = Worker(lambda _: stream_function(generator), tmp_path / "runs")
    try:
        whole, later = worker.submit(refined), worker.submit(plain)
        assert list(worker.watch(later))[-1].num_frames == 40
        worker.commands.refine(later, refiner.settings)
        hashes = hashes_of(worker, later)
        assert len(hashes["refined"]) == 3 and hashes == hashes_of(worker, whole)
    finally:
        worker.close()
