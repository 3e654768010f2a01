"""Videos in slices of whole chunks, each made by a forked process."""

import pickle
import sys
import types

import numpy as np
import pytest

from t2v import zero_gpu
from t2v.errors import CheckpointError, RunError
from t2v.events import Chunk, Notice, StepDone
from t2v.generator import Generator
from t2v.pipeline.streaming_t2v import stream
from t2v.runs.worker import Worker
from t2v.settings.config import GenerationConfig
from t2v.zero_gpu import (
    draw_slice,
    slice_opener,
    slice_seconds,
    stream_in_slices,
    with_lent_gpu,
    with_run_errors,
)
from tests.support.fakes import painted_preset, settings
from tests.support.forked_gpu import ForkedGpu
from tests.support.small_stack import new_stack


CONFIG = GenerationConfig(
    prompt="a red star", num_chunks=5, num_inference_steps=2, seed=3, scheduler="unipc"
)


@pytest.fixture
def stack(monkeypatch):
    """The stack of the preset `odd`, loaded before anything forks."""
    stack = new_stack()
    loaded = Generator.from_networks(painted_preset(name="odd"), stack, lambda: None)
    monkeypatch.setattr(zero_gpu, "loaded", {"odd": loaded})
    return stack


@pytest.fixture
def gpu():
    gpu = ForkedGpu()
    yield gpu
    gpu.close()


def chunks_of(events):
    return [event for event in events if isinstance(event, Chunk)]


def test_slices_have_the_frames_of_a_video_made_in_one_go(stack, gpu):
    whole = chunks_of(stream(stack, CONFIG))
    lent = gpu(draw_slice, slice_seconds)
    sliced = chunks_of(stream_in_slices(lent, "odd", CONFIG, chunks_per_slice=2))
    assert [(c.index, c.start_frame) for c in sliced] == [(c.index, c.start_frame) for c in whole]
    for one, other in zip(sliced, whole, strict=True):
        # One level at most: another process may add up in another order.
        np.testing.assert_allclose(one.frames.astype(int), other.frames.astype(int), atol=1)
    assert (gpu.num_calls, len(gpu.processes)) == (3, 1)


def test_every_step_is_reported_and_every_notice_once(stack):
    config = GenerationConfig(prompt="xylophone", num_chunks=3, num_inference_steps=2)
    received = list(stream_in_slices(draw_slice, "odd", config, chunks_per_slice=1))
    whole = list(stream(stack, config))
    for kind in (StepDone, Notice):
        expected = [event for event in whole if isinstance(event, kind)]
        assert [event for event in received if isinstance(event, kind)] == expected


def test_the_arguments_of_a_call_do_not_grow_with_the_video(stack):
    sizes = []

    def measure(*arguments):
        sizes.append(len(pickle.dumps(arguments)))
        return draw_slice(*arguments)

    list(stream_in_slices(measure, "odd", CONFIG, chunks_per_slice=1))
    assert len(sizes) == 5
    assert max(sizes[1:]) - min(sizes[1:]) < 100


def test_a_call_requests_only_the_time_its_chunks_need(stack, gpu):
    lent = gpu(draw_slice, slice_seconds)
    list(stream_in_slices(lent, "odd", CONFIG, chunks_per_slice=4))
    long, short = gpu.seconds
    assert long > short == slice_seconds("odd", CONFIG, 4, None)


def test_an_error_in_the_other_process_keeps_its_message(monkeypatch, gpu):
    def fail(preset):
        raise CheckpointError("unet does not fit")

    monkeypatch.setattr(zero_gpu, "load", fail)
    lent = with_run_errors(gpu(draw_slice, slice_seconds))
    with pytest.raises(CheckpointError, match="unet does not fit"):
        list(stream_in_slices(lent, "odd", CONFIG))


def test_a_refused_gpu_raises_a_run_error(monkeypatch, gpu):
    monkeypatch.setattr(zero_gpu, "load", lambda preset: 1 / 0)
    lent = with_run_errors(gpu(draw_slice, slice_seconds))
    with pytest.raises(RunError, match=r"^no GPU was lent: ZeroDivisionError$"):
        list(stream_in_slices(lent, "odd", CONFIG))


def test_a_call_that_ends_early_raises_instead_of_looping(stack):
    def give_up(*arguments):
        yield from [event for event in draw_slice(*arguments) if isinstance(event, StepDone)]

    with pytest.raises(RunError, match="before chunk 0 was done"):
        list(stream_in_slices(give_up, "odd", CONFIG))


def test_closing_leaves_the_process_ready_for_the_next_video(stack, gpu):
    lent = gpu(draw_slice, slice_seconds)
    events = stream_in_slices(lent, "odd", CONFIG)
    next(events)
    events.close()
    assert chunks_of(stream_in_slices(lent, "odd", CONFIG))[0].index == 0
    assert len(gpu.processes) == 1


def test_the_app_makes_its_videos_in_slices_where_gpus_are_lent(stack, gpu, monkeypatch, tmp_path):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=gpu))
    worker = Worker(slice_opener(), tmp_path / "runs")
    run = settings(num_chunks=6, num_inference_steps=1)
    run = type(run).from_json(run.to_json() | {"preset": "odd"})
    run_id = worker.submit(run)
    list(worker.watch(run_id))
    worker.close()
    assert (worker.record(run_id).state, worker.record(run_id).num_frames) == ("finished", 56)
    assert gpu.num_calls == 2


def test_elsewhere_nothing_is_decorated(monkeypatch):
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert with_lent_gpu(draw_slice, slice_seconds) is draw_slice
