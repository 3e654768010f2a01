"""The command that starts the app."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from textwrap import dedent

import gradio
import pytest
from gradio.tunneling import CURRENT_TUNNELS

import app
from t2v import cli
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_segments
from t2v.ui.auth import OWNER, choose_access, describe_login
from tests.support.fakes import settings


def test_importing_the_app_loads_no_model_library():
    code = "import app, sys; assert not {'torch', 'diffusers', 'gradio'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_preset_gives_one_sentence(capsys):
    assert cli.main(["app", "--preset", "nonsense"]) == 2
    assert only_sentence(capsys).startswith("longtake app: preset must be one of")


@pytest.mark.slow
def test_sigterm_ends_the_app_within_10_seconds_and_keeps_finished_chunks(tmp_path):
    config = replace(settings(num_chunks=500).config, prompt="a red car", scheduler="unipc")
    wanted = replace(settings(), config=config, preset="storybook")
    folder = RunFolder.create(tmp_path, wanted)  # as an app leaves it that was killed
    command = [sys.executable, "app.py", "--port", str(free_port()), "--runs-dir", str(tmp_path)]
    # With the threads that users have. Freed memory is overwritten: what is used after it was
    # freed ends the app with a signal.
    environment = os.environ | {"MALLOC_PERTURB_": "85", "OMP_NUM_THREADS": "2"}
    root = app.__file__.removesuffix("app.py")
    process = subprocess.Popen(command, cwd=root, env=environment)
    try:
        end = time.monotonic() + 240
        while len(list(iter_segments(folder))) < 2:
            assert process.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
    record = folder.read()
    assert record.state == "interrupted"
    assert len(record.weights["unet/000.safetensors"]) == 64


def test_torch_is_imported_on_the_main_thread_before_the_worker_starts(tmp_path):
    """See `import_torch`: the app died when a thread ended that had imported it first."""
    code = """
        import sys, threading
        from t2v import cli
        from t2v.runs import worker

        def refuse(*_, **__):
            print("torch" in sys.modules, threading.current_thread() is threading.main_thread())
            raise SystemExit

        worker.Worker = refuse
        cli.main(["app", "--runs-dir", sys.argv[1]])
    """
    command = [sys.executable, "-c", dedent(code), str(tmp_path / "runs")]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout.split() == ["True", "True"]


def test_share_link_tunnels_end_with_the_app(monkeypatch, tmp_path):
    class Tunnel:
        is_killed = False

        def kill(self):
            self.is_killed = True

    def launch(*_, **__):
        CURRENT_TUNNELS.append(tunnel)

    tunnel = Tunnel()
    monkeypatch.setattr("t2v.ui.server.launch_page", launch)
    monkeypatch.setattr(cli.app, "open_stream", lambda preset: None)
    try:
        assert cli.main(["app", "--runs-dir", str(tmp_path / "runs")]) == 0
    finally:
        CURRENT_TUNNELS.remove(tunnel)
    assert tunnel.is_killed


@pytest.mark.parametrize("option", ["--disk-quota", "--max-per-visitor"])
def test_a_limit_of_0_is_refused(capsys, option):
    assert cli.main(["app", option, "0"]) == 2
    assert f"{option} must be more than 0" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["0", "-1", "99999"])
def test_an_invalid_port_is_refused(capsys, port):
    assert cli.main(["app", "--port", port]) == 2
    assert "--port must be from 1 to 65535" in capsys.readouterr().err


def test_a_port_in_use_gives_one_sentence(monkeypatch, tmp_path, capsys):
    def refuse(*_, **__):
        raise OSError("Cannot find empty port in range: 7860-7860.")

    monkeypatch.setattr("t2v.ui.server.launch_page", refuse)
    monkeypatch.setattr(cli.app, "open_stream", lambda preset: None)
    assert cli.main(["app", "--port", "7860", "--runs-dir", str(tmp_path / "runs")]) == 2
    assert only_sentence(capsys) == "longtake app: Cannot find empty port in range: 7860-7860."


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
def test_a_network_address_requires_login_or_no_login(capsys, options, words):
    assert cli.main(["app", *options]) == 2
    assert words in only_sentence(capsys)


def test_mcp_without_its_library_gives_one_sentence(capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["app", "--mcp"]) == 2
    assert "pip install" in only_sentence(capsys)


def test_local_use_has_no_login_and_no_limits():
    for host in ("127.0.0.1", "localhost", "::1"):
        assert choose_access(host, share=False, login=False, no_login=False) == OWNER


@pytest.mark.parametrize("asked", [{"share": True}, {"login": True}])
def test_share_link_guests_get_a_new_password_and_limits(asked):
    answers = {"share": False, "login": False, "no_login": False} | asked
    first, second = (choose_access("127.0.0.1", **answers) for _ in range(2))
    assert first.login[1] != second.login[1]
    assert len(first.login[1]) >= 16
    assert (first.max_chunks, first.max_waiting) < (OWNER.max_chunks, OWNER.max_waiting)
    assert first.max_per_visitor and first.quota_gigabytes
    assert OWNER.max_per_visitor is OWNER.quota_gigabytes is None
    assert all(part in describe_login(first) for part in first.login)
    assert "only its long, random id protects it" in describe_login(first)


def test_access_without_login_has_limits_too():
    access = choose_access("0.0.0.0", share=False, login=False, no_login=True)
    assert access.login is None
    assert access.max_chunks < OWNER.max_chunks


@pytest.fixture
def launched(monkeypatch, tmp_path):
    """Starts the app without serving; gives what it was launched with."""
    calls = []
    monkeypatch.setattr("t2v.ui.server.launch_page", lambda *_, **options: calls.append(options))
    monkeypatch.setattr(cli.app, "open_stream", lambda preset: None)

    def start(*options):
        assert cli.main(["app", *options, "--runs-dir", str(tmp_path / "runs")]) == 0
        return calls[-1]

    return start


def test_by_default_only_this_machine_has_access(launched, monkeypatch):
    monkeypatch.delenv("SPACE_ID", raising=False)
    options = launched()
    assert (options["host"], options["share"], options["access"]) == ("127.0.0.1", False, OWNER)


def test_a_space_is_reachable_and_has_limits(launched, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "somebody/longtake")
    options = launched()
    assert options["host"] == "0.0.0.0"
    assert options["access"].login is None
    assert options["access"].max_chunks < OWNER.max_chunks


def test_the_password_is_printed_once(launched, capsys):
    _, password = launched("--share")["access"].login
    output = capsys.readouterr()
    assert (output.out + output.err).count(password) == 1


def test_a_share_link_that_cannot_be_made_is_told_in_a_sentence(monkeypatch, tmp_path, capsys):
    def fail(**_):
        raise RuntimeError("Could not get share link from Gradio API Server.")

    monkeypatch.setattr(gradio.networking, "setup_tunnel", fail)
    monkeypatch.setattr(gradio.Blocks, "block_thread", lambda page: page.close())
    monkeypatch.setattr(cli.app, "open_stream", lambda *_, **__: None)
    monkeypatch.delenv("SPACE_ID", raising=False)
    runs_dir, port = str(tmp_path / "runs"), str(free_port())
    assert cli.main(["app", "--share", "--port", port, "--runs-dir", runs_dir]) == 0
    error = capsys.readouterr().err
    assert "longtake app: no public link could be made: Gradio's relay cannot be reached" in error
    assert f"at http://127.0.0.1:{port}/, and asks for the password" in error


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def only_sentence(capsys):
    """What an error said, all of it; nothing else was printed."""
    output = capsys.readouterr()
    assert output.out == ""
    [line] = output.err.splitlines()
    return line
