"""Two runs beside each other, open and blind, and their X-T slices."""

import json
import random
import re
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from t2v.runs.votes import VOTES_FILE, add_vote, count_votes
from t2v.runs.worker import Worker
from t2v.ui.comparison_html import difference, shown
from t2v.ui.comparisons import Comparisons
from tests.support.fakes import PaintingStream, made, opener, paint, painted_preset
from tests.support.page import Page


@pytest.fixture(scope="module")
def module_worker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparisons")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "gradio"))
        worker = Worker(opener(PaintingStream()), folder / "runs")
        yield worker
        worker.close()


@pytest.fixture(scope="module")
def runs(module_worker):
    """Ids of two runs: 4 chunks of seed 3, and 2 chunks of seed 9 without the CAM."""
    return (
        made(module_worker, num_chunks=4, seed=3),
        made(module_worker, num_chunks=2, seed=9, use_cam=False, prompt="<b>ring</b>"),
    )


@pytest.fixture(scope="module")
def page(module_worker):
    return Page(module_worker, {"painted": painted_preset()})


@pytest.fixture(autouse=True)
def _no_votes(module_worker):
    yield
    (module_worker.runs_dir / VOTES_FILE).unlink(missing_ok=True)


def token_of(html: str) -> str:
    return re.search('data-token="([^"]+)"', html)[1]


def addresses(html: str) -> list[Path]:
    return [Path(unquote(found)) for found in re.findall('src="gradio_api/file=([^"]+)"', html)]


def picture_of(html: str) -> np.ndarray:
    data = re.search('base64,([^"]+)', html)[1]
    return np.asarray(Image.open(BytesIO(b64decode(data))))


def test_two_runs_have_players_differences_and_slices(page, runs):
    html = page.comparisons.show(runs[0], f"https://x.gradio.live/?run={runs[1]}&__theme=dark")
    assert [path.resolve().parent.name for path in addresses(html)] == list(runs)
    assert "CAM on, APM on, seed 3" in html and "CAM off, APM on, seed 9" in html
    assert "&lt;b&gt;ring" in html and "<b>ring" not in html
    assert html.count('<figure class="slice">') == 2
    assert "width:100.000%" in html and "width:60.000%" in html  # 40 and 24 frames
    numbers = page.comparisons.compare_runs(*runs)
    assert numbers["num_frames"] == 24
    motion = numbers["measures"]["motion"]
    assert motion["difference"] == round(motion["right"] - motion["left"], 4)
    assert f"<td>{motion['left']:.2f}</td>" in html


def test_a_run_is_compared_over_the_frames_that_both_have(page, runs, module_worker):
    same = made(module_worker, num_chunks=2, seed=3)
    rows = page.comparisons.compare_runs(runs[0], same)["measures"]
    assert {row["difference"] for row in rows.values()} <= {0, None}
    assert rows["motion"]["difference"] == 0


@pytest.mark.parametrize("other", ["", None, 7, "no id", "../..", "0" * 24])
def test_a_run_that_does_not_exist_is_refused_in_words(page, runs, other):
    for compare in (page.comparisons.show, page.comparisons.show_blind):
        with pytest.raises(gr.Error, match="no run with this id"):
            compare(runs[0], other)
    with pytest.raises(gr.Error, match="cannot be compared with itself"):
        page.comparisons.show(runs[0], runs[0])


def test_blind_nothing_tells_which_run_is_which(page, runs):
    html = page.comparisons.show_blind(*runs)
    words = ("CAM", "seed", "ring", "slice", "<table", *runs)
    assert not [word for word in words if word in html]
    paths = addresses(html)
    assert [path.name for path in paths] == ["A.mp4", "B.mp4"]
    assert {path.resolve().parent.name for path in paths} == set(runs)
    known = {path.parent.name for path in addresses(page.comparisons.show(*runs))}
    assert not known & {path.parent.name for path in paths}


def test_blind_both_videos_are_refined_or_neither_is(page, runs, module_worker):
    refined = [made(module_worker, num_chunks=2, seed=seed, refine=True) for seed in (3, 4)]

    def names(html):
        return [path.resolve().name for path in addresses(html)]

    open_names = names(page.comparisons.show(runs[1], refined[0]))
    assert open_names == ["video.mp4", "refined.mp4"]
    html = page.comparisons.show_blind(runs[1], refined[0])
    assert names(html) == ["video.mp4", "video.mp4"]
    after = page.comparisons.vote(token_of(html), "same")["html"]
    assert names(after) == ["video.mp4", "video.mp4"]
    assert names(page.comparisons.show_blind(*refined)) == ["refined.mp4", "refined.mp4"]


