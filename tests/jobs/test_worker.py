"""The worker: every run ends as it should, and nobody gets in another one's way."""

import threading

import numpy as np
import pytest

from t2v.errors import ConfigError, JobError, PresetError
from t2v.events import Notice
from t2v.jobs.updates import Failed, Finished, Loading, Progress, Queued, SegmentReady, Started
from t2v.jobs.worker import Worker
from t2v.media.video import read_frames, read_metadata
from tests.fakes import PaintingStream, read_number, read_numbers, settings


def of_kind(updates, kind):
    return [update for update in updates if isinstance(update, kind)]


def wait_for(watching, kind):
    return next(update for update in watching if isinstance(update, kind))


def test_a_run_ends_with_every_frame_once_and_in_order(start_worker):
    worker = start_worker(PaintingStream())
    end = list(worker.watch(worker.submit(settings(num_chunks=4))))[-1]
    assert (end.state, end.num_frames) == ("finished", 40)
    assert read_numbers(read_frames(end.path)) == list(range(40))


def test_a_watcher_is_told_segments_in_order_then_the_end(start_worker):
    worker = start_worker(PaintingStream(seconds_per_step=0.01))
    updates = list(worker.watch(worker.submit(settings())))
    segments = of_kind(updates, SegmentReady)
    assert [(s.start_frame, s.num_frames) for s in segments] == [(0, 16), (16, 8), (24, 8)]
    assert [s.stage for s in segments] == ["initialization", "streaming_t2v", "streaming_t2v"]
    frames = np.concatenate([read_frames(s.path) for s in segments])
    assert read_numbers(frames) == list(range(32))
    assert of_kind(updates, Started) == [Started(3, 32, 8)]
    assert isinstance(updates[-1], Finished)


def test_progress_counts_steps_and_knows_what_is_left(start_worker):
    worker = start_worker(PaintingStream(seconds_per_step=0.05))
    updates = list(worker.watch(worker.submit(settings())))
    progress = of_kind(updates, Progress)
    assert [(p.chunk_index, p.step) for p in progress] == sorted(
        (p.chunk_index, p.step) for p in progress
    )
    assert progress[0].eta > progress[0].next_chunk_in >= 0
    assert progress[-1].eta < progress[0].eta


def test_a_watcher_who_comes_late_gets_everything(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    first = list(worker.watch(run_id))
    late = list(worker.watch(run_id))
    facts = (Started, SegmentReady, Finished)
    assert of_kind(late, facts) == of_kind(first, facts)


def test_two_watchers_see_the_same_run(start_worker):
    gate = threading.Event()
    worker = start_worker(PaintingStream(gate=gate))
    run_id = worker.submit(settings())
    watchings = [worker.watch(run_id), worker.watch(run_id)]
    gate.set()
    ends = [list(watching)[-1] for watching in watchings]
    assert ends[0] == ends[1]
    assert ends[0].state == "finished"


def test_a_watcher_who_does_not_read_holds_nobody_up(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    next(worker.watch(run_id))
    assert list(worker.watch(run_id))[-1].state == "finished"


def test_stop_ends_within_one_step_and_keeps_the_chunks_that_are_done(start_worker):
    stream = PaintingStream(seconds_per_step=0.03)
    worker = start_worker(stream)
    run_id = worker.submit(settings(num_chunks=50, num_inference_steps=4))
    watching = worker.watch(run_id)
    wait_for(watching, SegmentReady)
    wait_for(watching, SegmentReady)
    worker.stop(run_id)
    num_steps = stream.num_steps_done
    end = list(watching)[-1]
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
    stream.has_begun.wait(5)
    worker.stop(run_id)
    end = list(worker.watch(run_id))[-1]
    assert (end.state, end.path, end.num_frames) == ("stopped", None, 0)


def test_stopping_a_run_that_waits_removes_it_from_the_queue(start_worker):
    gate = threading.Event()
    stream = PaintingStream(gate=gate)
    worker = start_worker(stream)
    first, second, third = (worker.submit(settings()) for _ in range(3))
    stream.has_begun.wait(5)
    assert next(worker.watch(third)) == Queued(2)
    worker.stop(second)
    assert list(worker.watch(second)) == [Finished("stopped", None, 0, 0.0)]
    assert next(worker.watch(third)) == Queued(1)
    gate.set()
    assert list(worker.watch(third))[-1].state == "finished"
    assert list(worker.watch(first))[-1].state == "finished"
    assert stream.num_closed == 2


def test_two_runs_never_cross_and_never_run_at_once(start_worker):
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


def test_the_video_says_how_it_was_made(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(prompt="a blue ring"))
    metadata = read_metadata(list(worker.watch(run_id))[-1].path)
    assert metadata["prompt"] == "a blue ring"
    assert (metadata["seed"], metadata["preset"]) == (5, "painted")
    assert metadata == worker.record(run_id).metadata


def test_notices_reach_the_watcher(start_worker):
    worker = start_worker(PaintingStream())
    updates = list(worker.watch(worker.submit(settings(prompt="an elephant"))))
    assert of_kind(updates, Notice) == [Notice("this model does not know 'elephant'")]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ConfigError("the prompt is too odd"), "the prompt is too odd"),
        (RuntimeError("secret detail"), "broke (RuntimeError)"),
        (MemoryError(), "not enough memory"),
        (OSError(28, "No space left on device", "/secret"), "No space left on device"),
    ],
)
def test_a_failed_run_keeps_its_chunks_and_says_why(start_worker, error, sentence):
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


