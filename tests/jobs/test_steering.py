"""What can be asked of a run: pause, resume, extend, another prompt, chunks made anew."""

import threading

import pytest

from t2v.errors import ConfigError, JobError
from t2v.events import StepDone
from t2v.jobs.updates import Finished, Progress, Queued, Rewound, SegmentReady
from t2v.media.video import read_frames
from tests.fakes import PaintingStream, is_yellow, read_number, read_numbers, settings


SECONDS = 30  # of patience


class Steps(threading.Semaphore):
    """A gate through which a test lets step by step; `release(10**6)` opens it for good."""

    def wait(self, timeout):
        return self.acquire(timeout=timeout)


@pytest.fixture
def steps():
    return Steps(0)


def end_of(worker, run_id):
    return list(worker.watch(run_id))[-1]


def numbers_in(end):
    return read_numbers(read_frames(end.path))


def seeds_in(end):
    """Seed of every frame."""
    return [read_number(frame)[1] for frame in read_frames(end.path)]


def wait_for_segment(worker, run_id, index):
    for update in worker.watch(run_id):
        if isinstance(update, SegmentReady) and update.index == index and not update.is_refined:
            return


def prompt_of(worker, run_id):
    return worker.record(run_id).settings.config.prompt


@pytest.mark.parametrize("refine", [False, True])
def test_a_paused_run_frees_the_device_and_goes_on_where_it_was(start_worker, refine):
    worker = start_worker(PaintingStream(seconds_per_step=0.02))
    run_id = worker.submit(settings(num_chunks=8, refine=refine))
    wait_for_segment(worker, run_id, 3)
    worker.pause(run_id)
    end = end_of(worker, run_id)
    assert (end.state, worker.record(run_id).state) == ("paused", "paused")
    assert 40 <= end.num_frames < 72 and numbers_in(end) == list(range(end.num_frames))
    assert end_of(worker, worker.submit(settings())).state == "finished"

    worker.resume(run_id)
    end = end_of(worker, run_id)
    assert (end.state, numbers_in(end)) == ("finished", list(range(72)))
    if refine:
        refined = read_frames(end.refined_path)
        assert read_numbers(refined) == list(range(72)) and is_yellow(refined)


def test_a_run_that_waits_can_be_paused_and_resumed(start_worker, steps):
    stream = PaintingStream(gate=steps)
    worker = start_worker(stream)
    first, second = worker.submit(settings()), worker.submit(settings())
    assert stream.has_begun.wait(SECONDS)
    worker.pause(second)
    assert end_of(worker, second) == Finished("paused", None, 0, 0.0)
    worker.resume(second)
    assert any(isinstance(update, Queued) for update in worker.follow(second).poll())
    steps.release(10**6)
    assert {end_of(worker, run_id).state for run_id in (first, second)} == {"finished"}


def test_a_stopped_run_and_a_failed_one_can_go_on(start_worker):
    stream = PaintingStream(fails_at=2, error=OSError(28, "No space left on device"))
    worker = start_worker(stream)
    run_id = worker.submit(settings(num_chunks=4))
    assert "No space left" in end_of(worker, run_id).message
    stream.fails_at = None
    worker.resume(run_id)
    end = end_of(worker, run_id)
    assert (end.state, numbers_in(end)) == ("finished", list(range(40)))
    assert worker.record(run_id).message == ""


@pytest.mark.parametrize("refine", [False, True])
def test_a_complete_video_grows(start_worker, refine):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(num_chunks=4, refine=refine))
    assert end_of(worker, run_id).num_frames == 40
    worker.extend(run_id, 3)
    end = end_of(worker, run_id)
    assert (end.state, numbers_in(end)) == ("finished", list(range(64)))
    if refine:
        assert read_numbers(read_frames(end.refined_path)) == list(range(64))


