"""The worker: every run ends as it should, and runs do not disturb each other."""

import threading

import numpy as np
import pytest

from t2v.errors import ConfigError, PresetError, RunError
from t2v.events import Notice
from t2v.media.reader import read_frames
from t2v.media.video import read_metadata
from t2v.runs.events import Failed, Finished, Loading, Progress, Queued, SegmentReady, Started
from t2v.runs.folder import iter_folders
from t2v.runs.resume import MAX_ATTEMPTS
from t2v.runs.worker import Worker
from tests.runs.clock import StepStopwatch
from tests.support.fakes import PaintingStream, read_number, read_numbers, settings


PATIENCE = 30  # seconds


def of_kind(events, kind):
    return [event for event in events if isinstance(event, kind)]


def wait_for(view, kind):
    return next(event for event in view if isinstance(event, kind))


def test_a_run_ends_with_every_frame_once_and_in_order(start_worker):
    worker = start_worker(PaintingStream())
    end = list(worker.watch(worker.submit(settings(num_chunks=4))))[-1]
    assert (end.state, end.num_frames) == ("finished", 40)
    assert read_numbers(read_frames(end.path)) == list(range(40))


def test_a_viewer_gets_segments_in_order_and_then_the_end(start_worker):
    worker = start_worker(PaintingStream(seconds_per_step=0.01))
    events = list(worker.watch(worker.submit(settings())))
    segments = of_kind(events, SegmentReady)
    assert [(s.start_frame, s.num_frames) for s in segments] == [(0, 16), (16, 8), (24, 8)]
    assert [s.stage for s in segments] == ["initialization", "streaming_t2v", "streaming_t2v"]
    frames = np.concatenate([read_frames(s.path) for s in segments])
    assert read_numbers(frames) == list(range(32))
    assert of_kind(events, Started) == [Started(num_chunks=3, num_frames=32, fps=8)]
    assert isinstance(events[-1], Finished)


def test_progress_counts_steps_and_the_remaining_time(start_worker, steps, monkeypatch):
    stream = PaintingStream(gate=steps)
    monkeypatch.setattr("t2v.runs.maker.Stopwatch", lambda before: StepStopwatch(before, stream))
    worker = start_worker(stream)
    steps.release()
    progress = []
    for event in worker.watch(worker.submit(settings(num_chunks=3, num_inference_steps=2))):
        if isinstance(event, Progress):
            progress.append((event.chunk_index, event.step, event.next_chunk_in, event.eta))
            steps.release()
    assert progress == [
        (0, 1, 1, 5),
        (0, 2, 0, 4),
        (1, 1, 1, 3),
        (1, 2, 0, 2),
        (2, 1, 1, 1),
        (2, 2, 0, 0),
    ]


