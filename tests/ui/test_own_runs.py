"""The strip of one's own runs, and the buttons on every run in a list."""

import asyncio
import re

import gradio as gr
import jaxtyping
import pytest

from t2v.errors import RunError
from t2v.media.reader import read_frames
from t2v.runs.worker import Worker
from t2v.ui.auth import Access
from t2v.ui.history import History
from t2v.ui.own_runs import MAX_SHOWN, OwnRuns
from t2v.ui.visitors import visitor_of
from tests.support.fakes import (
    PaintingStream,
    StepGate,
    made,
    opener,
    painted_preset,
    read_numbers,
    settings,
)
from tests.support.page import Page


@pytest.fixture
def steps():
    return StepGate()


@pytest.fixture
def worker(tmp_path, monkeypatch, steps):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    stream = PaintingStream(gate=steps)
    worker = Worker(opener(stream), tmp_path / "runs")
    worker.stream = stream
    yield worker
    steps.open()
    worker.close()


@pytest.fixture
def page(worker):
    return Page(worker, {"painted": painted_preset()})


def guest(number: int) -> gr.Request:
    """A browser of somebody else's machine."""
    cookie = {"cookie": f"longtake-visitor={number:032x}"}
    return gr.Request(client={"host": "10.0.0.1"}, headers=cookie)


OWNER = gr.Request(client={"host": "127.0.0.1"}, headers={})


def submit(worker, visitor: gr.Request | None, **config) -> str:
    return worker.submit(settings(**config), visitor_of(visitor))


def cells(answer) -> list[str]:
    """Ids of the runs in the strip, in order."""
    return re.findall(r'data-cell="([0-9a-f]+)"', answer["html"])


def cell(answer, run_id: str) -> str:
    """HTML of one run."""
    return answer["html"].partition(f'data-cell="{run_id}"')[2].partition("</li>")[0]


def act(page, action, run_id, visitor=None, shown=""):
    return asyncio.run(page.actions.act(action, run_id, shown, visitor))


def test_runs_that_are_made_come_first_then_the_queue_then_the_newest_ended(page, worker, steps):
    steps.release(10**6)
    old, new = made(worker, prompt="an old star"), made(worker, prompt="a new star")
    while steps.acquire(blocking=False):
        pass
    worker.stream.has_begun.clear()
    making = submit(worker, None, num_chunks=4)
    assert worker.stream.has_begun.wait(30)
    waiting = [submit(worker, None) for _ in range(2)]
    known = [*waiting, making, new, old]
    answer = page.own_runs.poll(known)
    assert cells(answer) == [making, *waiting, new, old] and answer["is_live"] is True
    assert "next" in cell(answer, waiting[0]) and "place 2" in cell(answer, waiting[1])
    assert 'data-action="stop"' in cell(answer, making)
    assert "4.0 s" in cell(answer, new) and "data:image/jpeg" in cell(answer, new)
    assert 'data-ask="delete"' in cell(answer, new) and "data-ask" not in cell(answer, making)
    moves = [re.findall('data-action="(earlier|later)"', cell(answer, id)) for id in waiting]
    assert moves == [["later"], ["earlier"]]


def test_nothing_is_sent_again_until_something_changes(page, worker, steps):
    steps.open()
    run_id = made(worker)
    first = page.own_runs.poll([run_id])
    again = page.own_runs.poll([run_id], first["version"])
    assert again == {"version": first["version"], "is_live": False}
    worker.library.set_favourite(run_id, True)
    changed = page.own_runs.poll([run_id], first["version"])
    assert 'aria-pressed="true"' in changed["html"] and changed["version"] != first["version"]
    assert page.own_runs.poll([], changed["version"])["html"] == ""


def test_guests_see_their_own_runs_only_and_the_owner_all(worker, steps, monkeypatch):
    steps.open()
    own, other = (submit(worker, guest(number)) for number in (1, 2))
    for run_id in (own, other):
        list(worker.watch(run_id))
    runs = OwnRuns(worker, Access(sees_all_runs=True))
    assert cells(runs.poll([own, other], "", guest(1))) == [own]
    assert cells(runs.poll([other], "", guest(1))) == []  # it was only watched
    assert cells(runs.poll([], "", guest(1))) == []
    assert cells(runs.poll([], "", OWNER)) == [other, own]
    # Browsers can send anything: our own checks must find it, not those of the test run.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for known in ("all", None, [7, "../" + own], {"0": own}):
        assert cells(runs.poll(known, "", guest(1))) == []


def test_a_strip_has_so_many_runs_and_no_more(worker, page, steps):
    steps.open()
    folder = worker.runs_dir / made(worker, num_chunks=1)
    known = [f"{number:024x}" for number in range(MAX_SHOWN + 3)]
    for run_id in known:
        (copy := worker.runs_dir / run_id).mkdir()
        (copy / "run.json").write_text((folder / "run.json").read_text())
    assert len(cells(page.own_runs.poll(known))) == MAX_SHOWN


def test_neither_paths_nor_markup_of_prompts_reach_the_strip(page, worker, steps):
    steps.open()
    run_id = made(worker, prompt='<script>"x"</script>')
    html = page.own_runs.poll([run_id])["html"]
    assert "<script" not in html and "&lt;script" in html
    assert str(worker.runs_dir) not in html


