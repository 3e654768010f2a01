"""Programs that send invalid requests get an error, and other visitors do not notice."""

import getpass
import json
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import pytest

from t2v.runs.folder import iter_folders
from t2v.ui.auth import Access
from tests.support.fakes import PaintingStream, opener, painted_preset
from tests.support.serving import Pulse, serving


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
    ("history_length", 19),
    ("use_anchor", True),
    ("start", None),
    ("fit", "crop"),
]
NAMES = [name for name, _ in MAKE]
OURS = [name for name in NAMES if name != "start"]  # Gradio refuses what is no upload


def short_id(value: object) -> str:
    """Names a parameter without printing millions of characters."""
    return repr(value)[:24]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a server, and its worker."""
    folder = tmp_path_factory.mktemp("server")
    presets = {"painted": painted_preset()}
    with serving(opener(PaintingStream()), presets, folder) as (url, worker):
        call(url, "run", [""])  # at its first event Gradio imports matplotlib, which takes a while
        yield url, worker


def call(url, endpoint, values, **options):
    """(event, data) of an endpoint's last message.

    The request is JSON as Python writes it: with NaN.
    """
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
    return len(list(iter_folders(worker.runs_dir)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        # What only JSON can carry to a setting; every bad value of each is in test_config.py.
        ("prompt", {"text": "a red star"}),
        ("prompt", "\x00\x01\x02\t\r\n\x7f"),
        ("prompt", "a" * 5_000_000),
        ("prompt", {"a": "b" * 5_000_000}),
        ("preset", "../../x"),
        ("preset", {"a": 1}),
        ("scheduler", ["ddim"]),
        ("num_chunks", float("nan")),
        ("num_chunks", 10**40),
        ("num_chunks", [[[[]]]]),
        ("num_chunks", None),
        ("size", "../../x"),
        ("size", [64, 128]),
        ("size", "6" * 5_000_000),
        ("reseed", {"a": 1}),
        ("start", {"path": __file__, "meta": {"_type": "gradio.FileData"}}),
        ("start", "x"),
        ("start", [1]),
        ("fit", "stretch"),
    ],
    ids=short_id,
)
def test_invalid_values_are_refused_and_make_no_run(server, name, value):
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
        ("prompt", "a" * 5_000_000, "at most 2000 characters"),
        ("num_chunks", 2.5, "from 1 to 10000"),
    ],
    ids=short_id,
)
def test_errors_say_what_is_allowed(server, name, value, words):
    event, data = make(server[0], **{name: value})
    assert event == "error"
    assert words in data


WRONG = ({}, [], {"a": [1]}, [None], "b" * 5_000_000, True, 0, 1.5, -1, "x", None)
RIGHT = {  # of those, the values that some settings take; None is what was left out
    "prompt": ("x",),
    "seed": (0,),
    "apm_strength": (0, 1.5),
    "guidance_scale": (1.5,),
    "use_cam": (True,),
    "history_length": (0,),
    "use_anchor": (True,),
    "refine": (True,),
    "write_metadata": (True,),
    "negative_prompt": ("x", None),
    "reseed": (None,),
    "size": (None,),
    "fit": (None,),
}


@pytest.mark.parametrize("name", OURS)
def test_a_wrong_type_of_any_setting_is_one_sentence(server, name):
    url, worker = server
    right = RIGHT.get(name, ())
    for value in WRONG:
        if any(value is one or (type(value) is type(one) and value == one) for one in right):
            continue
        before = num_runs(worker)
        event, data = make(url, **{name: value})
        message = json.loads(data)
        message = message.get("error", message) if isinstance(message, dict) else message
        assert (event, type(message)) == ("error", str), (value, data)
        assert len(message.split()) > 3 and len(message) < 500, message
        assert num_runs(worker) == before


@pytest.mark.parametrize("endpoint", ["extend", "change_prompt", "redo", "set_favourite"])
def test_a_wrong_type_of_any_command_is_one_sentence(server, endpoint):
    url, _ = server
    run_id = json.loads(make(url)[1])[0]["run"]
    rights = {"extend": [1], "change_prompt": ["a blue ring", 0], "redo": [0, 7, None]}
    values = rights.get(endpoint, [True])
    for place in range(len(values)):
        for value in ({}, [], {"a": [1]}, [None], "b" * 5_000_000):
            changed = [*values[:place], value, *values[place + 1 :]]
            event, data = call(url, endpoint, [run_id, *changed])
            message = json.loads(data)
            message = message.get("error", message) if isinstance(message, dict) else message
            assert (event, type(message)) == ("error", str), (place, str(value)[:20], data[:200])
            assert len(message) < 500, message[:600]


def test_numbers_between_the_steps_of_a_slider_are_allowed(server):
    event, data = make(server[0], apm_strength=0.123456)
    assert event == "complete"
    assert json.loads(data)[0]["summary"]["settings"]["config"]["apm_strength"] == 0.123456


def test_control_characters_do_not_reach_a_run(server):
    written = {
        "a red\x00\x1b[31m\nstar": "a red[31m star",
        "a \u202ered\u202c\u2066 star\u2069\u200b\ufeff": "a red star",
        "a\x85red\x9b31m\u2028star\U000e0041": "a red31m star",
        "a r\u200ded\u200c star\u200d": "a red star",
        # joiners inside words of other scripts, and inside emoji, are spelling
        "\u0645\u06cc\u200c\u062e\u0648": "\u0645\u06cc\u200c\u062e\u0648",
        "a \U0001f468\u200d\U0001f469 star": "a \U0001f468\u200d\U0001f469 star",
    }
    for sent, kept in written.items():
        event, data = make(server[0], prompt=sent)
        assert event == "complete"
        assert json.loads(data)[0]["summary"]["settings"]["config"]["prompt"] == kept


@pytest.mark.parametrize("endpoint", ["run", "stop", "gif", "bundle", "compare"])
@pytest.mark.parametrize(
    "run_id", ["../../x", "", None, {"a": 1}, 7, "a" * 5_000_000, "0" * 24, "\x00"], ids=short_id
)
def test_an_unknown_run_id_is_refused(server, endpoint, run_id):
    event, data = call(server[0], endpoint, [run_id])
    assert event in ("error", "refused")
    assert len(data) < 2000


@pytest.mark.parametrize("path", ["/etc/passwd", "../../x", __file__])
def test_settings_are_read_from_uploaded_files_only(server, path):
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    event, data = call(server[0], "settings", [file])
    assert event in ("error", "refused")
    assert "root:" not in data


@pytest.mark.parametrize("body", ["", "{", "[]", '{"data": 7}', '{"data": []}', "\x00", "7"])
def test_an_invalid_request_body_is_refused(server, body):
    url, _ = server
    with Pulse(url) as pulse, httpx.Client(trust_env=False, timeout=60) as client:
        answer = client.post(f"{url}gradio_api/call/make", content=body)
        if answer.status_code == 200:
            event_id = answer.json()["event_id"]
            text = client.get(f"{url}gradio_api/call/make/{event_id}").text
            assert "event: error" in text
    pulse.check()


def test_afterwards_a_video_is_made_as_usual(server):
    event, data = make(server[0])
    assert event == "complete"
    finished, files = json.loads(data)
    assert (finished["state"], finished["num_frames"], len(files)) == ("finished", 24, 1)


@pytest.fixture(scope="module")
def guests(tmp_path_factory):
    """A server for reviewers: its address, its cookies, and its folder, which names a person."""
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


def test_without_the_password_everything_is_refused(guests):
    url, _, _ = guests
    assert call(url, "make", [value for _, value in MAKE])[0] == "refused"
    for path in ("config", "gradio_api/info", "gradio_api/run/stop"):
        assert httpx.get(url + path, trust_env=False).status_code in (401, 405)
    wrong = httpx.post(f"{url}login", data={"username": "reviewer", "password": "x"})
    assert wrong.status_code == 400


def test_guests_have_limits(guests):
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


def test_pages_answers_and_files_contain_no_names_and_no_paths(guests):
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
