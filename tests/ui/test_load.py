"""Many visitors, many runs, closed tabs and killed programs, with the real server."""

import gc
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from t2v.media.reader import read_frames
from t2v.runs.folder import iter_folders
from t2v.ui.auth import Access
from tests.support.fakes import PaintingStream, opener, painted_preset, read_number
from tests.support.serving import Pulse, serving
from tests.ui.test_raw_api import MAKE, NAMES, make


PATIENCE = 60  # seconds
ENDED = ("finished", "stopped", "failed")


@pytest.fixture
def serve(tmp_path):
    """Starts a server; gives its address and its worker."""
    presets = {"painted": painted_preset()}
    with ExitStack() as opened:

        def start(stream, **access):
            server = serving(opener(stream), presets, tmp_path, Access(**access))
            return opened.enter_context(server)

        yield start


def watch(url, **changes) -> list[tuple[str, object]]:
    """All messages of /make, as (event, data)."""
    values = dict(MAKE) | changes
    messages = []
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        body = {"data": [values[name] for name in NAMES]}
        answer = client.post(f"{url}gradio_api/call/make", json=body).raise_for_status()
        address = f"{url}gradio_api/call/make/{answer.json()['event_id']}"
        with client.stream("GET", address) as stream:
            event = ""
            for line in stream.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data" and event != "heartbeat":
                    messages.append((event, json.loads(value)))
    return messages


def numbers_in(file: dict) -> list[tuple[int, int]]:
    """(number, seed) of every frame that a visitor was sent."""
    return [read_number(frame) for frame in read_frames(Path(file["path"]))]


@contextmanager
def open_tab(url, **changes):
    """Asks for a video like the page, and watches it until the tab is closed."""
    values = dict(MAKE) | changes
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        calls = client.get(f"{url}config").json()["dependencies"]
        number = next(call["id"] for call in calls if call["api_name"] == "generate")
        inputs = [values[name] for name in NAMES]
        inputs.insert(NAMES.index("seed") + 1, False)  # no random one
        session = f"tab-{values['seed']}"
        body = {"data": [*inputs, "", ""], "fn_index": number, "session_hash": session}
        client.post(f"{url}gradio_api/queue/join", json=body).raise_for_status()
        address = f"{url}gradio_api/queue/data?session_hash={session}"
        with client.stream("GET", address) as stream:
            lines = (json.loads(line[6:]) for line in stream.iter_lines() if line[:6] == "data: ")
            yield lines


def wait_until(is_so) -> None:
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def records(worker) -> dict[int, object]:
    """All runs, by their seeds."""
    return {record.settings.config.seed: record for record in worker.library.find()}


def test_50_visitors_on_a_queue_of_8_are_served_in_order_or_refused(serve):
    gate = threading.Event()
    stream = PaintingStream(gate=gate)
    url, worker = serve(stream, max_waiting=8)
    with Pulse(url) as pulse, ThreadPoolExecutor(50) as visitors:
        answers = [visitors.submit(watch, url, seed=0)]
        assert stream.has_begun.wait(PATIENCE)
        answers += [visitors.submit(watch, url, seed=number % 16) for number in range(1, 50)]
        wait_until(lambda: sum(answer.done() for answer in answers) == 41)
        gate.set()
        messages = [answer.result(timeout=PATIENCE) for answer in answers]
    last = [events[-1] for events in messages]
    refused = [data for event, data in last if event == "error"]
    assert len(refused) == 41
    assert all(
        "queue is full: 8 videos are waiting; try again later" in str(data) for data in refused
    )
    for number, events in enumerate(messages):
        if events[-1][0] == "complete":
            final, files = events[-1][1]
            assert final["state"] == "finished"
            assert numbers_in(files[0]) == [(n, number % 16) for n in range(24)]
    assert stream.max_running == 1
    assert len(list(iter_folders(worker.runs_dir))) == 9
    pulse.check()
    event, data = make(url, seed=3)
    assert event == "complete"
    assert numbers_in(json.loads(data)[1][0]) == [(n, 3) for n in range(24)]


