"""A run that refines: two videos of the same frames, and both are kept however it ends."""

import threading

import pytest

from t2v.jobs.run_folder import RunSettings
from t2v.jobs.updates import Failed, Progress, SegmentReady, Started
from t2v.media.video import read_frames, read_metadata
from tests.fakes import PaintedRefiner, PaintingStream, is_yellow, read_numbers, settings


def watch(worker, **config):
    """All updates of a run that refines."""
    return list(worker.watch(worker.submit(settings(refine=True, **config))))


def of_kind(updates, kind, is_refined):
    found = (update for update in updates if isinstance(update, kind))
    return [update for update in found if update.is_refined == is_refined]


def test_both_files_have_every_frame_once_and_in_order(start_worker):
    end = watch(start_worker(PaintingStream()), num_chunks=7)[-1]
    assert (end.state, end.num_frames, end.num_refined_frames) == ("finished", 64, 64)
    preview, refined = read_frames(end.path), read_frames(end.refined_path)
    assert read_numbers(preview) == read_numbers(refined) == list(range(64))
    assert preview.shape[1:3] == (64, 64) and not is_yellow(preview)
    assert refined.shape[1:3] == (96, 96) and is_yellow(refined)


def test_refined_segments_come_while_the_preview_is_still_growing(start_worker):
    updates = watch(start_worker(PaintingStream()), num_chunks=12)
    segments = [update for update in updates if isinstance(update, SegmentReady)]
    assert [s.start_frame for s in segments if s.is_refined] == [0, 16, 32, 48, 64, 80, 96]
    assert segments.index(next(s for s in segments if s.is_refined)) < 5
    for segment in segments:
        frames = read_frames(segment.path)
        first = segment.start_frame
        assert read_numbers(frames) == list(range(first, first + segment.num_frames))
        assert is_yellow(frames) == segment.is_refined


def test_each_video_has_a_progress_and_an_estimate_of_its_own(start_worker):
    worker = start_worker(PaintingStream(seconds_per_step=0.05), PaintedRefiner(0.05))
    updates = watch(worker, num_chunks=6)
    for is_refined, num_chunks in ((False, 6), (True, 3)):
        progress = of_kind(updates, Progress, is_refined)
        steps = [(p.chunk_index, p.step) for p in progress]
        assert steps == sorted(steps)
        assert {p.num_chunks for p in progress} == {num_chunks}
        assert progress[-1].eta < progress[0].eta / 4


def test_whoever_comes_in_the_middle_is_told_where_both_videos_are(start_worker):
    gate = threading.Event()
    stream = PaintingStream(gate=gate)
    worker = start_worker(stream)
    gate.set()
    run_id = worker.submit(settings(refine=True, num_chunks=200))
    for update in worker.watch(run_id):
        if isinstance(update, SegmentReady) and update.is_refined:
            break
    gate.clear()
    follower, late = worker.follow(run_id), []
    for _ in range(100):
        late += follower.poll()
    worker.stop(run_id)
    gate.set()
    assert {p.is_refined for p in late if isinstance(p, Progress)} == {False, True}


def test_stop_ends_within_one_step_and_keeps_both_videos(start_worker):
    stream, refiner = PaintingStream(0.02), PaintedRefiner(0.02)
    worker = start_worker(stream, refiner)
    run_id = worker.submit(settings(refine=True, num_chunks=200))
    watching = worker.watch(run_id)
    for update in watching:
        if isinstance(update, SegmentReady) and update.is_refined and update.index == 1:
            break
    worker.stop(run_id)
    num_steps = stream.num_steps_done + refiner.num_steps_done
    end = list(watching)[-1]
    assert end.state == "stopped"
    assert stream.num_steps_done + refiner.num_steps_done <= num_steps + 1
    assert (stream.num_closed, refiner.num_closed) == (1, 1)
    assert 32 <= end.num_refined_frames < end.num_frames
    assert read_numbers(read_frames(end.path)) == list(range(end.num_frames))
    assert read_numbers(read_frames(end.refined_path)) == list(range(end.num_refined_frames))
    assert worker.record(run_id).num_refined_frames == end.num_refined_frames


@pytest.mark.parametrize("fails_at", [0, 1])
def test_a_refiner_that_breaks_takes_nothing_away(start_worker, fails_at):
    refiner = PaintedRefiner(fails_at=fails_at, error=MemoryError())
    end = watch(start_worker(PaintingStream(), refiner), num_chunks=9)[-1]
    assert isinstance(end, Failed) and "not enough memory" in end.message
    assert read_numbers(read_frames(end.path)) == list(range(end.num_frames))
    assert end.num_refined_frames == 16 * fails_at
    assert (end.refined_path is None) == (fails_at == 0)


def test_a_run_that_is_stopped_after_its_preview_is_not_complete(start_worker):
    worker = start_worker(PaintingStream(), PaintedRefiner(0.2))
    run_id = worker.submit(settings(refine=True, num_chunks=2))
    for update in worker.watch(run_id):
        if isinstance(update, SegmentReady) and update.index == 1:
            worker.stop(run_id)
    assert (update.state, update.num_frames, update.num_refined_frames) == ("stopped", 24, 0)


def test_files_and_record_say_that_and_how_it_was_refined(start_worker):
    worker = start_worker(PaintingStream())
    wanted = settings(refine=True, blending="shared_noise")
    run_id = worker.submit(wanted)
    end = list(worker.watch(run_id))[-1]
    for path in (end.path, end.refined_path):
        metadata = read_metadata(path)
        assert (metadata["refine"], metadata["blending"]) == (True, "shared_noise")
    assert worker.record(run_id).settings == wanted


def test_a_late_watcher_gets_the_segments_of_both(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(refine=True))
    facts = (Started, SegmentReady)
    first, late = (
        [update for update in worker.watch(run_id) if isinstance(update, facts)] for _ in "ab"
    )
    assert late == first
    assert len([fact for fact in late if isinstance(fact, SegmentReady) and fact.is_refined]) == 2


def test_the_folder_holds_what_its_docstring_says_and_no_leftovers(start_worker):
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


def test_runs_from_before_there_was_a_refiner_can_be_read():
    values = settings().to_json()
    del values["refiner"]
    assert RunSettings.from_json(values) == settings()
