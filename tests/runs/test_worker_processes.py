"""Several real processes that make the runs of one folder, and are killed or stopped."""

import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest

from t2v.media.reader import read_frames
from t2v.runs.events import SegmentReady, Started
from t2v.runs.export import chunk_hashes
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_events, iter_segments
from t2v.runs.sharing.holder import Holder
from t2v.runs.worker import Worker
from tests.support.fakes import read_number, read_numbers, settings
from tests.support.processes import started, wait_until


LONG = 600.0  # seconds of a lease that only the end of its process ends

pytestmark = pytest.mark.slow


@pytest.fixture
def start():
    """Starts processes that make the runs of a folder, and kills them after the test."""
    with ExitStack() as processes:

        def start(runs_dir, seconds_per_step=0.0, lease_seconds=LONG, kind="painted"):
            program = started("worker_process", runs_dir, seconds_per_step, lease_seconds, kind)
            return processes.enter_context(program)

        yield start


@pytest.fixture
def open_page():
    """A worker that makes no runs itself."""
    pages = []

    def open_page(runs_dir, **options):
        pages.append(Worker(None, runs_dir, **options))
        return pages[-1]

    yield open_page
    for page in pages:
        page.close()


def holder_of(run_id, runs_dir):
    """The number of the process that makes a run; 0 if none does."""
    for path in (runs_dir / ".work" / "leases").glob(f"{run_id}.*"):
        if holder := Holder.parse(path.read_bytes()):
            return holder.pid
    return 0


def num_segments(folder):
    return len(list(iter_segments(folder)))


def test_the_run_of_a_killed_worker_goes_on_in_another_with_the_same_frames(
    tmp_path, start, open_page
):
    config = settings(num_chunks=4, num_inference_steps=3, scheduler="unipc", seed=7).config
    config = replace(config, prompt="0: a red star moving left / 2-3: a blue ring")
    wanted = replace(settings(), config=config, preset="shapes", display_size=(64, 64))
    runs_dir = tmp_path / "runs"
    page = open_page(runs_dir)
    whole, other = page.submit(wanted), page.submit(wanted)
    workers = [start(runs_dir, kind="real") for _ in range(2)]
    killed = RunFolder(runs_dir / other)
    wait_until(lambda: num_segments(killed) >= 2)
    {worker.pid: worker for worker in workers}[holder_of(other, runs_dir)].kill()
    for run_id in (other, whole):
        *_, end = page.watch(run_id)
        assert end.state == "finished"
    hashes = chunk_hashes(killed, "preview")
    assert hashes == chunk_hashes(RunFolder(runs_dir / whole), "preview")
    assert len(hashes) == 4 and "interrupted after" in str(list(iter_events(killed)))


def test_a_painted_run_is_made_by_whoever_lives(tmp_path, start, open_page):
    page = open_page(tmp_path)
    run_id = page.submit(settings(num_chunks=12, refine=True))
    folder = RunFolder(tmp_path / run_id)
    for num_chunks in (2, 5, 8):
        killed = start(tmp_path, 0.05)
        wait_until(lambda n=num_chunks: num_segments(folder) >= n)
        killed.kill()
    start(tmp_path)
    *_, end = page.watch(run_id)
    for path in (end.path, end.refined_path):
        assert read_numbers(read_frames(path)) == list(range(104))
    assert [path.name for path in iter_segments(folder)] == [
        f"{start:08d}.mp4" for start in (0, *range(16, 104, 8))
    ]


def test_100_runs_of_20_visitors_are_each_made_once(tmp_path, start, open_page):
    start(tmp_path), start(tmp_path)
    page = open_page(tmp_path, max_waiting=100, max_per_visitor=5)

    def visit(visitor):
        chosen = [settings(num_chunks=1, seed=visitor % 16) for _ in range(5)]
        runs = [page.submit(one, f"visitor {visitor}") for one in chosen]
        return [(run_id, visitor % 16, list(page.watch(run_id))[-1]) for run_id in runs]

    with ThreadPoolExecutor(20) as visitors:
        made = [one for runs in visitors.map(visit, range(20)) for one in runs]
    assert len({run_id for run_id, *_ in made}) == 100
    for run_id, seed, end in made:
        frames = [read_number(frame) for frame in read_frames(end.path)]
        assert frames == [(number, seed) for number in range(16)]
        kinds = Counter(type(event) for event in iter_events(RunFolder(tmp_path / run_id)))
        assert (kinds[Started], kinds[SegmentReady]) == (1, 1)


def test_a_stopped_worker_that_wakes_up_leaves_its_run_to_the_other(tmp_path, start, open_page):
    page = open_page(tmp_path, lease_seconds=1.0)
    run_id = page.submit(settings(num_chunks=9))
    folder = RunFolder(tmp_path / run_id)
    sleeper = start(tmp_path, 0.1, 1.0)
    wait_until(lambda: num_segments(folder) >= 2)
    sleeper.send_signal(signal.SIGSTOP)
    start(tmp_path, 0.0, 1.0)
    *_, end = page.watch(run_id)
    assert read_numbers(read_frames(end.path)) == list(range(80))
    before = folder.log_path.read_bytes(), (folder.path / "run.json").read_bytes()
    sleeper.send_signal(signal.SIGCONT)
    time.sleep(2.0)
    assert (folder.log_path.read_bytes(), (folder.path / "run.json").read_bytes()) == before
    assert sleeper.poll() is None
    assert list(page.watch(page.submit(settings())))[-1].state == "finished"
