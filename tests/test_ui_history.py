"""The history and the buttons of a run, without a browser."""

import asyncio
import threading

import gradio as gr
import pytest

from t2v.jobs.worker import Worker
from t2v.ui.commanding import Commanding
from t2v.ui.handlers import Handlers
from t2v.ui.history import MOST_SHOWN, History
from t2v.ui.timeline import MOST_CELLS, timeline
from t2v.ui.view import View
from tests.fakes import PaintingStream, opener, painted_preset, settings


@pytest.fixture
def start(tmp_path):
    workers = []

    def start(stream=None) -> Handlers:
        workers.append(Worker(opener(stream or PaintingStream()), tmp_path / "runs"))
        return Handlers(workers[-1], {"painted": painted_preset()})

    yield start
    for worker in workers:
        worker.close()


def make(handlers, **options) -> str:
    run_id = handlers.worker.submit(settings(**options))
    list(handlers.worker.watch(run_id))
    return run_id


def request(host="127.0.0.1", **headers) -> gr.Request:
    return gr.Request(client={"host": host}, headers=headers)


def collect(views) -> list[View]:
    async def drain():
        return [view async for view in views]

    return asyncio.run(drain())


def is_skipped(value) -> bool:
    return isinstance(value, dict) and value.get("__type__") == "update" and len(value) == 1


GUESTS = [
    (False, request()),
    (True, request("10.0.0.1")),
    (True, request(**{"x-forwarded-for": "10.0.0.1"})),
    (True, None),
]


def test_programs_find_runs_as_the_page_does(start):
    handlers = start()
    star, ring = (make(handlers, prompt=f"a red {shape}") for shape in ("star", "ring"))
    runs = History(handlers).runs
    assert [run["id"] for run in runs("red", False, [star, ring])] == [ring, star]
    [found] = runs("RED star", False, [star, ring])
    assert found["settings"]["config"]["prompt"] == "a red star"
    assert runs("red", True, [star]) == [] == runs("red") == runs("red", False, ["../../etc"])
    everything = History(handlers, sees_all_runs=True)
    assert len(everything.runs(request=request())) == 2
    assert everything.runs(request=request("10.0.0.1")) == []


@pytest.mark.parametrize(("sees_all_runs", "guest"), GUESTS)
def test_a_guest_sees_only_the_runs_that_the_own_browser_knows(start, sees_all_runs, guest):
    handlers = start()
    own, other = make(handlers), make(handlers)
    history = History(handlers, sees_all_runs=sees_all_runs)
    shown = history.find("", False, [own], guest)
    assert f"?run={own}" in shown and other not in shown
    for known in ([], None, "all", {"0": other}, [7, None, "../" + other, "*"]):
        assert "?run=" not in history.find("", False, known, guest)


def test_the_owner_sees_all_runs(start):
    handlers = start()
    run_ids = [make(handlers), make(handlers)]
    shown = History(handlers, sees_all_runs=True).find("", False, [], request())
    assert shown.count("UTC</time>") == 2 and "refined" not in shown
    assert all(f"?run={run_id}" in shown for run_id in run_ids)


def test_runs_are_found_by_words_and_as_favourites(start):
    handlers = start()
    star, ring = make(handlers, prompt="a red Star"), make(handlers, prompt="a blue ring")
    history, known = History(handlers), [star, ring]
    assert star in (found := history.find("star RED", False, known)) and ring not in found
    assert "No video is like this" in history.find("star blue", False, known)
    handlers.worker.library.set_favourite(ring, True)
    assert ring in (found := history.find("", True, known)) and star not in found


def test_no_path_and_no_markup_of_a_prompt_gets_into_the_page(start):
    handlers = start()
    run_id = make(handlers, prompt='<script>"x"</script>')
    record = handlers.worker.record(run_id)
    drawn = timeline(handlers.worker.follow(run_id).folder, record.num_frames, False)
    for html in (drawn, History(handlers).find("", False, [run_id])):
        assert "<script" not in html and "&lt;script" in html
        assert str(handlers.worker.runs_dir) not in html
        assert "data:image/jpeg;base64," in html


def test_a_long_history_says_that_there_is_more(start):
    handlers = start()
    folder = handlers.worker.runs_dir / make(handlers, num_chunks=1)
    known = [f"{number:024x}" for number in range(MOST_SHOWN + 1)]
    for run_id in known:
        (copy := handlers.worker.runs_dir / run_id).mkdir()
        (copy / "run.json").write_text((folder / "run.json").read_text())
    shown = History(handlers).find("", False, known)
    assert shown.count("<li>") == MOST_SHOWN and f"newest {MOST_SHOWN}" in shown