def test_blind_the_order_is_random(page, runs):
    comparisons = Comparisons(page.worker, page.slices, random.Random(5))
    lefts = [addresses(comparisons.show_blind(*runs))[0].resolve().parent.name for _ in range(40)]
    assert 10 < lefts.count(runs[0]) < 30


@pytest.mark.parametrize(("choice", "text"), [("left", "A"), ("right", "B")])
def test_a_vote_is_a_line_of_the_file_and_reveals_the_order(page, runs, choice, text):
    html = page.comparisons.show_blind(*runs)
    order = [path.resolve().parent.name for path in addresses(html)]
    answer = page.comparisons.vote(token_of(html), choice)
    wanted = order[0 if choice == "left" else 1]
    assert answer["preferred"] == wanted
    assert f"You preferred {text}." in answer["html"] and "<table>" in answer["html"]
    assert [path.resolve().parent.name for path in addresses(answer["html"])] == order
    (line,) = (page.worker.runs_dir / VOTES_FILE).read_text().splitlines()
    vote = json.loads(line)
    assert [vote["left"], vote["right"], vote["choice"]] == [*order, choice]
    assert vote["preferred"] == wanted and vote["time"].startswith("20")
    assert f"1 for {text}," in answer["html"]
    assert "1 vote about" in page.comparisons.show_blind(*runs)


def test_a_comparison_is_voted_on_once(page, runs):
    html = page.comparisons.show_blind(*runs)
    assert 'role="alert" data-silent="The server does not answer' in html  # where it says why not
    token = token_of(html)
    with pytest.raises(gr.Error, match=r"[Cc]hoice must be one of left, right, same"):
        page.comparisons.vote(token, "both")
    page.comparisons.vote(token, "same")
    for used in (token, "never given"):
        with pytest.raises(gr.Error, match="has been voted on"):
            page.comparisons.vote(used, "same")
    assert count_votes(page.worker.runs_dir, *runs).total == 1


def test_votes_of_a_pair_are_counted_in_either_order(tmp_path):
    a, b, c = "a" * 24, "b" * 24, "c" * 24
    for left, right, choice in ((a, b, "left"), (b, a, "left"), (b, a, "right"), (a, b, "same")):
        add_vote(tmp_path, left, right, choice)
    add_vote(tmp_path, a, c, "left")
    with (tmp_path / VOTES_FILE).open("ab") as file:
        file.write(b'{"left": [], "right": {}}\nnot json\n\xff\n[1]\n')
    count = count_votes(tmp_path, a, b)
    assert (count.first, count.second, count.same, count.total) == (2, 1, 1, 4)
    assert count_votes(tmp_path / "nowhere", a, b).total == 0


def test_differences_have_a_sign_and_missing_numbers_a_word():
    assert difference(None, 2.0) is None and difference(2.5, 2.0) == -0.5
    assert shown("motion", -0.5, is_difference=True) == "-0.50"
    assert shown("sharpness", 0.25, is_difference=True) == "+25%"
    assert (shown("num_cuts", 3), shown("drift", None)) == ("3", "none")


def test_runs_without_numbers_are_compared_all_the_same(page, runs, module_worker):
    old = made(module_worker, num_chunks=1)
    log = module_worker.runs_dir / old / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(line for line in lines if b"ChunkMeasured" not in line))
    html = page.comparisons.show(old, runs[1])
    assert "<td>none</td>" in html and html.count("<video") == 2


def test_the_slice_of_a_run_is_sent_once_and_again_with_another_row(page, runs):
    answer = page.slices.poll(runs[0], 0.25)
    assert (answer["is_live"], answer["has_more"]) == (False, False)
    expected = np.stack([paint(number, 3)[8] for number in range(40)], axis=1)
    np.testing.assert_array_equal(picture_of(answer["html"]), expected)
    lefts = re.findall(r"<i style=\"left:([\d.]+)%", answer["html"])
    assert list(map(float, lefts)) == [40.0, 60.0, 80.0]
    assert "html" not in page.slices.poll(runs[0], 0.25, answer["version"])
    assert "Row 31 of 32" in page.slices.poll(runs[0], 1, answer["version"])["html"]


def test_the_slice_of_a_regenerated_run_is_sent_again(page, module_worker):
    run_id = made(module_worker, seed=17)
    before = page.slices.poll(run_id)
    module_worker.commands.redo(run_id, 0, seed=18)
    list(module_worker.watch(run_id))
    after = page.slices.poll(run_id, version=before["version"])
    assert after["version"] != before["version"] and "html" in after


def test_a_slice_of_nothing_is_refused(page, runs):
    with pytest.raises(gr.Error, match="no run"):
        page.slices.poll("0" * 24)
    with pytest.raises(gr.Error, match="must be from 0"):
        page.slices.poll(runs[0], 1.5)
