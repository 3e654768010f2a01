"""The commands of runs as programs call them, and how visitors are told apart."""

import asyncio
from pathlib import Path

import gradio as gr
import numpy as np
import pytest

from t2v.jobs.updates import Finished, Queued, Rewound, SegmentReady, Started
from t2v.media.segments import write_segment
from t2v.media.video import read_frames
from t2v.ui.access import GUEST_NAME
from t2v.ui.players import SegmentPlayer
from t2v.ui.status import RunStatus
from t2v.ui.steering import Steered
from t2v.ui.visitors import visitor_of
from tests.fakes import made, paint, read_numbers, settings


@pytest.fixture
def run_id(worker):
    return made(worker)


def test_a_command_answers_with_the_run_as_it_is_then(worker, run_id):
    told = Steered(worker).extend(run_id, 2.0)
    assert told["id"] == run_id
    assert told["settings"]["config"]["num_chunks"] == 5
    assert list(worker.watch(run_id))[-1].num_frames == 48
    told = Steered(worker).redo(run_id, 4, 9)
    assert told["settings"]["config"]["reseed"] == "4: 9"
    list(worker.watch(run_id))
    assert Steered(worker).set_favourite(run_id, True)["is_favourite"] is True
    assert Steered(worker).delete(run_id)["id"] == run_id


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
def test_a_command_that_cannot_be_is_one_sentence(worker, run_id, name, arguments, words):
    with pytest.raises(gr.Error) as error:
        getattr(Steered(worker), name)(run_id, *arguments)
    assert words in error.value.message


def test_a_video_grows_no_longer_than_the_server_allows(worker, run_id):
    steered = Steered(worker, max_chunks=4)
    with pytest.raises(gr.Error, match=r"may have 4 chunks .* has 3 already"):
        steered.extend(run_id, 2)
    with pytest.raises(gr.Error, match="from 1 to 4"):
        steered.extend(run_id, 10**9)
    assert steered.extend(run_id, 1)["settings"]["config"]["num_chunks"] == 4


def request(host="10.0.0.1", username=None, **headers):
    return gr.Request(username=username, client={"host": host}, headers=headers)


def test_visitors_are_told_apart_by_account_or_address_and_stay_nameless():
    one = visitor_of(request(username="ann"))
    assert one == visitor_of(request("10.0.0.2", username="ann"))
    others = [request(), request("10.0.0.2"), request(**{"x-forwarded-for": "10.0.0.3, 10.0.0.1"})]
    assert len({one, *map(visitor_of, others)}) == 4
    assert "ann" not in one and visitor_of(None) == ""


def test_guests_with_the_password_of_a_link_are_told_apart_by_browser_or_else_by_address():
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


def test_a_player_is_not_fed_again_what_is_told_again(tmp_path):
    def segment(start):
        path = tmp_path / f"{start:08d}.mp4"
        stage, num_frames = ("streaming_t2v", 8) if start else ("initialization", 16)
        frames = [paint(number) for number in range(start, start + num_frames)]
        write_segment(path, np.stack(frames), fps=8)
        return SegmentReady(stage, max(0, start // 8 - 1), path, start, num_frames)

    async def watch():
        player = SegmentPlayer(tmp_path, is_refined=False)
        first = await fed(player, [segment(0), segment(16), segment(24)])
        told_again = [Rewound(1, 24, 0), segment(0), segment(16), segment(24)]
        return first, await fed(player, told_again)

    first, second = asyncio.run(watch())
    assert (first, second) == (list(range(32)), list(range(24, 32)))


def test_a_player_knows_when_it_has_shown_what_holds_no_more(tmp_path):
    first = SegmentReady("initialization", 0, tmp_path / "0.mp4", 0, 16)

    async def watch():
        player = SegmentPlayer(tmp_path, is_refined=False)
        states = []
        for updates in ([Rewound(1, 16, 0), first], [Rewound(2, 16, 8)], [Rewound(3, 0, 16)], []):
            await player.play(updates)
            states.append(player.is_outdated)
        return states

    assert asyncio.run(watch()) == [False, False, True, False]


def test_the_status_knows_pauses_waits_and_longer_videos(tmp_path):
    status = RunStatus(settings())
    status.add(Queued(2, wait=75))
    assert "Place 2 in the queue, in about 1:15 min" in status.to_html()
    status.add(Finished("paused", tmp_path / "video.mp4", 16, 1.0))
    assert "Paused" in status.to_html() and "2.0 s so far" in status.to_html()
    status.add(Rewound(1, 16, 0))
    status.add(Started(9, 80, 8))
    assert "Paused" not in status.to_html()
    assert 'data-starts="2 0"' in status.to_html()
    status.add(Finished("paused", None, 0, 0.0))
    assert "Nothing was made yet" in status.to_html()
