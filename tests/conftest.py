"""Reference tensors ("goldens"), where to find them: `pytest --goldens DIR`; a worker."""

import json
import os
from pathlib import Path

import pytest


# Several test processes share the cores: with one thread each, none waits for another's.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

GOLDENS = Path(__file__).parent / "goldens"


def pytest_addoption(parser):
    parser.addoption(
        "--goldens", type=Path, default=GOLDENS, help="folder with goldens.json and its tensors"
    )


class Goldens:
    """What the reference implementation computed: facts in goldens.json, tensors next to it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.facts = self.read_json("goldens.json")

    def read_json(self, name):
        return json.loads((self.folder / name).read_text(encoding="utf-8"))

    def tensors(self, part):
        """The tensors of a part of goldens.json that has one file."""
        return self.load(self.facts[part]["file"])

    def load(self, name):
        """Every tensor of a file, in float32 where it is not whole numbers."""
        from safetensors.torch import load_file  # loads torch, which few tests need

        tensors = load_file(self.folder / name)
        return {
            key: tensor.float() if tensor.is_floating_point() else tensor
            for key, tensor in tensors.items()
        }


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """Makes painted videos for the page, whose files stay in the folder of the test."""
    from t2v.runs.worker import Worker
    from tests.support.fakes import PaintingStream, opener

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    worker = Worker(opener(PaintingStream()), tmp_path / "runs")
    yield worker
    worker.close()


@pytest.fixture(scope="session")
def goldens(request):
    return Goldens(request.config.getoption("--goldens"))
