"""docs/api.md is true: its examples run, one after the other, against the bundled stack."""

import re
from pathlib import Path

import pytest

from t2v.generator import open_stream
from t2v.settings.presets import find_preset, list_presets
from tests.support.serving import serving


DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", DOCUMENT, flags=re.DOTALL | re.MULTILINE)
ADDRESS = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    presets = {"storybook": find_preset("storybook")} | list_presets()
    with serving(open_stream, presets, folder) as (url, _):
        yield url


@pytest.mark.slow
def test_the_examples_run_and_give_what_they_say(server, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    assert len(EXAMPLES) == 11
    assert ADDRESS in EXAMPLES[0]
    for example in EXAMPLES:
        exec(example.replace(ADDRESS, server), names)
    output = capsys.readouterr().out
    assert "Finished 24 frames in" in output
    assert "Chunks must be a whole number from 1 to 10000, got 0" in output
    kinds = {Path(names[name]).suffix for name in ("video", "gif", "bundle", "beside", "both")}
    assert kinds == {".mp4", ".gif", ".zip", ".json"}
    names["client"].close()


def test_every_endpoint_is_in_the_document(server):
    from gradio_client import Client

    client = Client(server, verbose=False)
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    client.close()
    missing = [
        name for name in endpoints if f'"{name}"' not in DOCUMENT and f"`{name}`" not in DOCUMENT
    ]
    assert not missing
    assert len(endpoints) >= 8