@pytest.mark.parametrize("refine", [False, True])
def test_a_video_that_is_being_made_grows(start_worker, refine):
    worker = start_worker(PaintingStream(seconds_per_step=0.02))
    run_id = worker.submit(settings(num_chunks=4, refine=refine))
    wait_for_segment(worker, run_id, 1)
    worker.extend(run_id, 5)
    end = end_of(worker, run_id)
    assert (end.state, numbers_in(end)) == ("finished", list(range(80)))
    if refine:
        assert read_numbers(read_frames(end.refined_path)) == list(range(80))


def test_a_prompt_changes_at_the_next_chunk(start_worker, steps):
    stream = PaintingStream(gate=steps)
    worker = start_worker(stream)
    run_id = worker.submit(settings(num_chunks=6, num_inference_steps=2))
    steps.release(3)  # chunk 0, and half of chunk 1
    wait_for_segment(worker, run_id, 0)
    assert worker.change_prompt(run_id, "a blue ring", blend=2) == 2
    assert prompt_of(worker, run_id) == "0: a red star / 2-4: a blue ring"
    steps.release(10**6)
    assert numbers_in(end_of(worker, run_id)) == list(range(56))


def test_a_changed_prompt_reaches_the_stream(start_worker, steps):
    told = []

    class ListeningStream(PaintingStream):
        def __call__(self, config, start=None):
            for event in super().__call__(config, start):
                if isinstance(event, StepDone):
                    told.append((event.chunk_index, *config.prompt_shares(event.chunk_index)))
                yield event

    worker = start_worker(ListeningStream(gate=steps))
    run_id = worker.submit(settings(num_chunks=4, num_inference_steps=1))
    steps.release(1)
    wait_for_segment(worker, run_id, 0)
    worker.change_prompt(run_id, "a blue ring")
    steps.release(10**6)
    end_of(worker, run_id)
    assert told == [(0, "a red star"), (1, "a red star"), (2, "a blue ring"), (3, "a blue ring")]


def test_a_video_without_further_chunks_cannot_change_its_prompt(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    end_of(worker, run_id)
    with pytest.raises(JobError, match="extend the video first"):
        worker.change_prompt(run_id, "a blue ring")


@pytest.mark.parametrize("refine", [False, True])
def test_chunks_are_made_anew_with_another_seed(start_worker, refine):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(num_chunks=6, seed=5, refine=refine))
    end_of(worker, run_id)
    worker.redo(run_id, 4, seed=9)
    end = end_of(worker, run_id)
    assert (end.state, numbers_in(end)) == ("finished", list(range(56)))
    assert seeds_in(end) == [5] * 40 + [9] * 16
    assert worker.record(run_id).settings.config.reseed == "4: 9"
    if refine:
        refined = [read_number(frame) for frame in read_frames(end.refined_path)]
        assert refined == [(number, 5 if number < 40 else 9) for number in range(56)]


def test_the_first_chunk_can_be_made_anew_too(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(seed=5, refine=True))
    end_of(worker, run_id)
    worker.redo(run_id, 0, seed=9, prompt="a blue ring")
    end = end_of(worker, run_id)
    assert seeds_in(end) == [9] * 32
    config = worker.record(run_id).settings.config
    assert (config.seed, config.reseed, config.prompt) == (9, "", "a blue ring")


def test_chunks_of_a_run_that_is_being_made_are_made_anew_at_once(start_worker, steps):
    worker = start_worker(PaintingStream(gate=steps))
    run_id = worker.submit(settings(num_chunks=6, num_inference_steps=2))
    steps.release(7)  # chunks 0 to 2, and half of chunk 3
    wait_for_segment(worker, run_id, 2)
    watching = worker.watch(run_id)
    next(watching)
    worker.redo(run_id, 1, prompt="a blue ring", seed=3)
    steps.release(10**6)
    updates = list(watching)
    assert seeds_in(updates[-1]) == [5] * 16 + [3] * 40
    assert prompt_of(worker, run_id) == "0: a red star / 1: a blue ring"
    # Whoever watched all the time is told what no longer holds, and then what does.
    rewound = next(update for update in updates if isinstance(update, Rewound))
    assert rewound.num_frames == 16
    after = updates[updates.index(rewound) :]
    segments = [update for update in after if isinstance(update, SegmentReady)]
    assert [segment.start_frame for segment in segments] == [0, 16, 24, 32, 40, 48]


def test_a_run_that_is_stopped_before_it_was_made_anew_has_none_of_the_old_chunks(
    start_worker, steps
):
    stream = PaintingStream(gate=steps)
    worker = start_worker(stream)
    steps.release(6)
    run_id = worker.submit(settings())
    end_of(worker, run_id)
    other = worker.submit(settings())
    worker.extend(run_id, 1)
    worker.redo(run_id, 2, seed=9)  # while it waits
    worker.stop(run_id)
    end = end_of(worker, run_id)
    assert (end.state, numbers_in(end)) == ("stopped", list(range(24)))
    steps.release(10**6)
    end_of(worker, other)
    worker.resume(run_id)
    assert seeds_in(end_of(worker, run_id)) == [5] * 24 + [9] * 16


def test_who_comes_after_a_change_is_told_every_segment_once(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(num_chunks=5))
    end_of(worker, run_id)
    worker.redo(run_id, 2, seed=1)
    end_of(worker, run_id)
    late = [u.start_frame for u in worker.watch(run_id) if isinstance(u, SegmentReady)]
    assert late == [0, 16, 24, 32, 40]


@pytest.mark.parametrize(
    ("ask", "error", "words"),
    [
        (lambda worker, run: worker.extend(run, 0), ConfigError, "whole number from 1"),
        (lambda worker, run: worker.extend(run, float("nan")), ConfigError, "whole number"),
        (lambda worker, run: worker.extend(run, 10_000), ConfigError, "from 1 to 10000"),
        (lambda worker, run: worker.extend(run, 2.5), ConfigError, "whole number"),
        (lambda worker, run: worker.redo(run, 1), JobError, "another seed or another prompt"),
        (lambda worker, run: worker.redo(run, 3, seed=1), ConfigError, "from 0 to 2"),
        (lambda worker, run: worker.redo(run, -1, seed=1), ConfigError, "from 0 to 2"),
        (lambda worker, run: worker.redo(run, 1, seed=-1), ConfigError, "seed must be"),
        (lambda worker, run: worker.redo(run, 1, prompt=" "), ConfigError, "not be empty"),
        (lambda worker, run: worker.redo(run, 1, prompt="a / 2: b"), ConfigError, "hold"),
        (lambda worker, run: worker.resume(run), JobError, "complete"),
        (lambda worker, run: worker.pause(run), JobError, "has ended"),
        (lambda worker, run: worker.extend("0" * 24, 1), JobError, "no run with this id"),
        (lambda worker, run: worker.redo("../x", 0, seed=1), JobError, "no run with this id"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(start_worker, ask, error, words):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    end = end_of(worker, run_id)
    record = worker.record(run_id)
    with pytest.raises(error, match=words):
        ask(worker, run_id)
    assert worker.record(run_id) == record
    assert end_of(worker, run_id) == end


def test_the_place_in_the_queue_comes_with_a_time(start_worker, steps):
    worker = start_worker(PaintingStream(seconds_per_step=0.05, gate=steps))
    steps.release(6)
    end_of(worker, worker.submit(settings()))  # 3 chunks of 2 steps: about 0.1 s each
    steps.release(1)
    first, second, third = (worker.submit(settings(num_chunks=30)) for _ in range(3))
    for update in worker.watch(first):
        if isinstance(update, Progress):
            break
    waits = [next(worker.watch(run_id)).wait for run_id in (second, third)]
    assert 1 <= waits[0] < waits[1]
    for run_id in (first, second, third):
        worker.stop(run_id)
    steps.release(10**6)
