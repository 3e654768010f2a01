"""GPUs of several sizes: a run waits for one that it fits into, and users are told without one."""

import threading

import pytest

from t2v.errors import RunError
from t2v.runs.gpu_sizes import GpuSizes, needed_by
from t2v.runs.worker import Worker
from t2v.settings.presets import list_presets
from tests.support.fakes import PaintingStream, StepGate, made, opener, settings
from tests.support.processes import wait_until


GB = 10**9
SMALL, LARGE = 3 * GB, 11 * GB


def needed(preset, refines):
    return (7 if refines else 2) * GB


@pytest.fixture
def start(tmp_path):
    """Starts workers with a GPU of some size; 0 for none."""
    workers = []

    def start(size, stream=None, **options):
        gpus = GpuSizes(needed, lambda: size)
        stream = stream or PaintingStream()
        workers.append(Worker(opener(stream), tmp_path, gpus=gpus, **options))
        wait_until(lambda: workers[-1].queue.gpus.own == size)
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture
def page(tmp_path):
    page = Worker(None, tmp_path, gpus=GpuSizes(needed))
    yield page
    page.close()


def knows(page, *sizes):
    wait_until(lambda: sorted(page.queue.gpus.makers) == sorted(sizes))


def end_of(worker, run_id):
    return list(worker.watch(run_id))[-1]


def test_a_run_is_made_by_the_gpu_that_it_fits_into(start, page):
    small, large = PaintingStream(), PaintingStream(gate=(gate := StepGate()))
    start(SMALL, small, name="small")
    start(LARGE, large, name="large")
    knows(page, SMALL, LARGE)
    runs = [page.submit(settings(refine=True)) for _ in range(2)]
    wait_until(lambda: large.num_running == 1)
    plain = page.submit(settings())
    assert end_of(page, plain).state == "finished"  # it overtakes the one that does not fit
    assert (small.num_closed, page.queue.live_events(runs[1])[1][0].obstacle) == (1, "")
    gate.open()
    assert [end_of(page, run_id).num_refined_frames for run_id in runs] == [32, 32]
    assert (small.num_closed, large.num_closed) == (1, 2)


def test_a_run_that_fits_into_no_gpu_is_refused_in_one_sentence(start, page):
    start(SMALL)
    knows(page, SMALL)
    sentence = (
        "the painted preset with Refine needs a GPU with 7.0 GB, and the largest here has 3.0 GB"
    )
    with pytest.raises(RunError, match=sentence):
        page.submit(settings(refine=True))
    assert not page.queue.live_runs() and not list(page.runs_dir.glob("[0-9a-f]*"))
    ended = made(page)
    with pytest.raises(RunError, match="needs a GPU with 7"):
        page.commands.refine(ended, settings(refine=True).refiner)
    assert page.record(ended).state == "finished"


def test_a_run_whose_gpu_has_gone_waits_holds_nobody_up_and_says_why(start, page):
    large = start(LARGE, PaintingStream(gate=(gate := StepGate())))
    knows(page, LARGE)
    making, waiting = page.submit(settings()), page.submit(settings(refine=True))
    wait_until(lambda: large.queue.runs_being_made())
    closing = threading.Thread(target=large.close)
    closing.start()
    wait_until(lambda: large.queue.is_closing)
    gate.open()
    closing.join()
    start(SMALL)
    knows(page, SMALL)
    [queued] = page.queue.live_events(waiting)[1]
    assert "the largest here has 3.0 GB" in queued.obstacle
    assert end_of(page, making).state == "finished"
    assert end_of(page, page.submit(settings())).state == "finished"
    start(LARGE)
    assert end_of(page, waiting).num_refined_frames == 32


def test_a_worker_without_a_gpu_and_one_of_unknown_size_take_everything(start, page):
    start(0)
    knows(page, 0)
    assert end_of(page, page.submit(settings(refine=True))).num_refined_frames == 32


def test_an_app_alone_refuses_what_its_gpu_cannot_hold(start):
    app = start(SMALL)
    knows(app, SMALL)
    with pytest.raises(RunError, match="needs a GPU with 7"):
        app.submit(settings(refine=True))
    assert end_of(app, app.submit(settings())).state == "finished"


def test_models_that_do_not_fit_are_not_loaded_in_advance(tmp_path):
    loaded = []
    gpus = GpuSizes(needed, lambda: GB)
    worker = Worker(lambda preset: loaded.append(preset), tmp_path, preload="painted", gpus=gpus)
    worker.close()
    assert loaded == []


def test_a_gpu_that_cannot_be_measured_takes_everything(tmp_path):
    def fail():
        raise RuntimeError("no driver")

    worker = Worker(opener(PaintingStream()), tmp_path, gpus=GpuSizes(needed, fail))
    assert end_of(worker, worker.submit(settings(refine=True))).state == "finished"
    worker.close()


def test_presets_say_what_they_need():
    needs = needed_by(list_presets())
    assert needs("shapes", True) == needs("of another version", True) == 0
    assert 0 < needs("modelscope", False) < needs("modelscope", True) < needs("helios", False)
