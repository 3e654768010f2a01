"""Downloads: their names, which video they show, and when they are made again."""

import asyncio
import os
import zipfile
from pathlib import Path

import gradio as gr
import imageio.v3 as imageio
import pytest

from t2v.media.reader import read_frames
from t2v.runs.folder import RunFolder
from t2v.runs.record import RunRecord
from t2v.ui.urls import file_name
from tests.support.fakes import is_yellow, made, painted_preset, settings
from tests.support.page import Page, Shown


@pytest.fixture
def page(worker):
    return Page(worker, {"painted": painted_preset()})


@pytest.fixture
def files(page):
    return page.downloads


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
def test_a_file_is_named_after_prompt_and_seed(record, name):
    assert file_name(record, ".gif") == name


def test_all_downloads_of_a_run_have_such_a_name(worker, page, files):
    run_id = made(worker, refine=True)
    paths = [files.gif(run_id), files.bundle(run_id), files.json(run_id)]
    assert [Path(path).name for path in paths] == [
        f"a-red-star-seed-5.{ending}" for ending in ("gif", "zip", "json")
    ]
    assert "--like a-red-star-seed-5.json" in Path(paths[2]).read_text(encoding="utf-8")
    with zipfile.ZipFile(paths[1]) as bundle:
        assert {"video.mp4", "refined.mp4"} < set(bundle.namelist())

    async def last_view() -> Shown:
        *_, last = [view async for view in page.show(run_id)]
        return last

    last = asyncio.run(last_view())
    shown = last.result, last.download, last.refined_result, last.refined_download
    names = [Path(update["value"]).name for update in shown]
    assert names == ["a-red-star-seed-5.mp4"] * 2 + ["a-red-star-seed-5-refined.mp4"] * 2


def test_downloads_show_the_refined_video_if_it_is_complete(worker, files):
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


def test_a_comparison_is_made_again_when_either_video_has_grown(worker, files):
    runs = made(worker, seed=6), made(worker, prompt="a blue ring")
    for left, right in (runs, runs[::-1]):
        before = len(read_frames(Path(files.side_by_side(left, right))))
        for run_id, num_frames in ((left, before), (right, before + 8)):  # as the shorter one
            worker.commands.extend(run_id, 1)
            list(worker.watch(run_id))
            both = Path(files.side_by_side(left, right))
            assert len(read_frames(both)) == num_frames


def test_a_gif_from_a_clock_that_was_ahead_is_made_again_for_a_longer_video(worker, files):
    run_id = made(worker)
    video = RunFolder(worker.runs_dir / run_id).video_path()
    ahead = video.stat().st_mtime + 10**6
    os.utime(video, (ahead, ahead))
    gif = Path(files.gif(run_id)).resolve()
    written = gif.stat().st_ino
    assert len(read_frames(gif)) == 32
    assert Path(files.gif(run_id)).resolve().stat().st_ino == written  # not made again
    worker.commands.extend(run_id, 1)
    list(worker.watch(run_id))
    assert len(read_frames(Path(files.gif(run_id)))) == 40


@pytest.mark.parametrize("other", ["", None, 3, "../../x", "0" * 24])
def test_side_by_side_rejects_unknown_runs(worker, files, other):
    with pytest.raises(gr.Error, match="no run with this id"):
        files.side_by_side(made(worker), other)


@pytest.mark.parametrize("file", [None, [], 7])
def test_settings_of_no_file_are_a_sentence(files, file):
    with pytest.raises(gr.Error, match="Give a video of Longtake"):
        files.take_settings(file)


@pytest.mark.parametrize("kind", ["video", "json", "bundle"])
def test_a_file_of_ours_fills_the_form_and_a_message_names_it(
    worker, page, files, kind, monkeypatch
):
    told = []
    monkeypatch.setattr(gr, "Info", lambda text, title: told.append(text))
    run_id = made(worker, prompt="a <b>red</b> star", seed=9)
    path = (
        worker.runs_dir / run_id / "video.mp4" if kind == "video" else getattr(files, kind)(run_id)
    )
    used = page.settings(files.take_settings(str(path)))
    assert (used["prompt"], used["seed"], used["randomize_seed"]) == ("a <b>red</b> star", 9, False)
    assert len(told) == 1 and Path(path).name in told[0] and "3 chunks, seed 9" in told[0]
    assert "&lt;b&gt;red" in told[0]  # toasts show HTML


def test_a_file_of_others_changes_nothing_and_says_why(files, tmp_path):
    (path := tmp_path / "a.json").write_text("{}")
    for file, words in ((str(path), "a.json does not say"), (None, "Give a video")):
        with pytest.raises(gr.Error, match=words):
            files.take_settings(file)
