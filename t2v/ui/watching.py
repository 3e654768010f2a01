"""Watching runs: each open tab follows one run, from its start to its end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from t2v.errors import RunError
from t2v.events import TRACKS, Track
from t2v.runs.events import RunEvent
from t2v.runs.folder import RunFolder
from t2v.runs.log import EventReader
from t2v.runs.record import ENDED, RunRecord
from t2v.runs.worker import Worker
from t2v.ui.auth import Access
from t2v.ui.errors import warn
from t2v.ui.form import Updates
from t2v.ui.labels import sentence
from t2v.ui.players import GrowingPlayer, NoPlayer, Player, SegmentPlayer
from t2v.ui.render import RunView
from t2v.ui.status import not_found
from t2v.ui.tabs import TabRegistry
from t2v.ui.urls import scratch_folder
from t2v.ui.watched_run import WatchedRun


POLLS_PER_SECOND = 5


class Watching:
    """Streams runs to the page. All files are read on threads, none on the event loop.

    Args:
        is_streaming: the live players take segments. Otherwise they are given a longer file now
            and then, which needs no program outside Python.
    """

    def __init__(self, worker: Worker, view: RunView, access: Access, *, is_streaming: bool = True):
        self.tabs = TabRegistry()
        self._worker = worker
        self.view = view
        self._access = access
        self._is_streaming = is_streaming

    async def show(
        self, run_id: str, request: gr.Request | None = None
    ) -> AsyncGenerator[Updates, None]:
        """Streams the updates of a run until it ends or this tab opens another run.

        Disconnecting does not stop the run.

        Raises:
            RunError: there is no such run.
        """
        record = await asyncio.to_thread(self._worker.record, run_id)
        may_change = self._access.may_change(record, request)
        async with self.tabs.claim(request, run_id) as claim:
            with scratch_folder() as scratch:
                players = self._players(record, scratch)
                run = await asyncio.to_thread(
                    WatchedRun,
                    self._worker,
                    self.view,
                    record,
                    players,
                    may_change=may_change,
                    sees_workers=self._access.sees_all(request),
                )
                first = await asyncio.to_thread(run.first)
                # What the players have left of another run, or of this one before it was continued.
                is_kept = claim.is_first and claim.is_same_run and record.state in ENDED
                is_left = claim.is_tab and not is_kept
                yield first | self.view.empty_players() if is_left else first
                async for events in all_events(run.reader):
                    if claim.is_over:
                        yield gr.skip()
                        return
                    if updates := await run.follow(events):
                        yield updates
                yield await asyncio.to_thread(run.last)

    async def attach(self, last_run: Any, request: gr.Request) -> AsyncGenerator[Updates, None]:
        """Shows the run of the page's link or else the last run of this browser."""
        run_id = run_to_show(last_run, request)
        if not run_id:
            yield gr.skip()
            return
        try:
            async for updates in self.show(str(run_id), request):
                yield updates
        except RunError as error:
            cleared: Updates = {self.view.stage.run_id: ""}
            if request.query_params.get("run"):
                warn([sentence(error)])
                cleared[self.view.stage.status] = not_found()
            yield cleared

    async def restart(self, run_id: Any, request: gr.Request) -> AsyncGenerator[Updates, None]:
        """Shows a run with empty players: it was rewound behind what they have shown."""
        async for updates in self.show(str(run_id), request):
            yield updates

    async def refresh(self, run_id: Any, request: gr.Request) -> AsyncGenerator[Updates, None]:
        """Shows a run that had ended and that somebody has continued.

        A tab that follows it already continued it itself: nothing changes there.
        """
        if self.tabs.is_claimed(request):
            yield gr.skip()
            return
        async for updates in self.restart(run_id, request):
            yield updates

    def _players(self, record: RunRecord, scratch: Path) -> dict[Track, Player]:
        return {track: self._player(record, scratch, track) for track in TRACKS}

    def _player(self, record: RunRecord, scratch: Path, track: Track) -> Player:
        if record.state in ENDED:
            return NoPlayer()
        if self._is_streaming:
            return SegmentPlayer(scratch, track)
        return GrowingPlayer(RunFolder.open(self._worker.runs_dir, record.id), scratch, track)


async def all_events(reader: EventReader) -> AsyncIterator[list[RunEvent]]:
    """The new events of a run, again and again until it ends.

    The list is empty if there are none, so that the viewer can look for other changes.
    """
    while not reader.has_ended:
        events = await asyncio.to_thread(reader.poll)
        yield events
        if not events:
            await asyncio.sleep(1 / POLLS_PER_SECOND)


def run_to_show(last_run: Any, request: gr.Request) -> Any:
    """The run that the page's link names.

    Without one it is the last run of this browser, unless the link is for a new video.
    """
    query = request.query_params
    return query.get("run") or ("" if "new" in query else last_run)