def test_settings_are_taken_over_with_their_seed(start):
    handlers = start()
    run_id = make(handlers, prompt="a red star", seed=9)
    prompt, *_, seed, is_random = History(handlers).take_over(run_id)
    assert (prompt, seed, is_random) == ("a red star", 9, False)
    with pytest.raises(gr.Error, match="no run"):
        History(handlers).take_over("0" * 24)


def test_the_timeline_tells_what_is_done_what_is_made_and_where_words_change(start):
    handlers = start()
    run_id = make(handlers, prompt="0: a red star / 2: a blue ring", num_chunks=4)
    folder = handlers.worker.follow(run_id).folder
    drawn = timeline(folder, num_frames=24, is_live=True)
    assert drawn.count("<button") == 2 and drawn.count('class="making changed"') == 1
    assert drawn.count('class="waiting"') == 1
    assert "Chunk 1, from 2.0 s: a red star" in drawn and "<b>3.0 s</b> a blue ring" in drawn
    assert 'class="making' not in timeline(folder, num_frames=24, is_live=False)


def test_the_timeline_of_a_long_video_stays_short(start):
    handlers = start()
    run_id = make(handlers, num_chunks=2)
    folder = handlers.worker.follow(run_id).folder
    folder.update(settings=settings(num_chunks=1000))
    drawn = timeline(folder, num_frames=24, is_live=True)
    assert drawn.count("<li") <= MOST_CELLS and drawn.count('class="making') <= 1


def test_a_run_that_has_ended_is_watched_when_it_goes_on(start):
    handlers = start()
    run_id = make(handlers, num_chunks=2)
    views = collect(Commanding(handlers).extend(run_id, 2))
    assert handlers.worker.record(run_id).num_frames == 40
    assert views[-1].timeline.count("<button") == 4
    views = collect(Commanding(handlers).redo(run_id, 3, False, "a blue ring"))
    assert "<b>4.0 s</b> a blue ring" in views[-1].timeline
    before = handlers.worker.record(run_id).settings.config.reseed
    collect(Commanding(handlers).redo(run_id, 1, True, ""))
    assert handlers.worker.record(run_id).settings.config.reseed != before


def test_a_run_that_is_watched_already_is_not_watched_twice(start, monkeypatch):
    told = []
    monkeypatch.setattr(gr, "Info", told.append)
    gate = threading.Event()
    handlers = start(stream := PaintingStream(gate=gate))
    run_id = handlers.worker.submit(settings(num_chunks=3))
    assert stream.has_begun.wait(30)
    views = collect(Commanding(handlers).change_prompt(run_id, "a blue ring", 0))
    assert all(is_skipped(value) for value in views[-1]) and len(views) == 1
    gate.set()
    list(handlers.worker.watch(run_id))
    assert told == ["The prompt changes at chunk 1, 2.0 s into the video."]
    assert "1: a blue ring" in handlers.worker.record(run_id).settings.config.prompt


def test_buttons_are_there_when_they_make_sense(start):
    handlers = start()
    run_id = make(handlers, num_chunks=2)
    first, *_, last = collect(handlers.show(run_id))
    assert not first.delete["interactive"] and not first.redo["interactive"]
    assert last.delete["interactive"] and last.redo["interactive"]
    assert not last.pause["visible"] and not last.resume["visible"]  # it is complete
    assert not last.change["interactive"]

    gate = threading.Event()
    handlers = start(stream := PaintingStream(gate=gate))
    run_id = handlers.worker.submit(settings())
    assert stream.has_begun.wait(30)
    assert Commanding(handlers).pause(run_id)["value"] == "Pausing…"
    gate.set()
    list(handlers.worker.watch(run_id))
    *_, paused = collect(handlers.show(run_id))
    assert paused.resume["visible"] and paused.change["interactive"]
    assert not paused.redo["interactive"]  # it has no chunk yet
    assert collect(Commanding(handlers).resume(run_id))[-1].status.count("Finished")


def test_a_favourite_is_toggled_and_a_run_deleted(start):
    handlers = start()
    run_id = make(handlers)
    assert Commanding(handlers).toggle_favourite(run_id)["value"].startswith("★")
    assert Commanding(handlers).toggle_favourite(run_id)["value"].startswith("☆")
    Commanding(handlers).delete(run_id)
    for call in (Commanding(handlers).toggle_favourite, Commanding(handlers).delete):
        with pytest.raises(gr.Error, match="no run"):
            call(run_id)
