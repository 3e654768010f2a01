"""Files that people take away: their names, which video they show, and when they are made anew."""

import asyncio
import zipfile
from pathlib import Path

import gradio as gr
import imageio.v3 as imageio
import pytest

from t2v.jobs.run_folder import RunFolder, RunRecord
from t2v.media.video import read_frames
from t2v.ui.addresses import file_name
from t2v.ui.files import Files
from t2v.ui.handlers import Handlers
from t2v.ui.view import View
from tests.fakes import is_yellow, made, painted_preset, settings


@pytest.fixture
def files(worker):
    return Files(Handlers(worker, {"painted": painted_preset()}))


def record_of(prompt="a red star", seed=5, write_metadata=True) -> RunRecord:
    values = settings(prompt=prompt, seed=seed).to_json() | {"write_metadata": write_metadata}
    kept = type(settings()).from_json(values)
    return RunRecord(id="0123456789abcdef01234567", settings=kept, version="1", created="")


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (record_of(), "a-red-star-seed-5.gif"),
        (record_of("0: Crème  brûlée! / 4: a blue ring"), "creme-brulee-seed-5.gif"),
        (record_of("../../etc/passwd \\ con"), "etc-passwd-con-seed-5.gif"),
        (record_of("star " * 30), "star-" * 11 + "star-seed-5.gif"),
        (record_of("x" * 300), "longtake-01234567.gif"),
        (record_of("x" * 300 + " star"), "longtake-01234567.gif"),
        (record_of("x" * 60 + " star"), "x" * 60 + "-seed-5.gif"),
        (record_of("красная звезда"), "longtake-01234567.gif"),
        (record_of(write_metadata=False), "longtake-01234567.gif"),
    ],
)
def test_a_file_is_named_after_what_it_shows(record, name):
    assert file_name(record, ".gif") == name


def test_every_file_of_a_run_has_such_a_name(worker, files):
    run_id = made(worker, refine=True)
    paths = [files.gif(run_id), files.bundle(run_id), files.json(run_id)]
    assert [Path(path).name for path in paths] == [
        f"a-red-star-seed-5.{ending}" for ending in ("gif", "zip", "json")
    ]
    assert "--like a-red-star-seed-5.json" in Path(paths[2]).read_text(encoding="utf-8")
    with zipfile.ZipFile(paths[1]) as bundle:
        assert {"video.mp4", "refined.mp4"} < set(bundle.namelist())

    async def last_view() -> View:
        *_, last = [view async for view in Handlers(worker, {}).show(run_id)]
        return last

    last = asyncio.run(last_view())
    shown = last.result, last.download, last.refined_result, last.refined_download
    names = [Path(update["value"]).name for update in shown]
    assert names == ["a-red-star-seed-5.mp4"] * 2 + ["a-red-star-seed-5-refined.mp4"] * 2


def test_what_is_made_for_people_shows_the_refined_video_where_it_is_complete(worker, files):
    plain, refined = made(worker), made(worker, refine=True)
    assert is_yellow(imageio.imread(files.gif(refined), plugin="pillow", mode="RGB"))
    assert not is_yellow(imageio.imread(files.gif(plain), plugin="pillow", mode="RGB"))
    both = read_frames(Path(files.side_by_side(plain, f"http://here/?run={refined}")))
    middle = both.shape[2] // 2
    assert not is_yellow(both[:, :, :middle]) and is_yellow(both[:, :, middle:])

    RunFolder.open(worker.runs_dir, refined).update(num_refined_frames=16)  # as if it was stopped
    other = made(worker, prompt="two blue rings")
    half = read_frames(Path(files.side_by_side(other, refined)))
    assert not is_yellow(half[:, :, half.shape[2] // 2 :])


def test_a_comparison_is_made_anew_when_either_video_has_grown(worker, files):
    runs = made(worker, seed=6), made(worker, prompt="a blue ring")
    for left, right in (runs, runs[::-1]):
        before = len(read_frames(Path(files.side_by_side(left, right))))
        for run_id, num_frames in ((left, before), (right, before + 8)):  # as the shorter one
            worker.extend(run_id, 1)
            list(worker.watch(run_id))
            both = Path(files.side_by_side(left, right))
            assert len(read_frames(both)) == num_frames


@pytest.mark.parametrize("other", ["", None, 3, "../../x", "0" * 24])
def test_beside_what_is_no_run_nothing_is_put(worker, files, other):
    with pytest.raises(gr.Error, match="no run with this id"):
        files.side_by_side(made(worker), other)
