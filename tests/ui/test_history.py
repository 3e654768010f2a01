"""The history and the buttons of a run, without a browser."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator

import gradio as gr
import pytest

from t2v.runs.log import iter_events
from t2v.runs.worker import Worker
from t2v.ui.auth import Access
from t2v.ui.facts import facts
from t2v.ui.history import MAX_SHOWN, STATES, History
from t2v.ui.timeline import MAX_CELLS, timeline
from t2v.ui.wiring import build_page
from tests.support.fakes import PaintingStream, opener, painted_preset, settings
from tests.support.page import Page, Shown


@pytest.fixture
def start(tmp_path):
    workers = []

    def start(stream=None) -> Page:
        workers.append(Worker(opener(stream or PaintingStream()), tmp_path / "runs"))
        return Page(workers[-1], {"painted": painted_preset()})

    yield start
    for worker in workers:
        worker.close()


def make(page, **options) -> str:
    run_id = page.worker.submit(settings(**options))
    list(page.worker.watch(run_id))
    return run_id


def request(host="127.0.0.1", **headers) -> gr.Request:
    return gr.Request(client={"host": host}, headers=headers)


def collect(views) -> list[Shown]:
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


def test_programs_find_runs_like_the_page(start):
    page = start()
    star, ring = (make(page, prompt=f"a red {shape}") for shape in ("star", "ring"))
    runs = page.history.runs
    assert [run["id"] for run in runs("red", False, [star, ring])] == [ring, star]
    [found] = runs("RED star", False, [star, ring])
    assert found["settings"]["config"]["prompt"] == "a red star"
    assert runs("red", True, [star]) == [] == runs("red") == runs("red", False, ["../../etc"])
    everything = History(page.worker, Access(sees_all_runs=True))
    assert len(everything.runs(request=request())) == 2
    assert everything.runs(request=request("10.0.0.1")) == []


@pytest.mark.parametrize(("sees_all_runs", "guest"), GUESTS)
def test_guests_see_only_runs_that_their_browser_knows(start, sees_all_runs, guest):
    page = start()
    own, other = make(page), make(page)
    history = History(page.worker, Access(sees_all_runs=sees_all_runs))
    shown = history.find("", False, [own], guest)
    assert f"?run={own}" in shown and other not in shown
    for known in ([], None, "all", {"0": other}, [7, None, "../" + other, "*"]):
        assert "?run=" not in history.find("", False, known, guest)


def test_the_owner_sees_all_runs(start):
    page = start()
    run_ids = [make(page), make(page)]
    shown = History(page.worker, Access(sees_all_runs=True)).find("", False, [], request())
    assert shown.count("UTC</time>") == 2 and "refined" not in shown
    assert all(f"?run={run_id}" in shown for run_id in run_ids)


def test_runs_are_found_by_words_and_as_favourites(start):
    page = start()
    star, ring = make(page, prompt="a red Star"), make(page, prompt="a blue ring")
    history, known = page.history, [star, ring]
    assert star in (found := history.find("star RED", False, known)) and ring not in found
    assert "No videos found" in history.find("star blue", False, known)
    page.worker.library.set_favourite(ring, True)
    assert ring in (found := history.find("", True, known)) and star not in found


EVIL = "\"'><img src=x onerror=alert(1)>"


@pytest.mark.parametrize("name", ["id", "created", "version", "message", "visitor"])
def test_no_value_of_a_foreign_run_is_markup(start, name):
    page = start()
    run_id = make(page)
    path = page.worker.runs_dir / run_id / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: EVIL}))
    html = page.history.find("", False, [run_id])
    assert "<img src=x" not in html and html.count("<li>") == 1
    assert "<img" not in facts(page.worker.record(run_id))


def test_an_unknown_state_is_not_markup(start, monkeypatch):
    page = start()
    run_id = make(page)
    monkeypatch.setitem(STATES, "finished", EVIL)
    assert "<img src=x" not in page.history.find("", False, [run_id])


def test_what_is_invisible_in_a_foreign_run_is_not_shown(start):
    page = start()
    run_id = make(page)
    path = page.worker.runs_dir / run_id / "run.json"
    record = json.loads(path.read_text())
    record["settings"]["config"]["prompt"] = "a \u202ered\u200b star\x9b"
    path.write_text(json.dumps(record))
    drawn = timeline(page.worker.open_reader(run_id).folder, 24, False)
    shown = (drawn, page.history.find("", False, [run_id]), facts(page.worker.record(run_id)))
    assert all("a red star" in html for html in shown)
    assert not [html for html in shown if {"\u202e", "\u200b", "\x9b"} & set(html)]


def test_neither_paths_nor_markup_of_prompts_reach_the_page(start):
    page = start()
    run_id = make(page, prompt='<script>"x"</script>')
    record = page.worker.record(run_id)
    drawn = timeline(page.worker.open_reader(run_id).folder, record.num_frames, False)
    for html in (drawn, page.history.find("", False, [run_id])):
        assert "<script" not in html and "&lt;script" in html
        assert str(page.worker.runs_dir) not in html
        assert "data:image/jpeg;base64," in html


def test_a_long_history_mentions_the_older_videos(start):
    page = start()
    folder = page.worker.runs_dir / make(page, num_chunks=1)
    known = [f"{number:024x}" for number in range(MAX_SHOWN + 1)]
    for run_id in known:
        (copy := page.worker.runs_dir / run_id).mkdir()
        (copy / "run.json").write_text((folder / "run.json").read_text())
    shown = page.history.find("", False, known)
    assert shown.count("<li>") == MAX_SHOWN and f"newest {MAX_SHOWN}" in shown


def test_settings_are_used_again_with_their_seed(start):
    page = start()
    run_id = make(page, prompt="a red star", seed=9)
    updates = page.form_events.use_settings(run_id)
    assert set(updates) == set(page.form.repeatable)
    used = page.settings(updates)
    names = ("prompt", "seed", "randomize_seed")
    assert [used[name] for name in names] == ["a red star", 9, False]
    with pytest.raises(gr.Error, match="no run"):
        page.form_events.use_settings("0" * 24)


def test_the_timeline_shows_progress_and_prompt_changes(start):
    page = start()
    run_id = make(page, prompt="0: a red star / 2: a blue ring", num_chunks=4)
    folder = page.worker.open_reader(run_id).folder
    drawn = timeline(folder, num_frames=24, is_live=True)
    assert drawn.count("<button") == 2 and drawn.count('class="making changed"') == 1
    assert drawn.count('class="waiting"') == 1
    assert "Chunk 1, from 2.0 s: a red star" in drawn and "<b>3.0 s</b> a blue ring" in drawn
    assert 'class="making' not in timeline(folder, num_frames=24, is_live=False)


def test_the_timeline_of_a_long_video_stays_short(start):
    page = start()
    run_id = make(page, num_chunks=2)
    folder = page.worker.open_reader(run_id).folder
    folder.update(settings=settings(num_chunks=1000))
    drawn = timeline(folder, num_frames=24, is_live=True)
    assert drawn.count("<li") <= MAX_CELLS and drawn.count('class="making') <= 1


def test_an_ended_run_is_watched_when_it_continues(start):
    page = start()
    run_id = make(page, num_chunks=2)
    views = collect(page.click("extend", run_id, 2))
    assert page.worker.record(run_id).num_frames == 40
    assert views[-1].timeline.count("<button") == 4
    views = collect(page.click("redo", run_id, 3, False, "a blue ring"))
    assert "<b>4.0 s</b> a blue ring" in views[-1].timeline
    before = page.worker.record(run_id).settings.config.reseed
    collect(page.click("redo", run_id, 1, True, ""))
    assert page.worker.record(run_id).settings.config.reseed != before


def test_a_run_that_is_watched_already_is_not_watched_twice(start, monkeypatch):
    toasts = []
    monkeypatch.setattr(gr, "Info", lambda text, title: toasts.append(text))
    gate = threading.Event()
    page = start(stream := PaintingStream(gate=gate))
    run_id = page.worker.submit(settings(num_chunks=3))
    assert stream.has_begun.wait(30)
    views = collect(page.click("change_prompt", run_id, "a blue ring", 0))
    assert all(is_skipped(value) for value in views[-1]) and len(views) == 1
    gate.set()
    list(page.worker.watch(run_id))
    assert toasts == ["The prompt changes at chunk 1, 2.0 s into the video."]
    assert "1: a blue ring" in page.worker.record(run_id).settings.config.prompt


def test_buttons_are_enabled_when_they_can_work(start):
    page = start()
    run_id = make(page, num_chunks=2)
    first, *_, last = collect(page.show(run_id))
    assert not first.delete["interactive"] and not first.redo["interactive"]
    assert last.delete["interactive"] and last.redo["interactive"]
    assert not last.pause["visible"] and not last.resume["visible"]  # it is complete
    assert not last.change["interactive"]

    gate = threading.Event()
    page = start(stream := PaintingStream(gate=gate))
    run_id = page.worker.submit(settings())
    assert stream.has_begun.wait(30)
    assert asyncio.run(page.buttons.click_pause(run_id))["value"] == "Pausing…"
    gate.set()
    list(page.worker.watch(run_id))
    *_, paused = collect(page.show(run_id))
    assert paused.resume["visible"] and paused.change["interactive"]
    assert not paused.redo["interactive"]  # it has no chunk yet
    assert collect(page.click("resume", run_id))[-1].status.count("Finished")


def test_regenerate_reads_the_log_once_and_asks_before_later_chunks_are_lost(start, monkeypatch):
    page = start()
    run_id = make(page, num_chunks=4)
    num_reads = []

    def count_reads(folder):
        num_reads.append(folder.id)
        return iter_events(folder)

    monkeypatch.setattr("t2v.ui.command_buttons.iter_events", count_reads)
    edit = page.stage.edit

    async def ask(chunk) -> list:
        return [one async for one in page.buttons.ask_redo(run_id, chunk, True, "")]

    [asked] = asyncio.run(ask(1))
    assert asked[edit.confirmation]["visible"] and "2 later chunks" in asked[edit.question]
    assert page.worker.record(run_id).settings.config.reseed == ""
    assert num_reads == [run_id]
    assert asked[edit.asked] == [run_id, 1, True, ""]
    assert len(asyncio.run(ask(3))) > 1  # nothing but the chunk itself is lost
    assert page.worker.record(run_id).settings.config.reseed.startswith("3: ")
    assert num_reads == [run_id] * 2


def test_a_confirmation_acts_on_what_its_question_was_about(worker):
    page = build_page(worker, {"painted": painted_preset()}, "painted")
    names = {part["id"]: part["props"] for part in page.config["components"]}
    clicked = {
        names[target]["value"]: [names[part].get("label") for part in event["inputs"]]
        for event in page.config["dependencies"]
        for target, kind in event["targets"]
        if kind == "click" and event["inputs"] and event["backend_fn"]
    }
    assert clicked["Regenerate them"] == clicked["Delete"] == ["Asked"]


def test_another_run_starts_without_the_file_the_chunk_and_the_prompt_of_the_one_before(worker):
    page = build_page(worker, {"painted": painted_preset()}, "painted")
    ids = {part["id"]: part["props"].get("elem_id") for part in page.config["components"]}
    run_id = next(
        part["id"] for part in page.config["components"] if part["props"].get("label") == "Run id"
    )
    emptied = {
        ids[part]
        for event in page.config["dependencies"]
        if [run_id, "change"] in map(list, event["targets"])
        for part in event["outputs"]
    }
    assert {"made-file", "redo-chunk", "redo-prompt"} <= emptied


def test_a_confirmed_question_regenerates_the_run_and_the_chunk_that_it_named(start):
    page = start()
    run_id = make(page, num_chunks=4)

    async def confirm(asked) -> list:
        return [one async for one in page.buttons.confirm_redo(asked)]

    for nothing in (None, [], "a chunk"):
        assert asyncio.run(confirm(nothing)) == [gr.skip()]
    asyncio.run(confirm([run_id, 2, True, ""]))
    assert page.worker.record(run_id).settings.config.reseed.startswith("2: ")


CHANGING = ("stop", "pause", "resume", "extend", "change", "redo", "favourite", "delete")


def test_guests_cannot_press_what_would_change_the_run_of_somebody_else(start):
    gate = threading.Event()
    page = start(stream := PaintingStream(gate=gate))
    run_id = page.worker.submit(settings(num_chunks=2), "its owner")
    assert stream.has_begun.wait(30)

    async def watch_to_the_end(visitor) -> list[Shown]:
        views = []
        async for view in page.show(run_id, visitor):
            views.append(view)
            gate.set()
        return views

    views = asyncio.run(watch_to_the_end(request("10.0.0.1")))
    assert views[0].note["visible"] and len(views) > 2
    for view in views:
        for name in CHANGING:
            update = getattr(view, name)
            assert is_skipped(update) or not update.get("interactive", False), name
    own = collect(page.show(run_id))[-1]
    assert own.favourite["interactive"] and own.extend["interactive"] and own.redo["interactive"]


def test_a_guest_is_not_sent_to_the_list_for_a_video_that_it_has_only_watched(start, monkeypatch):
    told = []
    monkeypatch.setattr(gr, "Info", lambda text, title: told.append(text))
    gate = threading.Event()
    page = start(PaintingStream(gate=gate))
    run_id = page.worker.submit(settings(num_chunks=2), "its owner")
    guest = gr.Request(
        session_hash="tab", headers={"x-gradio-user": "app"}, client={"host": "10.0.0.1"}
    )
    values = {"prompt": "a star", "preset": "painted", "num_chunks": 1, "num_inference_steps": 1}

    async def watch_and_ask() -> None:
        watched = page.show(run_id, guest)
        await anext(watched)
        asked = asyncio.ensure_future(anext(page.generate(guest, **values)))
        while not told:
            await asyncio.sleep(0.01)
        gate.set()
        async for _ in watched:
            pass
        await asked

    asyncio.run(asyncio.wait_for(watch_and_ask(), 60))
    assert told == ["The other video goes on. Open its link to watch it again."]


def test_a_click_that_continues_an_ended_run_says_so(start, monkeypatch):
    told = []
    monkeypatch.setattr(gr, "Info", lambda text, title: told.append(text))
    gate = threading.Event()
    page = start(stream := PaintingStream(gate=gate))
    run_id = page.worker.submit(settings(num_chunks=5))
    assert stream.has_begun.wait(30)
    page.worker.commands.pause(run_id)
    gate.set()
    list(page.worker.watch(run_id))
    collect(page.click("change_prompt", run_id, "a blue ring", 0))
    assert told.pop().endswith("into the video. The video is being continued now.")
    collect(page.click("redo", run_id, 1, True, ""))
    assert told.pop().endswith("into the video. It and 3 later chunks are replaced.")
    collect(page.click("extend", run_id, 2))
    assert told == ["2 chunks added."]


def test_a_viewer_of_an_ended_run_is_shown_how_it_goes_on(start):
    page = start()
    run_id = make(page, num_chunks=2)
    tab = gr.Request(session_hash="tab", headers={"x-gradio-user": "app"})

    async def refresh() -> AsyncGenerator[Shown, None]:
        async for updates in page.watching.refresh(run_id, tab):
            yield page.shown(updates)

    async def refresh_twice() -> tuple[list[Shown], list[Shown]]:
        first, second = [], []
        async for view in refresh():
            first.append(view)
            if len(first) == 1:
                second = [view async for view in refresh()]
        return first, second

    page.worker.commands.extend(run_id, 2)
    first, second = asyncio.run(refresh_twice())
    assert first[0].run_id == run_id and first[0].result["visible"] is False
    assert "5.0 s of video" in first[-1].status
    assert first[-1].timeline.count("<button") == 4
    assert len(second) == 1 and all(is_skipped(value) for value in second[0])


def test_a_favourite_is_toggled_and_a_run_deleted(start):
    page = start()
    run_id = make(page)
    assert asyncio.run(page.buttons.click_favourite(run_id))["value"].startswith("★")
    assert asyncio.run(page.buttons.click_favourite(run_id))["value"].startswith("☆")
    asyncio.run(page.buttons.click_delete(run_id))
    for call in (page.buttons.click_favourite, page.buttons.click_delete):
        with pytest.raises(gr.Error, match="no run"):
            asyncio.run(call(run_id))