def test_waiting_runs_are_moved_and_cancelled_from_the_list(page, worker):
    submit(worker, None, num_chunks=4)
    assert worker.stream.has_begun.wait(30)
    first, foreign, second = (submit(worker, guest(number)) for number in (1, 2, 1))
    act(page, "earlier", second, guest(1))
    order = [place.run_id for place in worker.queue.places()][1:]
    assert order == [second, foreign, first]
    done, _ = act(page, "cancel", first, guest(1))
    assert (done["action"], done["runs"]) == ("cancel", [first])
    assert worker.record(first).state == "stopped"


def test_a_visitor_cannot_do_anything_to_the_runs_of_others(page, worker):
    submit(worker, None, num_chunks=4)
    assert worker.stream.has_begun.wait(30)
    run_id = submit(worker, guest(2))
    before = worker.record(run_id)
    for action in ("earlier", "later", "cancel", "stop", "favourite", "delete"):
        with pytest.raises(gr.Error, match="Somebody else"):
            act(page, action, run_id, guest(1))
    assert worker.record(run_id) == before
    for action in ("ask", "__init__", None, {"delete": 1}):
        with pytest.raises(gr.Error, match="must be one of"):
            act(page, action, run_id, guest(2))
    with pytest.raises(gr.Error, match="no run"):
        act(page, "delete", "../" + run_id, guest(2))


def test_a_favourite_is_shown_at_both_places(page, worker, steps):
    steps.open()
    run_id, other = made(worker), made(worker)
    _, update = act(page, "favourite", run_id, shown=run_id)
    assert update["value"].startswith("★")
    _, update = act(page, "favourite", other, shown=run_id)
    assert "value" not in update and worker.record(other).is_favourite
    numbers = [act(page, "favourite", run_id)[0]["number"] for _ in range(2)]
    assert numbers[0] != numbers[1]  # or the page would not notice


def test_cards_have_buttons_for_the_visitors_own_runs_alone(worker, steps):
    steps.open()
    own, other = (submit(worker, guest(number)) for number in (1, 2))
    for run_id in (own, other):
        list(worker.watch(run_id))
    cards = History(worker, Access()).find("", False, [own, other], guest(1))
    assert f'data-run="{own}" data-ask="delete"' in cards and f'data-run="{other}"' not in cards
    assert f"?run={other}" in cards


def test_all_that_was_stopped_or_failed_is_deleted_at_once_except_favourites(
    page, worker, steps, monkeypatch
):
    told = []
    monkeypatch.setattr(gr, "Info", lambda text, title: told.append(text))
    making = submit(worker, guest(1), num_chunks=4)
    assert worker.stream.has_begun.wait(30)
    visitors = (1, 1, 1, 2)
    own, kept, failed, other = stopped = [submit(worker, guest(number)) for number in visitors]
    for run_id in stopped:
        worker.commands.stop(run_id)
    worker.library.set_favourite(kept, True)
    (worker.runs_dir / failed / "run.json").write_text("{")
    assert page.history.unfinished([own], guest(1)) == [own]
    known = [making, *stopped]
    done = asyncio.run(page.actions.delete_unfinished(known, guest(1)))
    assert done["runs"] == [own] and told == ["1 video deleted."]
    for run_id in (making, kept, other):
        assert worker.record(run_id)
    with pytest.raises(RunError, match="no run"):
        worker.record(own)
    steps.open()


def test_a_finished_run_is_refined_from_the_page(page, worker, steps, monkeypatch):
    told = []
    monkeypatch.setattr(gr, "Info", lambda text, title: told.append(text))
    steps.open()
    run_id = made(worker)

    async def click():
        return [shown async for shown in page.click("refine", run_id)]

    async def show():
        return [shown async for shown in page.show(run_id)]

    last = asyncio.run(show())[-1]
    assert last.refine["visible"] and last.refine["interactive"]
    shown = asyncio.run(click())
    assert told == ["The video is being refined."]
    assert not shown[0].refine["visible"] and not shown[-1].refine["visible"]
    assert worker.record(run_id).num_refined_frames == 32
    assert shown[-1].refined_result["visible"]
    assert read_numbers(read_frames(worker.runs_dir / run_id / "refined.mp4")) == list(range(32))
    with pytest.raises(gr.Error, match="refined already"):
        asyncio.run(page.commands.refine(run_id))


def test_another_video_is_asked_for_with_a_word_about_the_one_before(page, worker, monkeypatch):
    told = []
    monkeypatch.setattr(gr, "Info", lambda text, title: told.append(text))
    tab = gr.Request(session_hash="tab", headers={"x-gradio-user": "app"})
    values = {"prompt": "a star", "preset": "painted", "num_chunks": 1, "num_inference_steps": 1}

    async def ask_twice():
        first = page.generate(tab, **values)
        await anext(first)
        assert not told
        second = asyncio.ensure_future(anext(page.generate(tab, **values)))
        worker_steps = worker.stream.gate
        worker_steps.open()
        async for _ in first:
            pass
        await second

    asyncio.run(asyncio.wait_for(ask_twice(), 60))
    assert len(told) == 1 and told[0].startswith("The other video goes on.")
