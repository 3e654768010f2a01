"""The command that starts the app."""

import subprocess
import sys
import time
from dataclasses import replace

import pytest

import app
from t2v.jobs.run_folder import RunFolder
from t2v.ui.access import OWNER, choose_access, describe_login
from tests.fakes import settings


def test_importing_the_app_loads_no_model_library():
    code = "import app, sys; assert not {'torch', 'diffusers', 'gradio'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_preset_is_one_sentence(capsys):
    assert app.main(["--preset", "nonsense"]) == 2
    assert only_sentence(capsys).startswith("app.py: preset must be one of")


@pytest.mark.slow
def test_asked_to_end_the_app_ends_within_10_seconds_and_keeps_what_is_made(tmp_path):
    config = replace(settings(num_chunks=500).config, prompt="a red star", scheduler="unipc")
    wanted = replace(settings(), config=config, preset="shapes")
    folder = RunFolder.create(tmp_path, wanted)  # as an app leaves it that was killed
    command = [sys.executable, "app.py", "--port", "7931", "--runs-dir", str(tmp_path)]
    process = subprocess.Popen(command, cwd=app.__file__.removesuffix("app.py"))
    try:
        end = time.monotonic() + 240
        while len(list(folder.segments())) < 2:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
    record = folder.read()
    assert record.state == "interrupted"
    assert len(record.weights["unet/000.safetensors"]) == 64


@pytest.mark.parametrize("option", ["--disk-quota", "--max-per-visitor"])
def test_a_limit_of_nothing_is_refused(capsys, option):
    with pytest.raises(SystemExit) as stopped:
        app.main([option, "0"])
    assert stopped.value.code == 2
    assert f"{option} must be more than 0" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "-1", "99999"])
def test_a_port_that_is_none_is_refused(capsys, port):
    with pytest.raises(SystemExit) as stopped:
        app.main(["--port", port])
    assert stopped.value.code == 2
    assert "--port must be from 1 to 65535" in capsys.readouterr().err


def test_a_port_that_is_taken_is_one_sentence(monkeypatch, tmp_path, capsys):
    def refuse(*_, **__):
        raise OSError("Cannot find empty port in range: 7860-7860.")

    monkeypatch.setattr("t2v.ui.launch.launch_page", refuse)
    monkeypatch.setattr(app, "open_stream", lambda preset: None)
    assert app.main(["--port", "7860", "--runs-dir", str(tmp_path / "runs")]) == 2
    assert only_sentence(capsys) == "app.py: Cannot find empty port in range: 7860-7860."


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--host", "0.0.0.0"], "add --login"),
        (["--host", "192.168.1.7"], "add --login"),
        (["--host", "example.org"], "add --login"),
        (["--host", "::"], "add --login"),
        (["--share", "--no-login"], "needs a login"),
        (["--login", "--no-login"], "contradict"),
    ],
)
def test_nothing_is_opened_to_the_network_by_mistake(capsys, options, words):
    assert app.main(options) == 2
    assert words in only_sentence(capsys)


def test_mcp_without_its_library_is_one_sentence(capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert app.main(["--mcp"]) == 2
    assert "pip install" in only_sentence(capsys)


def test_one_person_at_this_machine_has_no_login_and_no_caps():
    for host in ("127.0.0.1", "localhost", "::1"):
        assert choose_access(host, share=False, login=False, no_login=False) == OWNER


@pytest.mark.parametrize("asked", [{"share": True}, {"login": True}])
def test_guests_get_a_password_of_this_start_and_caps(asked):
    answers = {"share": False, "login": False, "no_login": False} | asked
    first, second = (choose_access("127.0.0.1", **answers) for _ in range(2))
    assert first.login[1] != second.login[1]
    assert len(first.login[1]) >= 16
    assert (first.max_chunks, first.max_waiting) < (OWNER.max_chunks, OWNER.max_waiting)
    assert first.max_per_visitor and first.quota_gigabytes
    assert OWNER.max_per_visitor is OWNER.quota_gigabytes is None
    assert all(part in describe_login(first) for part in first.login)
    assert "protected only by its id" in describe_login(first)


def test_an_open_door_has_caps_too():
    access = choose_access("0.0.0.0", share=False, login=False, no_login=True)
    assert access.login is None
    assert access.max_chunks < OWNER.max_chunks


@pytest.fixture
def launched(monkeypatch, tmp_path):
    """Starts the app without serving; gives what it was launched with."""
    calls = []
    monkeypatch.setattr("t2v.ui.launch.launch_page", lambda *_, **options: calls.append(options))
    monkeypatch.setattr(app, "open_stream", lambda preset: None)

    def start(*options):
        assert app.main([*options, "--runs-dir", str(tmp_path / "runs")]) == 0
        return calls[-1]

    return start


def test_the_default_is_this_machine_alone(launched, monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    options = launched()
    assert (options["host"], options["share"], options["access"]) == ("127.0.0.1", False, OWNER)


def test_a_space_is_reachable_and_has_caps(launched, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "somebody/longtake")
    options = launched()
    assert options["host"] == "0.0.0.0"
    assert options["access"].login is None
    assert options["access"].max_chunks < OWNER.max_chunks


def test_the_password_is_printed_once(launched, capsys):
    _, password = launched("--share")["access"].login
    output = capsys.readouterr()
    assert (output.out + output.err).count(password) == 1


def only_sentence(capsys):
    """What an error said, all of it; nothing else was printed."""
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    return line
