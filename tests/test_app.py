"""The command that starts the app."""

import subprocess
import sys

import pytest

import app


def test_importing_the_app_loads_no_model_library():
    code = "import app, sys; assert not {'torch', 'diffusers', 'gradio'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_preset_is_one_sentence(capsys):
    with pytest.raises(SystemExit) as stopped:
        app.main(["--preset", "nonsense"])
    assert stopped.value.code == 2
    assert "preset" in capsys.readouterr().err
