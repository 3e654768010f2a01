"""The commands of a run: pause, resume, extend, change the prompt, redo chunks."""

import time

import pytest

from t2v.errors import ConfigError, RunError
from t2v.events import StepDone
from t2v.media.reader import read_frames
from t2v.runs.events import Finished, Progress, Queued, Rewound, SegmentReady
from tests.support.fakes import PaintingStream, is_yellow, read_number, read_numbers, settings


SECONDS = 30  # of patience


def end_of(worker, run_id):
    return list(worker.watch(run_id))[-1]


def numbers_in(end):
    return read_numbers(read_frames(end.path))


def seeds_in(end):
    """Seed of every frame."""
    return [read_number(frame)[1] for frame in read_frames(end.path)]


def wait_for_segment(worker, run_id, index):
    for event in worker.watch(run_id):
        if isinstance(event, SegmentReady) and event.index == index and event.track == "preview":
            return


def prompt_of(worker, run_id):
    return worker.record(run_id).settings.config.prompt


@pytest.mark.parametrize("refine", [False, True])
def test_a_paused_run_frees_the_device_and_resumes_where_it_was(start_worker, steps, refine):
    worker = start_worker(PaintingStream(gate=steps))
    run_id = worker.submit(settings(num_chunks=8, refine=refine))
    steps.release(9)  # chunks 0 to 3, and half of chunk 4
    wait_for_segment(worker, run_id, 3)
    worker.commands.pause(run_id)
    steps.open()
    end = end_of(worker, run_id)
    assert (end.state, worker.record(run_id).state) == ("paused", "paused")
    assert 40 <= end.num_frames <= 48 and numbers_in(end) == list(range(end.num_frames))
    assert end_of(worker, worker.submit(settings())).state == "finished"

    worker.commands.resume(run_id)
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
    worker.commands.pause(second)
    assert end_of(worker, second) == Finished(state="paused", path=None, num_frames=0, seconds=0.0)
    worker.commands.resume(second)
    assert any(isinstance(event, Queued) for event in worker.open_reader(second).poll())
    steps.open()
    assert {end_of(worker, run_id).state for run_id in (first, second)} == {"finished"}


def test_a_failed_run_can_be_resumed(start_worker):
    stream = PaintingStream(fails_at=2, error=OSError(28, "No space left on device"))
    worker = start_worker(stream)
    run_id = worker.submit(settings(num_chunks=4))
    assert "No space left" in end_of(worker, run_id).message
    stream.fails_at = None
    worker.commands.resume(run_id)
    end = end_of(worker, run_id)
    assert (end.state, numbers_in(end)) == ("finished", list(range(40)))
    assert worker.record(run_id).message == ""


@pytest.mark.parametrize("refine", [False, True])
def test_a_complete_video_can_be_extended(start_worker, refine):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(num_chunks=4, refine=refine))
    assert end_of(worker, run_id).num_frames == 40
    worker.commands.extend(run_id, 3)
    end = end_of(worker, run_id)
    assert (end.state, numbers_in(end)) == ("finished", list(range(64)))
    if refine:
        assert read_numbers(read_frames(end.refined_path)) == list(range(64))


@pytest.mark.parametrize("refine", [False, True])
def test_a_video_that_is_being_made_can_be_extended(start_worker, steps, refine):
    worker = start_worker(PaintingStream(gate=steps))
    run_id = worker.submit(settings(num_chunks=4, refine=refine))
    steps.release(5)  # chunks 0 and 1, and half of chunk 2
    wait_for_segment(worker, run_id, 1)
    worker.commands.extend(run_id, 5)
    steps.open()
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
    while stream.num_steps_done < 3:  # the chunk is in the log a moment before the next one begins
        time.sleep(0.01)
    assert worker.commands.change_prompt(run_id, "a blue ring", blend=2) == 2
    assert prompt_of(worker, run_id) == "0: a red star / 2-4: a blue ring"
    steps.open()
    assert numbers_in(end_of(worker, run_id)) == list(range(56))


def test_a_changed_prompt_reaches_the_stream(start_worker, steps):
    prompts = []

    class ListeningStream(PaintingStream):
        def __call__(self, config, start=None):
            for event in super().__call__(config, start):
                if isinstance(event, StepDone):
                    prompts.append((event.chunk_index, *config.prompt_shares(event.chunk_index)))
                yield event

    worker = start_worker(ListeningStream(gate=steps))
    run_id = worker.submit(settings(num_chunks=4, num_inference_steps=1))
    steps.release(1)
    wait_for_segment(worker, run_id, 0)
    worker.commands.change_prompt(run_id, "a blue ring")
    steps.open()
    end_of(worker, run_id)
    assert prompts == [(0, "a red star"), (1, "a red star"), (2, "a blue ring"), (3, "a blue ring")]


def test_a_video_without_further_chunks_cannot_change_its_prompt(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    end_of(worker, run_id)
    with pytest.raises(RunError, match="extend the video first"):
        worker.commands.change_prompt(run_id, "a blue ring")


@pytest.mark.parametrize("refine", [False, True])
def test_redo_makes_chunks_with_another_seed(start_worker, refine):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(num_chunks=6, seed=5, refine=refine))
    end_of(worker, run_id)
    worker.commands.redo(run_id, 4, seed=9)
    end = end_of(worker, run_id)
    assert (end.state, numbers_in(end)) == ("finished", list(range(56)))
    assert seeds_in(end) == [5] * 40 + [9] * 16
    assert worker.record(run_id).settings.config.reseed == "4: 9"
    if refine:
        refined = [read_number(frame) for frame in read_frames(end.refined_path)]
        assert refined == [(number, 5 if number < 40 else 9) for number in range(56)]


