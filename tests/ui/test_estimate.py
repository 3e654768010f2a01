"""How long a video gets and how long it takes, before it is made."""

import time

import pytest

from t2v.runs.gpu_sizes import GpuSizes
from t2v.runs.worker import Worker
from t2v.settings.presets import list_presets
from t2v.ui.auth import Access
from t2v.ui.labels import describe_time, size_text
from tests.support.fakes import PaintingStream, StepGate, made, opener, painted_preset, settings
from tests.support.page import Page


PRESETS = {"painted": painted_preset()}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.2, "Takes about 1 s here."),
        (41.7, "Takes about 42 s here."),
        (110, "Takes about 2 min here."),
        (5400, "Takes about 1.5 h here."),
    ],
)
def test_the_time_is_said_in_round_numbers(seconds, text):
    assert describe_time(seconds) == text


def test_the_time_is_known_after_a_run_of_the_same_kind(worker):
    page = Page(worker, PRESETS)
    assert page.form_events.estimate(8, "painted", False, 2) == "72 frames, 9.0 s of video."
    made(worker, num_inference_steps=2, num_chunks=3)
    assert "Takes about" in page.form_events.estimate(8, "painted", False, 2)
    for other in ((8, "painted", True, 2), (8, "painted", False, 3), (8, "painted", False, None)):
        assert "Takes" not in page.form_events.estimate(*other)
    assert "from 1 to 10000" in page.form_events.estimate(0, "painted", False, 2)


def test_the_memory_is_said_where_it_is_known(worker):
    small = painted_preset(memory=(0.7, 0.9))
    large = painted_preset(needs_gpu=True, memory=(3, 11), refined_memory=(5, 21.5))
    for preset, refined, text in (
        (small, False, "72 frames, 9.0 s of video. Needs about 0.9 GB of memory."),
        (small, True, "72 frames, 9.0 s of video."),
        (large, False, "9.0 s of video. Needs 3 GB of GPU memory, 11 GB at full speed."),
        (large, True, "9.0 s of video. Needs 5 GB of GPU memory, 21.5 GB at full speed."),
    ):
        estimate = Page(worker, {"painted": preset}).form_events.estimate
        assert estimate(8, "painted", refined, 2).endswith(text)
        # Frames of another size need another amount, which nobody has measured.
        own, other = size_text(preset.frame_size), "64x192"
        assert estimate(8, "painted", refined, 2, own).endswith(text)
        assert "Needs" not in estimate(8, "painted", refined, 2, other)


def test_presets_say_what_their_descriptions_say_of_memory():
    presets = list_presets()
    least, full = presets["modelscope"].memory
    refined = presets["modelscope"].refined_memory
    assert f"in {least:g} GB of a GPU ({refined[0]:g} GB when" in presets["modelscope"].description
    assert f"full speed in {full:g} GB ({refined[1]:g} GB)" in presets["modelscope"].description
    # Another refiner needs another amount, which is not known.
    assert presets["modelscope-zeroscope"].memory == presets["modelscope"].memory
    assert presets["modelscope-zeroscope"].refined_memory is None
    # Computed from the networks in tests/test_helios_loading.py.
    least, full = presets["helios"].memory
    assert f"{full:g} GB of a GPU at full speed" in presets["helios"].description
    assert f"{least:g} GB layer by layer" in presets["helios"].description


def test_runs_before_the_app_was_started_teach_the_time(tmp_path):
    for refine in (False, True):  # the second app makes runs of another kind
        worker = Worker(opener(PaintingStream()), tmp_path / "runs")
        made(worker, num_inference_steps=2, refine=refine)
        text = Page(worker, PRESETS).form_events.estimate(8, "painted", False, 2)
        worker.close()
        assert "Takes about" in text


def test_a_guest_is_told_how_long_a_video_may_be(worker):
    page = Page(worker, PRESETS, Access(max_chunks=13))
    cap = "Here a video may have 13 chunks (14 s)."
    assert page.form_events.estimate(2, "painted", False, 2) == f"24 frames, 3.0 s of video. {cap}"
    assert page.form_events.estimate(14, "painted", False, 2) == cap
    assert "may have" not in Page(worker, PRESETS).form_events.estimate(14, "painted", False, 2)


def until(is_so):
    for _ in range(400):
        if is_so():
            return True
        time.sleep(0.05)
    return False


def test_the_first_visitor_is_told_a_time_that_was_measured_at_the_start(tmp_path):
    stream = PaintingStream(seconds_per_step=0.1)
    worker = Worker(opener(stream), tmp_path / "runs", preload="painted", usual=usual())
    try:
        form_events = Page(worker, PRESETS).form_events
        asked = (1, "painted", False, 3, "")
        assert until(lambda: not form_events.estimate_later(*asked)[1].active)
        assert stream.num_steps_done == 6 and worker.library.find("") == []  # nothing is kept
        assert "Takes about" in form_events.estimate(31, "painted", False, 3)
        assert worker.queue.throughput.estimate(usual(), 1) == pytest.approx(0.3, rel=0.9)
    finally:
        worker.close()


@pytest.fixture
def known(tmp_path):
    """A folder with a finished run, from which the time of a chunk is known."""
    worker = Worker(opener(PaintingStream()), tmp_path / "runs")
    assert list(worker.watch(worker.submit(usual())))[-1].state == "finished"
    worker.close()
    return tmp_path / "runs"


def test_a_gpu_is_warmed_up_also_where_the_time_is_known(known):
    stream, gpus = PaintingStream(), GpuSizes(measure=lambda: 10**9)
    worker = Worker(opener(stream), known, preload="painted", usual=usual(), gpus=gpus)
    try:
        assert until(lambda: stream.num_steps_done == 6)
    finally:
        worker.close()


def test_a_processor_draws_nothing_where_the_time_is_known(known):
    stream = PaintingStream()
    worker = Worker(opener(stream), known, preload="painted", usual=usual())
    try:
        run_id = worker.submit(settings(num_chunks=1, num_inference_steps=3))
        assert list(worker.watch(run_id))[-1].state == "finished"
        assert stream.num_steps_done == 3
    finally:
        worker.close()


def test_a_run_does_not_wait_until_the_time_is_measured(tmp_path):
    gate = StepGate()
    stream = PaintingStream(gate=gate)
    worker = Worker(opener(stream), tmp_path / "runs", preload="painted", usual=usual())
    try:
        assert stream.has_begun.wait(30)
        run_id = worker.submit(settings(num_chunks=1))
        gate.release(1)  # of the measurement: it ends within this step
        gate.release(settings().config.num_inference_steps)
        assert list(worker.watch(run_id))[-1].state == "finished"
        assert stream.num_steps_done == 1 + settings().config.num_inference_steps
    finally:
        gate.open()
        worker.close()


def usual():
    return settings(num_inference_steps=3)


@pytest.mark.parametrize(("seconds", "chunks"), [(9, 8), (8.5, 8), (0, 1), (-3, 1)])
def test_seconds_become_chunks(worker, seconds, chunks):
    assert Page(worker, PRESETS).form_events.choose_length(seconds, "painted") == chunks


def test_chunks_become_seconds_unless_those_fit_already(worker):
    form_events = Page(worker, PRESETS).form_events
    assert form_events.length_of(3, "painted", 9) == 4.0
    for kept in ((8, "painted", 8.5), (0, "painted", 9), (None, "painted", 9)):
        assert form_events.length_of(*kept) == {"__type__": "update"}
    assert form_events.choose_length("soon", "painted") == {"__type__": "update"}