def test_a_late_viewer_gets_all_logged_events(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    first = list(worker.watch(run_id))
    late = list(worker.watch(run_id))
    kinds = (Started, SegmentReady, Finished)
    assert of_kind(late, kinds) == of_kind(first, kinds)


def test_two_viewers_see_the_same_run(start_worker):
    gate = threading.Event()
    worker = start_worker(PaintingStream(gate=gate))
    run_id = worker.submit(settings())
    views = [worker.watch(run_id), worker.watch(run_id)]
    gate.set()
    ends = [list(view)[-1] for view in views]
    assert ends[0] == ends[1]
    assert ends[0].state == "finished"


def test_a_viewer_who_does_not_read_delays_nobody(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    next(worker.watch(run_id))
    assert list(worker.watch(run_id))[-1].state == "finished"


def test_stop_ends_within_one_step_and_keeps_the_chunks_that_are_done(start_worker):
    stream = PaintingStream(seconds_per_step=0.03)
    worker = start_worker(stream)
    run_id = worker.submit(settings(num_chunks=50, num_inference_steps=4))
    view = worker.watch(run_id)
    wait_for(view, SegmentReady)
    wait_for(view, SegmentReady)
    worker.commands.stop(run_id)
    num_steps = stream.num_steps_done
    end = list(view)[-1]
    assert end.state == "stopped"
    assert stream.num_steps_done <= num_steps + 1
    assert stream.num_closed == 1
    assert read_numbers(read_frames(end.path)) == list(range(end.num_frames))
    assert end.num_frames >= 24
    assert worker.record(run_id).state == "stopped"


def test_stop_before_the_first_chunk_leaves_no_video(start_worker):
    stream = PaintingStream(seconds_per_step=0.02)
    worker = start_worker(stream)
    run_id = worker.submit(settings(num_inference_steps=100))
    stream.has_begun.wait(PATIENCE)
    worker.commands.stop(run_id)
    end = list(worker.watch(run_id))[-1]
    assert (end.state, end.path, end.num_frames) == ("stopped", None, 0)


def test_stopping_a_run_that_waits_removes_it_from_the_queue(start_worker):
    gate = threading.Event()
    stream = PaintingStream(gate=gate)
    worker = start_worker(stream)
    first, second, third = (worker.submit(settings()) for _ in range(3))
    stream.has_begun.wait(PATIENCE)
    assert next(worker.watch(third)) == Queued(position=2)
    worker.commands.stop(second)
    assert list(worker.watch(second)) == [
        Finished(state="stopped", path=None, num_frames=0, seconds=0.0)
    ]
    assert next(worker.watch(third)) == Queued(position=1)
    gate.set()
    assert list(worker.watch(third))[-1].state == "finished"
    assert list(worker.watch(first))[-1].state == "finished"
    assert stream.num_closed == 2


def test_two_runs_are_made_one_after_the_other_without_mixing_frames(start_worker):
    stream = PaintingStream(seconds_per_step=0.005)
    worker = start_worker(stream)
    ends = {}

    def visit(seed):
        ends[seed] = list(worker.watch(worker.submit(settings(seed=seed))))[-1]

    visitors = [threading.Thread(target=visit, args=[seed]) for seed in (3, 9)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    for seed, end in ends.items():
        read = [read_number(frame) for frame in read_frames(end.path)]
        assert read == [(number, seed) for number in range(32)]
    assert stream.max_running == 1


def test_the_video_file_has_the_settings_in_its_tags(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(prompt="a blue ring"))
    metadata = read_metadata(list(worker.watch(run_id))[-1].path)
    assert metadata["prompt"] == "a blue ring"
    assert (metadata["seed"], metadata["preset"]) == (5, "painted")
    assert metadata == worker.record(run_id).metadata


def test_notices_reach_the_viewer(start_worker):
    worker = start_worker(PaintingStream())
    events = list(worker.watch(worker.submit(settings(prompt="an elephant"))))
    assert of_kind(events, Notice) == [Notice("this model does not know 'elephant'")]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConfigError("the prompt is too odd"), "the prompt is too odd"),
        (RuntimeError("secret detail"), "broke (RuntimeError)"),
        (MemoryError(), "not enough memory"),
        (OSError(28, "No space left on device", "/secret"), "No space left on device"),
    ],
)
def test_a_failed_run_keeps_its_chunks_and_has_a_message(start_worker, error, sentence):
    worker = start_worker(PaintingStream(fails_at=2, error=error))
    run_id = worker.submit(settings(num_chunks=5))
    end = list(worker.watch(run_id))[-1]
    assert isinstance(end, Failed)
    assert sentence in end.message
    assert "secret" not in end.message
    assert read_numbers(read_frames(end.path)) == list(range(24))
    assert worker.record(run_id).state == "failed"


def test_the_run_after_a_failed_one_is_made(start_worker):
    stream = PaintingStream(fails_at=0, error=RuntimeError())
    worker = start_worker(stream)
    assert isinstance(list(worker.watch(worker.submit(settings())))[-1], Failed)
    stream.fails_at = None
    assert list(worker.watch(worker.submit(settings())))[-1].state == "finished"


def test_a_preset_that_cannot_be_loaded_fails_only_its_run(tmp_path):
    def open_stream(preset):
        if preset == "painted":
            raise PresetError("the weights are not installed")
        return PaintingStream()

    worker = Worker(open_stream, tmp_path)
    end = list(worker.watch(worker.submit(settings())))[-1]
    assert end == Failed(message="the weights are not installed")
    worker.close()


def test_models_can_be_loaded_before_the_first_run(tmp_path):
    opened = threading.Event()
    worker = Worker(lambda preset: opened.set() or PaintingStream(), tmp_path, preload="painted")
    assert opened.wait(PATIENCE)
    assert list(worker.watch(worker.submit(settings())))[-1].state == "finished"
    worker.close()


def test_models_are_loaded_once_for_runs_of_one_preset(tmp_path):
    opened = []
    worker = Worker(lambda preset: opened.append(preset) or PaintingStream(), tmp_path)
    events = [list(worker.watch(worker.submit(settings()))) for _ in range(2)]
    worker.close()
    assert opened == ["painted"]
    assert not of_kind(events[1], Loading)


