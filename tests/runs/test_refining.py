"""Runs that refine: two tracks with the same frames; both are kept however the run ends."""

import threading

import pytest

from t2v.media.reader import read_frames
from t2v.media.video import read_metadata
from t2v.runs.events import Failed, Progress, SegmentReady, Started
from t2v.runs.record import RunSettings
from tests.runs.clock import progress_of_all_steps
from tests.support.fakes import PaintedRefiner, PaintingStream, is_yellow, read_numbers, settings


def watch(worker, **config):
    """All events of a run that refines."""
    return list(worker.watch(worker.submit(settings(refine=True, **config))))


def of_kind(events, kind, track):
    found = (event for event in events if isinstance(event, kind))
    return [event for event in found if event.track == track]


def test_both_tracks_have_every_frame_once_and_in_order(start_worker):
    end = watch(start_worker(PaintingStream()), num_chunks=7)[-1]
    assert (end.state, end.num_frames, end.num_refined_frames) == ("finished", 64, 64)
    preview, refined = read_frames(end.path), read_frames(end.refined_path)
    assert read_numbers(preview) == read_numbers(refined) == list(range(64))
    assert preview.shape[1:3] == (64, 64) and not is_yellow(preview)
    assert refined.shape[1:3] == (96, 96) and is_yellow(refined)


def test_refined_segments_come_while_the_preview_is_still_growing(start_worker):
    events = watch(start_worker(PaintingStream()), num_chunks=12)
    segments = [event for event in events if isinstance(event, SegmentReady)]
    assert [s.start_frame for s in segments if s.track == "refined"] == [0, 16, 32, 48, 64, 80, 96]
    assert segments.index(next(s for s in segments if s.track == "refined")) < 5
    for segment in segments:
        frames = read_frames(segment.path)
        first = segment.start_frame
        assert read_numbers(frames) == list(range(first, first + segment.num_frames))
        assert is_yellow(frames) == (segment.track == "refined")


def test_each_track_has_a_progress_and_an_estimate_of_its_own(tmp_path):
    events = progress_of_all_steps(settings(refine=True, num_chunks=6), tmp_path)
    for track, num_chunks in (("preview", 6), ("refined", 3)):
        progress = of_kind(events, Progress, track)
        steps = [(p.chunk_index, p.step) for p in progress]
        assert steps == sorted(steps)
        assert {p.num_chunks for p in progress} == {num_chunks}
        assert progress[-1].eta < progress[0].eta / 4


def test_a_late_viewer_gets_the_progress_of_both_tracks(start_worker):
    gate = threading.Event()
    stream = PaintingStream(gate=gate)
    worker = start_worker(stream)
    gate.set()
    run_id = worker.submit(settings(refine=True, num_chunks=200))
    for event in worker.watch(run_id):
        if isinstance(event, SegmentReady) and event.track == "refined":
            break
    gate.clear()
    reader, late = worker.open_reader(run_id), []
    for _ in range(100):
        late += reader.poll()
    worker.commands.stop(run_id)
    gate.set()
    assert {p.track for p in late if isinstance(p, Progress)} == {"preview", "refined"}


def test_stop_ends_within_one_step_and_keeps_both_tracks(start_worker):
    stream, refiner = PaintingStream(0.02), PaintedRefiner(0.02)
    worker = start_worker(stream, refiner)
    run_id = worker.submit(settings(refine=True, num_chunks=200))
    view = worker.watch(run_id)
    for event in view:
        if isinstance(event, SegmentReady) and event.track == "refined" and event.index == 1:
            break
    worker.commands.stop(run_id)
    num_steps = stream.num_steps_done + refiner.num_steps_done
    end = list(view)[-1]
    assert end.state == "stopped"
    assert stream.num_steps_done + refiner.num_steps_done <= num_steps + 1
    assert (stream.num_closed, refiner.num_closed) == (1, 1)
    assert 32 <= end.num_refined_frames < end.num_frames
    assert read_numbers(read_frames(end.path)) == list(range(end.num_frames))
    assert read_numbers(read_frames(end.refined_path)) == list(range(end.num_refined_frames))
    assert worker.record(run_id).num_refined_frames == end.num_refined_frames


@pytest.mark.parametrize("fails_at", [0, 1])
def test_a_failing_refiner_loses_no_frames(start_worker, fails_at):
    refiner = PaintedRefiner(fails_at=fails_at, error=MemoryError())
    end = watch(start_worker(PaintingStream(), refiner), num_chunks=9)[-1]
    assert isinstance(end, Failed) and "not enough memory" in end.message
    assert read_numbers(read_frames(end.path)) == list(range(end.num_frames))
    assert end.num_refined_frames == 16 * fails_at
    assert (end.refined_path is None) == (fails_at == 0)


def test_a_run_that_is_stopped_after_its_preview_is_not_complete(start_worker):
    gate = threading.Event()
    worker = start_worker(PaintingStream(), PaintedRefiner(gate=gate))
    run_id = worker.submit(settings(refine=True, num_chunks=2))
    for event in worker.watch(run_id):
        if isinstance(event, SegmentReady) and event.index == 1:
            worker.commands.stop(run_id)
            gate.set()
    assert (event.state, event.num_frames, event.num_refined_frames) == ("stopped", 24, 0)


def test_files_and_record_have_the_refiner_settings(start_worker):
    worker = start_worker(PaintingStream())
    run = settings(refine=True, blending="shared_noise")
    run_id = worker.submit(run)
    end = list(worker.watch(run_id))[-1]
    for path in (end.path, end.refined_path):
        metadata = read_metadata(path)
        assert (metadata["refine"], metadata["blending"]) == (True, "shared_noise")
    assert worker.record(run_id).settings == run


def test_a_late_viewer_gets_the_segments_of_both_tracks(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(refine=True))
    kinds = (Started, SegmentReady)
    first, late = (
        [event for event in worker.watch(run_id) if isinstance(event, kinds)] for _ in "ab"
    )
    assert late == first
    assert len(of_kind(late, SegmentReady, "refined")) == 2


def test_the_folder_contains_the_documented_files_and_no_others(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(refine=True))
    list(worker.watch(run_id))
    folder = worker.runs_dir / run_id
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    assert sorted(files) == [
        "events.jsonl",
        "memory/00000000.npz",
        "memory/00000016.npz",
        "memory/00000024.npz",
        "memory/refiner-00000024.npz",
        "refined.mp4",
        "run.json",
        "segments/00000000.mp4",
        "segments/00000016.mp4",
        "segments/00000024.mp4",
        "segments/refined-00000000.mp4",
        "segments/refined-00000016.mp4",
        "thumbnail.jpg",
        "thumbnails/00000000.jpg",
        "thumbnails/00000016.jpg",
        "thumbnails/00000024.jpg",
        "video.json",
        "video.mp4",
    ]


def test_settings_older_than_the_refiner_can_be_read():
    values = settings().to_json()
    del values["refiner"]
    assert RunSettings.from_json(values) == settings()
