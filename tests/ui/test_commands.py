"""The commands of runs as programs call them; live players; visitors."""

import asyncio
import threading
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from t2v.media.reader import read_frames
from t2v.media.segments import write_segment
from t2v.runs.events import Finished, Queued, Rewound, SegmentReady, Started
from t2v.runs.folder import RunFolder
from t2v.runs.progress import RunProgress
from t2v.ui.auth import Access
from t2v.ui.commands import Commands
from t2v.ui.players import SegmentPlayer
from t2v.ui.status import StatusBox
from t2v.ui.visitors import GUEST_NAME, visitor_of
from tests.support.fakes import made, paint, painted_preset, read_numbers, settings
from tests.support.page import Page


@pytest.fixture
def run_id(worker):
    return made(worker)


@pytest.fixture
def start(worker):
    def start(**access) -> Commands:
        return Page(worker, {"painted": painted_preset()}, Access(**access)).commands

    return start


def call(commands: Commands, name: str, *arguments):
    """The answer of a command."""
    return asyncio.run(getattr(commands, name)(*arguments))


def test_a_command_returns_the_run_as_it_is_afterwards(worker, start, run_id):
    commands = start()
    changed_run = call(commands, "extend", run_id, 2.0)
    assert changed_run["id"] == run_id
    assert changed_run["settings"]["config"]["num_chunks"] == 5
    assert list(worker.watch(run_id))[-1].num_frames == 48
    changed_run = call(commands, "redo", run_id, 4, 9)
    assert changed_run["settings"]["config"]["reseed"] == "4: 9"
    list(worker.watch(run_id))
    assert call(commands, "set_favourite", run_id, True)["is_favourite"] is True
    assert call(commands, "delete", run_id)["id"] == run_id


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("pause", (), "This run has ended"),
        ("resume", (), "This video is complete"),
        ("extend", (-1,), "Chunks must be a whole number from 1"),
        ("change_prompt", ("a blue ring",), "There is no further chunk"),
        ("redo", (9, 1), "Chunk must be a whole number from 0 to 2"),
        ("redo", (0, None, "\0"), "Prompt must not be empty"),
    ],
)
def test_an_invalid_command_gives_one_sentence(start, run_id, name, arguments, words):
    with pytest.raises(gr.Error) as error:
        call(start(), name, run_id, *arguments)
    assert words in error.value.message


def test_extend_keeps_to_the_limit_of_the_server(start, run_id):
    commands = start(max_chunks=4)
    with pytest.raises(gr.Error, match=r"may have 4 chunks .* has 3 already"):
        call(commands, "extend", run_id, 2)
    with pytest.raises(gr.Error, match="from 1 to 4"):
        call(commands, "extend", run_id, 10**9)
    assert call(commands, "extend", run_id, 1)["settings"]["config"]["num_chunks"] == 4


class Gate:
    """Stands before a method: its calls wait until the gate is open."""

    def __init__(self, method):
        self.is_reached = threading.Event()
        self.is_open = threading.Event()
        self._method = method

    def __call__(self, *arguments, **options):
        self.is_reached.set()
        assert self.is_open.wait(20), "the event loop waited for this call"
        return self._method(*arguments, **options)


@pytest.mark.parametrize(
    ("name", "method", "arguments"),
    [
        ("extend", "extend", (1,)),
        ("change_prompt", "change_prompt", ("a blue ring",)),
        ("redo", "redo", (1, 9)),
        ("click_redo", "redo", (1, True, "")),
        ("click_extend", "extend", (1,)),
    ],
)
def test_a_slow_command_does_not_block_the_event_loop(worker, monkeypatch, name, method, arguments):
    slow, other = made(worker, seed=3), made(worker, seed=4)
    worker.commands.extend(slow, 1)
    list(worker.watch(slow))
    worker.commands.extend(slow, 1)  # so that there is a further chunk
    worker.commands.pause(slow)
    list(worker.watch(slow))
    gate = Gate(getattr(worker.commands, method))
    monkeypatch.setattr(worker.commands, method, gate)
    page = Page(worker, {"painted": painted_preset()})
    commands = page.commands

    async def both():
        called = page.buttons if name.startswith("click") else commands
        answer = getattr(called, name)(slow, *arguments)
        first = anext(answer) if name.startswith("click") else answer
        waiting = asyncio.ensure_future(first)
        await asyncio.to_thread(gate.is_reached.wait, 20)
        favourite = await commands.set_favourite(other, True)
        assert favourite["is_favourite"] and not waiting.done()
        gate.is_open.set()
        await waiting
        if name.startswith("click"):
            await answer.aclose()

    try:
        asyncio.run(asyncio.wait_for(both(), timeout=60))
    finally:
        gate.is_open.set()


