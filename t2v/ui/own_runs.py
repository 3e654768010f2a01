"""The strip under the player: the visitor's own runs, those that wait or are being made first."""

from hashlib import sha256
from typing import Any

import gradio as gr

from t2v.runs.events import LiveEvent, Loading, Progress, Queued
from t2v.runs.folder import RunFolder
from t2v.runs.live_run import Place
from t2v.runs.record import ENDED, RunRecord
from t2v.runs.worker import Worker
from t2v.ui.action_buttons import action_buttons
from t2v.ui.auth import Access
from t2v.ui.history import refined_text, state_text, valid_ids
from t2v.ui.labels import duration, escaped, in_seconds
from t2v.ui.status import done_text
from t2v.ui.texts.catalogue import listed, tr
from t2v.ui.timeline import thumbnail_image


MAX_SHOWN = 12  # runs that have ended
MAX_ASKED = 60  # ids of a browser that are looked up: the newest


class OwnRuns:
    """Draws the visitor's own runs.

    The owner of the machine sees all. Guests see those of their own whose ids their browser sends,
    and not those that they have only watched.
    """

    def __init__(self, worker: Worker, access: Access):
        self._worker = worker
        self._access = access

    def poll(
        self, known: list[str], version: str = "", request: gr.Request | None = None
    ) -> dict[str, Any]:
        """The strip, unless the page has it already. Small and quick: pages ask again and again.

        Args:
            known: ids that the browser has, the newest first.
            version: of what the page shows.

        Returns:
            Its version; whether any of the runs has not ended; and, if it is another version, its
            HTML.
        """
        places = {place.run_id: place for place in self._worker.queue.places()}
        records = {record.id: record for record in self._own_records(known, places, request)}
        live = [place for run_id, place in places.items() if run_id in records]
        waiting = [place.run_id for place in live if is_waiting(place.events)]
        cells = [self._live_cell(records[place.run_id], place, waiting) for place in live]
        ended = [record for record in records.values() if record.id not in places]
        cells += [self._ended_cell(record) for record in ended[:MAX_SHOWN]]
        html = f'<ol aria-label="{tr("Your runs")}">{"".join(cells)}</ol>' if cells else ""
        newest = sha256(html.encode()).hexdigest()[:16]
        answer = {"version": newest, "is_live": bool(live)}
        return answer if newest == version else answer | {"html": html}

    def _own_records(
        self, known: Any, places: dict[str, Place], request: gr.Request | None
    ) -> list[RunRecord]:
        """The newest first. Reads files that have changed."""
        library = self._worker.library
        if self._access.sees_all(request):
            live = library.find(ids=places)
            num_shown = len(live) + MAX_SHOWN
            return [*live, *library.find(limit=num_shown)]
        asked = valid_ids(known)[:MAX_ASKED]
        records = library.find(ids=asked, limit=MAX_ASKED)
        return [record for record in records if self._access.may_change(record, request)]

    def _live_cell(self, record: RunRecord, place: Place, waiting: list[str]) -> str:
        actions = ["stop"]
        if record.id in waiting:
            is_first, is_last = record.id == waiting[0], record.id == waiting[-1]
            actions = [
                *([] if is_first else ["earlier"]),
                *([] if is_last else ["later"]),
                "cancel",
            ]
        kind = "waiting" if record.id in waiting else "making"
        return self._cell(record, kind, describe_live(place.events), actions)

    def _ended_cell(self, record: RunRecord) -> str:
        has_ended = record.state in ENDED  # others are made by another app
        actions = ["favourite", "delete"] if has_ended else []
        return self._cell(record, record.state, describe_ended(record), actions)

    def _cell(self, record: RunRecord, kind: str, state: str, actions: list[str]) -> str:
        prompt = " → ".join(change.text for change in record.settings.config.prompts)
        folder = RunFolder(self._worker.runs_dir / record.id)
        run_id, words = escaped(record.id), escaped(prompt)
        buttons = action_buttons(record.id, prompt, actions, is_favourite=record.is_favourite)
        return (
            f'<li class="{escaped(kind)}" data-cell="{run_id}">'
            f'<a href="?run={run_id}" data-open="{run_id}" title="{words}">'
            f'{thumbnail_image(folder.thumbnail_path)}<span class="words">{words}</span>'
            f'<span class="facts">{escaped(state)}</span></a>{buttons}</li>'
        )


def is_waiting(events: tuple[LiveEvent, ...]) -> bool:
    return any(isinstance(event, Queued) and event.position > 0 for event in events)


def describe_live(events: tuple[LiveEvent, ...]) -> str:
    """What a run that has not ended is doing, in few words that change with its chunks only."""
    match events[-1] if events else None:
        case Queued(position=position) as queued if position > 0:
            return describe_place(queued)
        case Loading():
            return tr("loading models")
        case Progress() as progress:
            verb = tr("refining") if progress.track == "refined" else tr("making")
            return listed(verb, done_text(progress))
    return tr("starting")


def describe_place(queued: Queued) -> str:
    if queued.obstacle:
        return tr("needs a larger GPU")
    position = queued.position
    place = tr("next") if position == 1 else tr("place {position}", position=position)
    return with_wait(place, queued.wait)


def with_wait(place: str, wait: int | None) -> str:
    """When a run starts, to the nearest half minute: the strip is drawn anew when it changes."""
    if wait is None:
        return place
    time = duration(max(30, round(wait / 30) * 30))
    return tr("{place}, in about {time}", place=place, time=time)


def describe_ended(record: RunRecord) -> str:
    seconds = in_seconds(record.num_frames / record.settings.fps, 1)
    length = seconds if record.num_frames else ""
    state = "" if record.state == "finished" else state_text(record)
    return listed(length, state, refined_text(record)) or tr("no video")
