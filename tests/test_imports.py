"""Imports point one way, as the contracts in pyproject.toml say, and starting up stays quick."""

import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import lint_imports


ROOT = Path(__file__).parent.parent
HEAVY = ("gradio", "torch", "huggingface_hub", "diffusers", "transformers", "cv2", "av")


def test_every_import_keeps_the_contracts(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename="pyproject.toml", no_cache=True) == 0, capsys.readouterr()


@pytest.mark.parametrize("module", ["t2v.cli", "t2v.generator", "t2v.zero_gpu", "app"])
def test_starting_up_loads_no_heavy_library(module):
    """So that --help and an error are there at once."""
    loaded = f"import sys, {module}; print(*set({HEAVY}) & sys.modules.keys())"
    process = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == []
