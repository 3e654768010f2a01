"""Files of runs over HTTP: served from the run's folder, and deleted with it."""

import json
from pathlib import Path

import httpx
import pytest

from t2v.ui.urls import address_of
from tests.support.fakes import PaintingStream, opener, painted_preset
from tests.support.serving import serving
from tests.ui.test_raw_api import call, make


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    presets = {"painted": painted_preset()}
    with serving(opener(PaintingStream()), presets, folder) as (url, worker):
        yield url, worker, folder / "gradio"


def files_in(data: str) -> list[dict]:
    """All files in an answer."""
    found = []

    def look(value):
        if isinstance(value, dict) and "url" in value:
            found.append(value)
        for part in value.values() if isinstance(value, dict) else value:
            if isinstance(part, dict | list):
                look(part)

    look(json.loads(data))
    return found


def status_of(file: dict) -> int:
    return httpx.get(file["url"], trust_env=False).status_code


def test_files_of_a_deleted_run_are_no_longer_served(server):
    url, _, cache = server
    _, data = make(url, refine=True)
    run_id = json.loads(data)[0]["run"]
    answers = [data]
    for endpoint in ("gif", "bundle", "compare"):
        event, data = call(url, endpoint, [run_id])
        assert event == "complete"
        answers.append(data)
    files = [file for answer in answers for file in files_in(answer)]
    names = {Path(file["path"]).name for file in files}
    assert names == {
        "video.mp4",
        "refined.mp4",
        "a-red-star-seed-5.gif",
        "a-red-star-seed-5.zip",
        "a-red-star-seed-5-compared.mp4",
    }
    assert {status_of(file) for file in files} == {200}
    assert not [path for path in cache.rglob("*") if path.is_file() and not path.is_symlink()]

    assert call(url, "delete", [run_id])[0] == "complete"
    assert {status_of(file) for file in files} <= {403, 404}


def test_the_address_of_a_file_changes_with_it_and_reveals_neither_run_nor_path(server):
    url, worker, _ = server
    _, data = make(url)
    run_id = json.loads(data)[0]["run"]
    [first] = files_in(data)
    content = httpx.get(first["url"], trust_env=False).content
    assert content == (worker.runs_dir / run_id / "video.mp4").read_bytes()
    assert run_id not in first["url"] and str(worker.runs_dir) not in first["url"]
    worker.commands.extend(run_id, 1)
    path = list(worker.watch(run_id))[-1].path
    assert address_of(path) != first["path"]
    part = httpx.get(first["url"], headers={"Range": "bytes=0-9"}, trust_env=False)
    assert (part.status_code, part.content) == (206, path.read_bytes()[:10])