def test_a_slow_disk_does_not_block_the_event_loop_while_a_run_is_watched(worker, monkeypatch):
    slow, other = made(worker, seed=3), made(worker, seed=4)
    page = Page(worker, {"painted": painted_preset()})
    gate = Gate(RunFolder.read)
    read = RunFolder.read
    monkeypatch.setattr(
        RunFolder, "read", lambda self: gate(self) if self.id == slow else read(self)
    )

    async def last(run_id):
        return [shown async for shown in page.show(run_id)][-1]

    async def both():
        waiting = asyncio.ensure_future(last(slow))
        await asyncio.to_thread(gate.is_reached.wait, 20)
        assert (await last(other)).summary["state"] == "finished"
        assert not waiting.done()
        gate.is_open.set()
        return await waiting

    assert asyncio.run(asyncio.wait_for(both(), timeout=60)).summary["id"] == slow


def request(host="10.0.0.1", username=None, **headers):
    return gr.Request(username=username, client={"host": host}, headers=headers)


def test_visitors_are_distinguished_by_account_or_address_without_names():
    one = visitor_of(request(username="ann"))
    assert one == visitor_of(request("10.0.0.2", username="ann"))
    others = [request(), request("10.0.0.2"), request(**{"x-forwarded-for": "10.0.0.3, 10.0.0.1"})]
    assert len({one, *map(visitor_of, others)}) == 4
    assert "ann" not in one and visitor_of(None) == ""


def test_guests_of_a_link_are_distinguished_by_browser_or_address():
    def guest(host, number=None):
        cookie = {"cookie": f"a=b; longtake-visitor={number}"} if number else {}
        return visitor_of(request(host, username=GUEST_NAME, **cookie))

    assert guest("1.2.3.4") != guest("1.2.3.5")
    assert guest("1.2.3.4", "0" * 32) != guest("1.2.3.4", "1" * 32)
    assert guest("1.2.3.4", "0" * 32) == guest("1.2.3.5", "0" * 32)
    assert guest("1.2.3.4", "made up") == guest("1.2.3.4")


async def fed(player, updates):
    path = await player.play(updates)
    return read_numbers(read_frames(Path(path))) if path else []


def test_repeated_segments_are_not_played_again(tmp_path):
    def segment(start):
        path = tmp_path / f"{start:08d}.mp4"
        stage, num_frames = ("streaming_t2v", 8) if start else ("initialization", 16)
        frames = [paint(number) for number in range(start, start + num_frames)]
        write_segment(path, np.stack(frames), fps=8)
        return SegmentReady(
            stage=stage,
            index=max(0, start // 8 - 1),
            path=path,
            start_frame=start,
            num_frames=num_frames,
        )

    async def watch():
        player = SegmentPlayer(tmp_path, "preview")
        first = await fed(player, [segment(0), segment(16), segment(24)])
        told_again = [
            Rewound(revision=1, num_frames=24, num_refined_frames=0),
            segment(0),
            segment(16),
            segment(24),
        ]
        return first, await fed(player, told_again)

    first, second = asyncio.run(watch())
    assert (first, second) == (list(range(32)), list(range(24, 32)))


def test_a_player_is_outdated_when_it_has_shown_rewound_chunks(tmp_path):
    first = SegmentReady(
        stage="initialization", index=0, path=tmp_path / "0.mp4", start_frame=0, num_frames=16
    )

    async def watch():
        player = SegmentPlayer(tmp_path, "preview")
        states = []
        batches = [
            [Rewound(revision=1, num_frames=16, num_refined_frames=0), first],
            [Rewound(revision=2, num_frames=16, num_refined_frames=8)],
            [Rewound(revision=3, num_frames=0, num_refined_frames=16)],
            [],
        ]
        for updates in batches:
            await player.play(updates)
            states.append(player.is_outdated)
        return states

    assert asyncio.run(watch()) == [False, False, True, False]


def test_the_status_shows_pauses_queue_places_and_longer_videos(tmp_path):
    progress = RunProgress(settings())
    status = StatusBox(progress, settings().chunking)
    progress.add(Queued(position=2, wait=75))
    assert "Place 2 in the queue, in about 1:15 min" in status.to_html()
    progress.add(Finished(state="paused", path=tmp_path / "video.mp4", num_frames=16, seconds=1.0))
    assert "Paused" in status.to_html() and "2.0 s so far" in status.to_html()
    progress.add(Rewound(revision=1, num_frames=16, num_refined_frames=0))
    progress.add(Started(num_chunks=9, num_frames=80, fps=8))
    assert "Paused" not in status.to_html()
    assert 'data-starts="2 0"' in status.to_html()
    progress.add(Finished(state="paused", path=None, num_frames=0, seconds=0.0))
    assert "Nothing has been made yet" in status.to_html()