def test_time_adds_up_over_executions_and_is_saved_with_every_chunk(start_worker, steps):
    worker = start_worker(PaintingStream(seconds_per_step=0.05, gate=steps))
    run_id = worker.submit(settings(num_chunks=4))
    steps.release(2)  # chunk 0
    events = []
    for event in worker.watch(run_id):
        events.append(event)
        if isinstance(event, SegmentReady) and event.index == 0:
            worker.commands.change_prompt(run_id, "a blue ring")
            steps.release(3)  # chunk 1, and half of chunk 2
        if isinstance(event, Progress) and event.chunk_index == 2:
            assert 0.2 < worker.record(run_id).seconds <= event.elapsed
            worker.commands.pause(run_id)
            steps.open()
    paused = events[-1].seconds
    worker.commands.resume(run_id)
    events += worker.watch(run_id)
    elapsed = [progress.elapsed for progress in of_kind(events, Progress)]
    assert elapsed == sorted(elapsed)
    assert elapsed[-1] > paused + 0.1
    assert events[-1].seconds >= elapsed[-1]
    assert worker.record(run_id).seconds == events[-1].seconds


def test_a_full_queue_refuses_a_run_and_leaves_no_folder(start_worker):
    gate = threading.Event()
    stream = PaintingStream(gate=gate)
    worker = start_worker(stream, max_waiting=1)
    worker.submit(settings())
    stream.has_begun.wait(PATIENCE)
    worker.submit(settings())
    with pytest.raises(RunError, match="queue is full: 1"):
        worker.submit(settings())
    assert len(list(iter_folders(worker.runs_dir))) == 2
    gate.set()


@pytest.mark.parametrize("run_id", ["", "0" * 24, "../" * 8, "/etc/passwd", "run.json"])
def test_an_unknown_run_is_refused(start_worker, run_id):
    worker = start_worker(PaintingStream())
    for ask in (worker.commands.stop, worker.record, worker.open_reader):
        with pytest.raises(RunError, match="no run with this id"):
            ask(run_id)


def test_stopping_a_run_that_has_ended_changes_nothing(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    before = list(worker.watch(run_id))[-1]
    worker.commands.stop(run_id)
    assert list(worker.watch(run_id))[-1] == before


def test_a_run_folder_contains_the_documented_files_and_no_others(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    list(worker.watch(run_id))
    folder = worker.runs_dir / run_id
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    assert sorted(files) == [
        "events.jsonl",
        "memory/00000000.npz",
        "memory/00000016.npz",
        "memory/00000024.npz",
        "run.json",
        "segments/00000000.mp4",
        "segments/00000016.mp4",
        "segments/00000024.mp4",
        "thumbnail.jpg",
        "thumbnails/00000000.jpg",
        "thumbnails/00000016.jpg",
        "thumbnails/00000024.jpg",
        "video.json",
        "video.mp4",
    ]


def test_a_disk_that_refuses_the_folder_raises_a_run_error(tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    worker = Worker(lambda preset: PaintingStream(), tmp_path / "runs")
    with pytest.raises(RunError, match="cannot be kept on disk"):
        worker.submit(settings())
    worker.close()


def test_a_run_whose_step_outlasts_the_close_resumes_later(start_worker):
    stream = PaintingStream(gate=threading.Event())
    worker = start_worker(stream)
    run_id = worker.submit(settings())
    assert stream.has_begun.wait(5)
    for _ in range(MAX_ATTEMPTS):  # however often: the step did not fail
        worker.close(timeout=0.01)
    record = worker.record(run_id)
    assert (record.state, record.num_attempts) == ("interrupted", 0)
    stream.gate.set()  # if the process lives on, the thread ends after the step
    worker.close()
    assert worker.record(run_id).state == "interrupted"
    end = list(start_worker(PaintingStream()).watch(run_id))[-1]
    assert (end.state, end.num_frames) == ("finished", 32)


def test_a_run_that_loads_its_models_when_the_app_ends_resumes_later(tmp_path, start_worker):
    has_begun, gate = threading.Event(), threading.Event()

    def open_stream(preset):
        has_begun.set()
        gate.wait(30)
        return PaintingStream()

    worker = Worker(open_stream, tmp_path / "runs")
    run_id = worker.submit(settings())
    assert has_begun.wait(5)
    worker.close(timeout=0.01)
    assert worker.record(run_id).state == "interrupted"
    gate.set()
    worker.close()
    end = list(start_worker(PaintingStream()).watch(run_id))[-1]
    assert (end.state, end.num_frames) == ("finished", 32)