def test_a_preset_that_cannot_be_loaded_fails_its_run_only(tmp_path):
    def open_stream(preset):
        if preset == "painted":
            raise PresetError("the weights are not installed")
        return PaintingStream()

    worker = Worker(open_stream, tmp_path)
    end = list(worker.watch(worker.submit(settings())))[-1]
    assert end == Failed("the weights are not installed")
    worker.close()


def test_models_can_be_loaded_before_the_first_run(tmp_path):
    opened = threading.Event()
    worker = Worker(lambda preset: opened.set() or PaintingStream(), tmp_path, preload="painted")
    assert opened.wait(5)
    assert list(worker.watch(worker.submit(settings())))[-1].state == "finished"
    worker.close()


def test_models_are_loaded_once_for_runs_of_one_preset(tmp_path):
    opened = []
    worker = Worker(lambda preset: opened.append(preset) or PaintingStream(), tmp_path)
    told = [list(worker.watch(worker.submit(settings()))) for _ in range(2)]
    worker.close()
    assert opened == ["painted"]
    assert not of_kind(told[1], Loading)


def test_time_counts_over_all_turns_of_a_run_and_is_kept_with_every_chunk(start_worker):
    worker = start_worker(PaintingStream(seconds_per_step=0.05))
    run_id = worker.submit(settings(num_chunks=4))
    updates = []
    for update in worker.watch(run_id):
        updates.append(update)
        if isinstance(update, SegmentReady) and update.index == 0:
            worker.change_prompt(run_id, "a blue ring")
        if isinstance(update, Progress) and update.chunk_index == 2:
            assert 0.2 < worker.record(run_id).seconds < 1
            worker.pause(run_id)
    paused = updates[-1].seconds
    worker.resume(run_id)
    updates += worker.watch(run_id)
    elapsed = [progress.elapsed for progress in of_kind(updates, Progress)]
    assert elapsed == sorted(elapsed)
    assert elapsed[-1] > paused + 0.1
    assert updates[-1].seconds >= elapsed[-1]
    assert worker.record(run_id).seconds == updates[-1].seconds


def test_a_full_queue_refuses_and_leaves_no_folder(start_worker):
    gate = threading.Event()
    stream = PaintingStream(gate=gate)
    worker = start_worker(stream, max_waiting=1)
    worker.submit(settings())
    stream.has_begun.wait(5)
    worker.submit(settings())
    with pytest.raises(JobError, match="queue is full: 1"):
        worker.submit(settings())
    assert len(list(worker.runs_dir.iterdir())) == 2
    gate.set()


@pytest.mark.parametrize("run_id", ["", "0" * 24, "../" * 8, "/etc/passwd", "run.json"])
def test_an_unknown_run_is_refused(start_worker, run_id):
    worker = start_worker(PaintingStream())
    for ask in (worker.stop, worker.record, worker.follow):
        with pytest.raises(JobError, match="no run with this id"):
            ask(run_id)


def test_stopping_a_run_that_has_ended_changes_nothing(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    before = list(worker.watch(run_id))[-1]
    worker.stop(run_id)
    assert list(worker.watch(run_id))[-1] == before


def test_a_run_folder_holds_what_its_docstring_says_and_no_leftovers(start_worker):
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


def test_a_disk_that_refuses_is_a_job_error(tmp_path):
    (tmp_path / "runs").write_text("a file where the folder should be")
    worker = Worker(lambda preset: PaintingStream(), tmp_path / "runs")
    with pytest.raises(JobError, match="cannot be kept on disk"):
        worker.submit(settings())
    worker.close()