def test_redo_can_start_at_the_first_chunk(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(seed=5, refine=True))
    end_of(worker, run_id)
    worker.commands.redo(run_id, 0, seed=9, prompt="a blue ring")
    end = end_of(worker, run_id)
    assert seeds_in(end) == [9] * 32
    config = worker.record(run_id).settings.config
    assert (config.seed, config.reseed, config.prompt) == (9, "", "a blue ring")


def test_redo_of_a_run_that_is_being_made_starts_at_once(start_worker, steps):
    worker = start_worker(PaintingStream(gate=steps))
    run_id = worker.submit(settings(num_chunks=6, num_inference_steps=2))
    steps.release(7)  # chunks 0 to 2, and half of chunk 3
    wait_for_segment(worker, run_id, 2)
    view = worker.watch(run_id)
    next(view)
    worker.commands.redo(run_id, 1, prompt="a blue ring", seed=3)
    steps.open()
    events = list(view)
    assert seeds_in(events[-1]) == [5] * 16 + [3] * 40
    assert prompt_of(worker, run_id) == "0: a red star / 1: a blue ring"
    # A viewer from the start gets a rewind, and then every segment that holds.
    rewound = next(event for event in events if isinstance(event, Rewound))
    assert rewound.num_frames == 16
    after = events[events.index(rewound) :]
    segments = [event for event in after if isinstance(event, SegmentReady)]
    assert [segment.start_frame for segment in segments] == [0, 16, 24, 32, 40, 48]


def test_a_run_that_is_stopped_before_its_redo_has_none_of_the_old_chunks(start_worker, steps):
    stream = PaintingStream(gate=steps)
    worker = start_worker(stream)
    steps.release(6)
    run_id = worker.submit(settings())
    end_of(worker, run_id)
    other = worker.submit(settings())
    worker.commands.extend(run_id, 1)
    worker.commands.redo(run_id, 2, seed=9)  # while it waits
    worker.commands.stop(run_id)
    end = end_of(worker, run_id)
    assert (end.state, numbers_in(end)) == ("stopped", list(range(24)))
    steps.open()
    end_of(worker, other)
    worker.commands.resume(run_id)
    assert seeds_in(end_of(worker, run_id)) == [5] * 24 + [9] * 16


def test_a_viewer_after_a_redo_gets_every_segment_once(start_worker):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings(num_chunks=5))
    end_of(worker, run_id)
    worker.commands.redo(run_id, 2, seed=1)
    end_of(worker, run_id)
    late = [u.start_frame for u in worker.watch(run_id) if isinstance(u, SegmentReady)]
    assert late == [0, 16, 24, 32, 40]


@pytest.mark.parametrize(
    ("command", "error", "message"),
    [
        (lambda worker, run: worker.commands.extend(run, 0), ConfigError, "whole number from 1"),
        (
            lambda worker, run: worker.commands.extend(run, float("nan")),
            ConfigError,
            "whole number",
        ),
        (lambda worker, run: worker.commands.extend(run, 10_000), ConfigError, "from 1 to 10000"),
        (lambda worker, run: worker.commands.extend(run, 2.5), ConfigError, "whole number"),
        (
            lambda worker, run: worker.commands.redo(run, 1),
            RunError,
            "another seed or another prompt",
        ),
        (lambda worker, run: worker.commands.redo(run, 3, seed=1), ConfigError, "from 0 to 2"),
        (lambda worker, run: worker.commands.redo(run, -1, seed=1), ConfigError, "from 0 to 2"),
        (lambda worker, run: worker.commands.redo(run, 1, seed=-1), ConfigError, "seed must be"),
        (lambda worker, run: worker.commands.redo(run, 1, prompt=" "), ConfigError, "not be empty"),
        (lambda worker, run: worker.commands.redo(run, 1, prompt="a / 2: b"), ConfigError, "hold"),
        (lambda worker, run: worker.commands.resume(run), RunError, "complete"),
        (lambda worker, run: worker.commands.pause(run), RunError, "has ended"),
        (lambda worker, run: worker.commands.extend("0" * 24, 1), RunError, "no run with this id"),
        (
            lambda worker, run: worker.commands.redo("../x", 0, seed=1),
            RunError,
            "no run with this id",
        ),
    ],
)
def test_an_invalid_command_changes_nothing(start_worker, command, error, message):
    worker = start_worker(PaintingStream())
    run_id = worker.submit(settings())
    end = end_of(worker, run_id)
    record = worker.record(run_id)
    with pytest.raises(error, match=message):
        command(worker, run_id)
    assert worker.record(run_id) == record
    assert end_of(worker, run_id) == end


def test_a_queued_run_has_an_estimated_wait(start_worker, steps):
    worker = start_worker(PaintingStream(seconds_per_step=0.05, gate=steps))
    steps.release(6)
    end_of(worker, worker.submit(settings()))  # 3 chunks of 2 steps: about 0.1 s each
    steps.release(1)
    first, second, third = (worker.submit(settings(num_chunks=30)) for _ in range(3))
    for event in worker.watch(first):
        if isinstance(event, Progress):
            break
    waits = [next(worker.watch(run_id)).wait for run_id in (second, third)]
    assert 1 <= waits[0] < waits[1]
    for run_id in (first, second, third):
        worker.commands.stop(run_id)
    steps.open()
