"""The command that starts the app."""

import subprocess
import sys
import time
from dataclasses import replace

import pytest

import app
from t2v.jobs.run_folder import RunFolder
from tests.fakes import settings


def test_importing_the_app_loads_no_model_library():
    code = "import app, sys; assert not {'torch', 'diffusers', 'gradio'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_preset_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as stopped:
        app.main(["--preset", "nonsense"])
    assert stopped.value.code == 2
    assert "preset" in capsys.readouterr().err


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
