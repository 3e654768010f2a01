"""Who may do what with a run, asked over HTTP as guests do: by cookie, by address, or at home."""

import json
import threading
from contextlib import ExitStack

import httpx
import pytest

from t2v.ui.access import Access
from t2v.ui.visitors import COOKIE, ONLY_WATCHING
from tests.fakes import PaintingStream, opener, painted_preset
from tests.serving import serving
from tests.test_raw_api import MAKE, NAMES, call


HOME, GUESTS = Access(sees_all_runs=True), Access()
COMMANDS = {
    "stop": [],
    "pause": [],
    "resume": [],
    "extend": [1],
    "change_prompt": ["a blue ring", 0],
    "redo": [0, 7, None],
    "set_favourite": [True],
    "delete": [],
    # what the buttons call, private as they are
    "pause_1": [],
    "resume_1": [],
    "extend_1": [1],
    "change_prompt_1": ["a blue ring", 0],
    "redo_1": [0, True, ""],
    "toggle_favourite": [],
    "delete_1": [],
}


@pytest.fixture
def serve(tmp_path):
    """Starts a server; gives its address and its worker."""
    presets = {"painted": painted_preset()}
    with ExitStack() as opened:

        def start(access, stream=None):
            server = serving(opener(stream or PaintingStream()), presets, tmp_path, access)
            return opened.enter_context(server)

        yield start


def browser(url) -> dict:
    """Opens the page; gives what it has to send along, like a browser."""
    with httpx.Client(trust_env=False) as client:
        client.get(url).raise_for_status()
        return {"cookies": dict(client.cookies)}


def make(url, visitor, **changes) -> str:
    values = dict(MAKE) | changes
    event, data = call(url, "make", [values[name] for name in NAMES], **visitor)
    assert event == "complete", data
    return json.loads(data)[0]["run"]


def told(url, command, run_id, visitor) -> str:
    """What a command answers to somebody."""
    return call(url, command, [run_id, *COMMANDS[command]], **visitor)[1]


def passed_on(address) -> dict:
    return {"headers": {"X-Forwarded-For": address}}


def test_a_link_lets_others_watch_and_download_and_nothing_else(serve):
    url, worker = serve(GUESTS)
    own, other = browser(url), browser(url)
    run_id = make(url, own)
    before = worker.record(run_id)
    for visitor in (other, passed_on("10.0.0.1"), {}, {"cookies": {COOKIE: "0" * 32}}):
        for command in COMMANDS:
            assert ONLY_WATCHING in told(url, command, run_id, visitor), command
        for endpoint in ("run", "gif", "bundle"):
            assert call(url, endpoint, [run_id], **visitor)[0] == "complete"
    assert worker.record(run_id) == before


def test_who_asked_for_a_run_may_change_it_also_when_the_app_was_started_anew(serve, monkeypatch):
    url, worker = serve(GUESTS)
    own = browser(url)
    run_id = make(url, own)
    monkeypatch.setattr("t2v.ui.visitors.SECRET", b"of another process")
    assert json.loads(told(url, "set_favourite", run_id, own))[0]["is_favourite"]
    assert json.loads(told(url, "extend", run_id, own))[0]["settings"]["config"]["num_chunks"] == 3
    list(worker.watch(run_id))
    assert json.loads(told(url, "delete", run_id, own))[0]["id"] == run_id


def test_programs_are_known_by_their_address(serve):
    url, _ = serve(GUESTS)
    run_id = make(url, passed_on("10.0.0.1"))
    assert ONLY_WATCHING in told(url, "delete", run_id, passed_on("10.0.0.2"))
    assert json.loads(told(url, "delete", run_id, passed_on("10.0.0.1")))[0]["id"] == run_id


def test_everybody_at_a_machine_that_serves_nobody_else_may_change_all_runs(serve):
    url, _ = serve(HOME)
    run_id = make(url, browser(url))
    assert ONLY_WATCHING in told(url, "set_favourite", run_id, passed_on("10.0.0.1"))
    for visitor in ({}, browser(url)):
        assert json.loads(told(url, "set_favourite", run_id, visitor))[0]["is_favourite"]


def test_a_guest_cannot_stop_a_run_that_is_being_made(serve):
    gate = threading.Event()
    url, worker = serve(GUESTS, stream := PaintingStream(gate=gate))
    visitor = browser(url)
    with httpx.Client(trust_env=False, **visitor) as client:
        body = {"data": [dict(MAKE)[name] for name in NAMES]}
        client.post(f"{url}gradio_api/call/make", json=body).raise_for_status()
    assert stream.has_begun.wait(30)
    [run_id] = worker.line.live_ids()
    for command in ("stop", "pause", "pause_1"):
        assert ONLY_WATCHING in told(url, command, run_id, {})
    gate.set()
    assert list(worker.watch(run_id))[-1].state == "finished"


def test_a_browser_keeps_its_number_and_makes_up_none(serve):
    url, _ = serve(GUESTS)
    first = httpx.get(url, trust_env=False)
    header = first.headers["set-cookie"]
    assert "HttpOnly" in header and "SameSite=Lax" in header
    again = httpx.get(url, trust_env=False, cookies=dict(first.cookies))
    assert COOKIE not in again.headers.get("set-cookie", "")
    made_up = httpx.get(url, trust_env=False, cookies={COOKIE: "me"})
    assert COOKIE in made_up.headers["set-cookie"]
    secure = httpx.get(url, trust_env=False, headers={"X-Forwarded-Proto": "https"})
    assert "SameSite=None; Secure" in secure.headers["set-cookie"]
