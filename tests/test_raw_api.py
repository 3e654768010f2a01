"""Programs that send nonsense: refused in words, and nobody else notices."""

import getpass
import json
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from t2v.ui.access import Access
from tests.fakes import PaintingStream, opener, painted_preset
from tests.serving import Pulse, serving


MAKE = [
    ("prompt", "a red star"),
    ("preset", "painted"),
    ("num_chunks", 2),
    ("apm_strength", 1),
    ("seed", 5),
    ("num_inference_steps", 1),
    ("guidance_scale", 7.5),
    ("scheduler", "ddim"),
    ("use_cam", True),
    ("negative_prompt", ""),
    ("refine", False),
    ("blending", "causal"),
    ("write_metadata", True),
    ("size", ""),
    ("reseed", ""),
]
NAMES = [name for name, _ in MAKE]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server, its worker, and a pulse that is felt during all tests."""
    folder = tmp_path_factory.mktemp("server")
    presets = {"painted": painted_preset()}
    with serving(opener(PaintingStream()), presets, folder) as (url, worker):
        yield url, worker


def call(url, endpoint, values, **options):
    """(event, data) of the last thing that an endpoint says. JSON as Python writes it: with NaN."""
    with httpx.Client(trust_env=False, timeout=60, **options) as client:
        body = json.dumps({"data": values})
        headers = {"Content-Type": "application/json"}
        answer = client.post(f"{url}gradio_api/call/{endpoint}", content=body, headers=headers)
        if answer.status_code != 200:
            return "refused", answer.text
        event_id = answer.json()["event_id"]
        text = client.get(f"{url}gradio_api/call/{endpoint}/{event_id}").text
    last = [block for block in text.split("\n\n") if block.strip()][-1]
    event, data = (line.partition(": ")[2] for line in last.splitlines()[:2])
    return event, data


def make(url, **changes):
    return call(url, "make", [changes.get(name, value) for name, value in MAKE])


def num_runs(worker) -> int:
    return len(list(worker.runs_dir.glob("*"))) if worker.runs_dir.exists() else 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", None),
        ("prompt", {}),
        ("prompt", {"text": "a red star"}),
        ("prompt", ["a red star"]),
        ("prompt", 7),
        ("prompt", ""),
        ("prompt", "\x00\x01\x02\t\r\n\x7f"),
        ("prompt", "a" * 5_000_000),
        ("prompt", {"a": "b" * 5_000_000}),
        ("negative_prompt", {"a": 1}),
        ("negative_prompt", "a" * 5_000_000),
        ("preset", "../../x"),
        ("preset", None),
        ("preset", {"a": 1}),
        ("scheduler", ["ddim"]),
        ("scheduler", "euler"),
        ("blending", "joint"),
        ("num_chunks", float("nan")),
        ("num_chunks", float("inf")),
        ("num_chunks", 1e300),
        ("num_chunks", 10**40),
        ("num_chunks", 2.5),
        ("num_chunks", 0),
        ("num_chunks", -1),
        ("num_chunks", None),
        ("num_chunks", "2"),
        ("num_chunks", True),
        ("num_chunks", {"a": 1}),
        ("num_chunks", [[[[]]]]),
        ("apm_strength", float("nan")),
        ("apm_strength", 2.0001),
        ("apm_strength", "1"),
        ("seed", 2**32),
        ("seed", -0.5),
        ("seed", float("-inf")),
        ("num_inference_steps", 10**9),
        ("guidance_scale", float("nan")),
        ("guidance_scale", None),
        ("use_cam", "yes"),
        ("use_cam", None),
        ("refine", 1),
        ("size", "100x128"),
        ("size", "64x99999"),
        ("size", "../../x"),
        ("size", [64, 128]),
        ("size", "6" * 5_000_000),
        ("reseed", "x: 3"),
        ("reseed", {"a": 1}),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_nonsense_is_refused_and_makes_no_run(server, name, value):
    url, worker = server
    before = num_runs(worker)
    with Pulse(url) as pulse:
        event, data = make(url, **{name: value})
    assert event in ("error", "refused"), data
    assert len(data) < 2000  # nothing is sent back that is as long as what came
    assert "Traceback" not in data
    assert num_runs(worker) == before
    pulse.check()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("prompt", {"text": "a red star"}, "Prompt must be text"),
        ("prompt", None, "Prompt must be text"),
        ("prompt", "a" * 5_000_000, "at most 2000 characters"),
        ("num_chunks", 2.5, "from 1 to 10000"),
        ("seed", 2**32, "from 0 to 4294967295"),
        ("use_cam", "yes", "CAM must be true or false"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_the_words_say_what_is_allowed(server, name, value, words):
    event, data = make(server[0], **{name: value})
    assert event == "error"
    assert words in data


def test_a_step_between_those_of_a_slider_is_a_number_like_any_other(server):
    event, data = make(server[0], apm_strength=0.123456)
    assert event == "complete"
    assert json.loads(data)[0]["summary"]["settings"]["config"]["apm_strength"] == 0.123456


def test_control_characters_do_not_reach_a_run(server):
    event, data = make(server[0], prompt="a red\x00\x1b[31m\nstar")
    assert event == "complete"
    prompt = json.loads(data)[0]["summary"]["settings"]["config"]["prompt"]
    assert prompt == "a red[31m star"


@pytest.mark.parametrize("endpoint", ["run", "stop", "gif", "bundle", "compare"])
@pytest.mark.parametrize(
    "run_id", ["../../x", "", None, {"a": 1}, 7, "a" * 5_000_000, "0" * 24, "\x00"], ids=repr
)
def test_an_id_of_no_run_is_refused(server, endpoint, run_id):
    event, data = call(server[0], endpoint, [run_id])
    assert event in ("error", "refused")
    assert len(data) < 2000


@pytest.mark.parametrize("path", ["/etc/passwd", "../../x", __file__])
def test_settings_are_read_from_files_that_were_sent_and_from_no_others(server, path):
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    event, data = call(server[0], "settings", [file])
    assert event in ("error", "refused")
    assert "root:" not in data


@pytest.mark.parametrize("body", ["", "{", "[]", '{"data": 7}', '{"data": []}', "\x00", "7"])
def test_a_body_that_is_no_call_is_refused(server, body):
    url, _ = server
    with Pulse(url) as pulse, httpx.Client(trust_env=False, timeout=60) as client:
        answer = client.post(f"{url}gradio_api/call/make", content=body)
        if answer.status_code == 200:
            event_id = answer.json()["event_id"]
            text = client.get(f"{url}gradio_api/call/make/{event_id}").text
            assert "event: error" in text
    pulse.check()


def test_after_all_this_a_video_is_what_it_always_was(server):
    event, data = make(server[0])
    assert event == "complete"
    finished, files = json.loads(data)
    assert (finished["state"], finished["num_frames"], len(files)) == ("finished", 24, 1)


@pytest.fixture(scope="module")
def guests(tmp_path_factory):
    """A server for reviewers: its address, its login, and its folder, which has a telling name."""
    folder = tmp_path_factory.mktemp("jane-doe-of-some-university")
    access = Access(max_chunks=3, max_waiting=1, max_upload="1mb", login=("reviewer", "secret"))
    presets = {"painted": painted_preset()}
    with (
        TemporaryDirectory(prefix="g") as cache,
        httpx.Client(trust_env=False) as client,
        serving(opener(PaintingStream()), presets, folder, access, cache=cache) as (url, _),
    ):
        login = {"username": "reviewer", "password": "secret"}
        client.post(f"{url}login", data=login).raise_for_status()
        yield url, dict(client.cookies), folder


def test_without_the_password_there_is_nothing(guests):
    url, _, _ = guests
    assert call(url, "make", [value for _, value in MAKE])[0] == "refused"
    for path in ("config", "gradio_api/info", "gradio_api/run/stop"):
        assert httpx.get(url + path, trust_env=False).status_code in (401, 405)
    wrong = httpx.post(f"{url}login", data={"username": "reviewer", "password": "x"})
    assert wrong.status_code == 400


def test_guests_have_caps(guests):
    url, cookies, _ = guests
    values = dict(MAKE) | {"num_chunks": 4}
    event, data = call(url, "make", [values[name] for name in NAMES], cookies=cookies)
    assert event == "error"
    assert "from 1 to 3 on this server" in data
    upload = {"files": ("big.mp4", b"0" * 2_000_000)}
    answer = httpx.post(
        f"{url}gradio_api/upload", files=upload, cookies=cookies, trust_env=False, timeout=60
    )
    assert answer.status_code == 413


def test_no_name_and_no_path_is_in_pages_answers_and_files(guests):
    url, cookies, folder = guests
    event, data = call(url, "make", [value for _, value in MAKE], cookies=cookies)
    assert event == "complete"
    finished, files = json.loads(data)
    _, bundle = call(url, "bundle", [finished["run"]], cookies=cookies)
    files += [json.loads(bundle)[0]]
    seen = [data.encode(), bundle.encode()]
    with httpx.Client(trust_env=False, cookies=cookies, timeout=60) as client:
        for path in ("", "config", "gradio_api/info", f"?run={finished['run']}"):
            seen.append(client.get(url + path).raise_for_status().content)
        seen += [client.get(file["url"]).raise_for_status().content for file in files]
        assert client.get(f"{url}monitoring/summary").status_code != 200
    names = {folder.name, str(Path.cwd()), str(Path.home()), socket.gethostname()}
    names = {name for name in {*names, getpass.getuser()} if len(name) > 5}  # not just a word
    assert not {name for name in names if any(name.encode() in content for content in seen)}
