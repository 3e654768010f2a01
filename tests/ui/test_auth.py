"""Who may do what with a run, over HTTP: by cookie, by address, or at the machine itself."""

import json
import threading
from contextlib import ExitStack

import httpx
import pytest

from t2v.ui.auth import ONLY_WATCHING, Access
from t2v.ui.visitors import COOKIE
from tests.support.fakes import PaintingStream, live_ids, opener, painted_preset
from tests.support.serving import serving
from tests.ui.test_raw_api import MAKE, NAMES, call


HOME, GUESTS = Access(sees_all_runs=True), Access()
BEHIND_A_PROXY = Access(proxies=1)
COMMANDS = {
    "stop": [],
    "pause": [],
    "resume": [],
    "extend": [1],
    "change_prompt": ["a blue ring", 0],
    "redo": [0, 7, None],
    "refine": [],
    "move": [-1],
    "set_favourite": [True],
    "delete": [],
    # what the buttons call; private, but reachable
    "click_pause": [],
    "click_resume": [],
    "click_extend": [1],
    "click_change_prompt": ["a blue ring", 0],
    "confirm_redo": [0, True, ""],
    "click_refine": [],
    "click_favourite": [],
    "click_delete": [],
}


def test_the_login_page_says_what_it_is_and_who_knows_the_password(serve):
    url, _ = serve(Access(login=("reviewer", "secret")))
    for headers in ({}, {"accept-encoding": "br, gzip"}):
        answer = httpx.get(url, headers=headers, trust_env=False)
        assert "<title>Longtake</title>" in answer.text and "auth_required" in answer.text
        assert "Long videos from text" in answer.text and "knows the name and the password" in (
            " ".join(answer.text.replace("\\n", " ").split())
        )
        assert "secret" not in answer.text


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
    """Opens the page; returns the cookies that a browser would send."""
    with httpx.Client(trust_env=False) as client:
        client.get(url).raise_for_status()
        return {"cookies": dict(client.cookies)}


def make(url, visitor, **changes) -> str:
    values = dict(MAKE) | changes
    event, data = call(url, "make", [values[name] for name in NAMES], **visitor)
    assert event == "complete", data
    return json.loads(data)[0]["run"]


def answer_to(url, command, run_id, visitor) -> str:
    """The answer of a command to a visitor."""
    values = [run_id, *COMMANDS[command]]
    if command == "confirm_redo":  # it takes what was asked about as one value
        values = [values]
    return call(url, command, values, **visitor)[1]


def forwarded(address) -> dict:
    return {"headers": {"X-Forwarded-For": address}}


def test_others_with_the_link_can_only_watch_and_download(serve):
    url, worker = serve(GUESTS)
    own, other = browser(url), browser(url)
    run_id = make(url, own)
    before = worker.record(run_id)
    for visitor in (other, forwarded("10.0.0.1"), {}, {"cookies": {COOKIE: "0" * 32}}):
        for command in COMMANDS:
            assert ONLY_WATCHING in answer_to(url, command, run_id, visitor), command
        for endpoint in ("run", "gif", "bundle"):
            assert call(url, endpoint, [run_id], **visitor)[0] == "complete"
    assert worker.record(run_id) == before


def test_visitors_may_change_their_runs_after_a_restart_of_the_app(serve, monkeypatch):
    url, worker = serve(GUESTS)
    own = browser(url)
    run_id = make(url, own)
    monkeypatch.setattr("t2v.ui.visitors.SECRET", b"of another process")
    assert json.loads(answer_to(url, "set_favourite", run_id, own))[0]["is_favourite"]
    assert (
        json.loads(answer_to(url, "extend", run_id, own))[0]["settings"]["config"]["num_chunks"]
        == 3
    )
    list(worker.watch(run_id))
    assert json.loads(answer_to(url, "delete", run_id, own))[0]["id"] == run_id


def test_programs_are_recognised_by_their_address(serve):
    url, _ = serve(BEHIND_A_PROXY)
    run_id = make(url, forwarded("10.0.0.1"))
    assert ONLY_WATCHING in answer_to(url, "delete", run_id, forwarded("10.0.0.2"))
    assert json.loads(answer_to(url, "delete", run_id, forwarded("10.0.0.1")))[0]["id"] == run_id


def test_the_owner_of_the_machine_may_change_all_runs(serve):
    url, _ = serve(HOME)
    run_id = make(url, browser(url))
    assert ONLY_WATCHING in answer_to(url, "set_favourite", run_id, forwarded("10.0.0.1"))
    for visitor in ({}, browser(url)):
        assert json.loads(answer_to(url, "set_favourite", run_id, visitor))[0]["is_favourite"]


def test_a_guest_cannot_stop_a_run_that_is_being_made(serve):
    gate = threading.Event()
    url, worker = serve(GUESTS, stream := PaintingStream(gate=gate))
    visitor = browser(url)
    with httpx.Client(trust_env=False, **visitor) as client:
        body = {"data": [dict(MAKE)[name] for name in NAMES]}
        client.post(f"{url}gradio_api/call/make", json=body).raise_for_status()
    assert stream.has_begun.wait(30)
    [run_id] = live_ids(worker)
    for command in ("stop", "pause", "click_pause"):
        assert ONLY_WATCHING in answer_to(url, command, run_id, {})
    gate.set()
    assert list(worker.watch(run_id))[-1].state == "finished"


def test_a_browser_keeps_its_cookie_and_cannot_invent_one(serve):
    url, _ = serve(GUESTS)
    first = httpx.get(url, trust_env=False)
    header = first.headers["set-cookie"]
    assert "HttpOnly" in header and "SameSite=Lax" in header
    again = httpx.get(url, trust_env=False, cookies=dict(first.cookies))
    assert COOKIE not in again.headers.get("set-cookie", "")
    number, _, signature = first.cookies[COOKIE].partition(".")
    for forged in ("me", number, f"{number}.{signature[:-1]}", f"{'0' * 32}.{signature}"):
        made_up = httpx.get(url, trust_env=False, cookies={COOKIE: forged})
        assert COOKIE in made_up.headers["set-cookie"], forged
    secure = httpx.get(url, trust_env=False, headers={"X-Forwarded-Proto": "https"})
    assert "SameSite=None; Secure" in secure.headers["set-cookie"]