def test_two_visitors_never_see_each_others_frames_seeds_or_progress(serve):
    url, worker = serve(PaintingStream(seconds_per_step=0.02))
    wanted = {5: {"num_chunks": 6, "num_inference_steps": 3}, 9: {"num_inference_steps": 7}}
    with ThreadPoolExecutor(2) as visitors:
        messages = {
            seed: visitors.submit(watch, url, seed=seed, **values)
            for seed, values in wanted.items()
        }
        messages = {seed: answer.result(timeout=PATIENCE) for seed, answer in messages.items()}
    for seed, events in messages.items():
        run_id = records(worker)[seed].id
        num_steps = wanted[seed]["num_inference_steps"]
        assert {data[0]["run"] for _, data in events} == {run_id}
        steps = [data[0] for _, data in events if data[0]["type"] == "Progress"]
        assert steps and {step["num_steps"] for step in steps} == {num_steps}
        files = [file for _, data in events for file in data[1] or []]
        assert {shown for file in files for _, shown in numbers_in(file)} == {seed}
        assert events[-1][1][0]["summary"]["settings"]["config"]["seed"] == seed


def test_a_run_continues_when_its_tab_is_closed(serve):
    url, worker = serve(PaintingStream(seconds_per_step=0.15))
    slow = {"num_chunks": 3, "num_inference_steps": 6}  # so that closing is noticed before the end
    with open_tab(url, seed=1, **slow) as made:
        assert next(said for said in made if "Chunk 0" in str(said))
        with open_tab(url, seed=2, **slow) as waiting:
            assert next(said for said in waiting if "You are next" in str(said))
    assert {record.state for record in records(worker).values()} == {"running", "queued"}
    wait_until(lambda: all(record.state in ENDED for record in records(worker).values()))
    for seed, record in records(worker).items():
        assert record.state == "finished"
        frames = read_frames(worker.runs_dir / record.id / "video.mp4")
        assert [read_number(frame) for frame in frames] == [(n, seed) for n in range(32)]
    assert make(url)[0] == "complete"


@pytest.mark.parametrize("script", [None, "kill -9 $$"], ids=["missing", "killed"])
def test_a_video_is_made_although_ffmpeg_fails_and_the_next_is_streamed(
    serve, tmp_path, monkeypatch, script
):
    url, worker = serve(PaintingStream(seconds_per_step=0.1))
    slow = {"num_chunks": 4, "num_inference_steps": 5}  # it has just begun when streaming fails
    programs = tmp_path / "programs"
    programs.mkdir()
    if script:
        (programs / "ffmpeg").write_text(f"#!/bin/sh\n{script}\n")
        (programs / "ffmpeg").chmod(0o755)
        (programs / "ffprobe").symlink_to("/usr/bin/ffprobe")
    with monkeypatch.context() as patch, Pulse(url) as pulse:
        patch.setenv("PATH", str(programs))
        with open_tab(url, seed=1, **slow) as messages:
            messages = list(messages)
        end = next(said for said in messages if said["msg"] == "process_completed")
        assert end["success"] and records(worker)[1].state == "finished"
    warnings = [said["log"] for said in messages if said["msg"] == "log"]
    assert len(warnings) == 1 and "cannot be shown live" in warnings[0]
    assert str(worker.runs_dir) not in json.dumps(messages)
    pulse.check()
    with open_tab(url, seed=2, **slow) as messages:
        assert next(said for said in messages if said["msg"] == "process_completed")["success"]
    for seed, record in records(worker).items():
        frames = read_frames(worker.runs_dir / record.id / "video.mp4")
        assert [read_number(frame) for frame in frames] == [(n, seed) for n in range(40)]


def usage() -> tuple[int, int, int]:
    """Of this process, server and all: bytes of memory, threads, open files."""
    gc.collect()
    with open("/proc/self/statm") as statm:
        pages = int(statm.read().split()[1])
    threads = threading.active_count()
    return pages * os.sysconf("SC_PAGE_SIZE"), threads, len(os.listdir("/proc/self/fd"))


@pytest.mark.soak
def test_100_runs_through_the_server_leak_nothing(serve):
    url, _ = serve(PaintingStream())

    def make_some(num_runs) -> None:
        for number in range(num_runs):
            assert make(url, refine=number % 4 == 0)[0] == "complete"

    make_some(30)  # what is made once: caches, threads that wait
    before = usage()
    make_some(100)
    for first, last in zip(before, usage(), strict=True):
        assert last == pytest.approx(first, rel=0.05)
