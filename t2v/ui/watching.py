"""Watching runs: each open tab follows one run, from its start to its end."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import gradio as gr

from t2v.errors import RunError
from t2v.events import TRACKS, Track
from t2v.runs.events import Failed, Finished, RunEvent
from t2v.runs.folder import RunFolder
from t2v.runs.log import EventReader
from t2v.runs.measurements import Measurements
from t2v.runs.progress import RunProgress
from t2v.runs.record import ENDED, RunRecord
from t2v.runs.worker import Worker
from t2v.ui.auth import Access
from t2v.ui.cover import Cover
from t2v.ui.errors import warn
from t2v.ui.form import Updates
from t2v.ui.labels import sentence
from t2v.ui.measures import changes_measures, measures_strip
from t2v.ui.players import GrowingPlayer, NoPlayer, Player, SegmentPlayer
from t2v.ui.render import RunView
from t2v.ui.status import StatusBox, not_found
from t2v.ui.tabs import TabRegistry
from t2v.ui.timeline import changes_timeline, timeline
from t2v.ui.urls import scratch_folder


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
        """Stream the updates of a run until it ends or this tab opens another run.

        Disconnecting does not stop the run.

        Raises:
            RunError: there is no such run.
        """
        record = await asyncio.to_thread(self._worker.record, run_id)
        may_change = self._access.may_change(record, request)
        async with self.tabs.claim(request) as claim:
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
                is_left = not claim.is_first or (claim.is_tab and record.state not in ENDED)
                yield first | self.view.empty_players() if is_left else first
                async for events in all_events(run.reader):
                    if claim.is_over:
                        yield gr.skip()
                        return
                    if updates := await run.follow(events):
                        yield updates
                yield await asyncio.to_thread(run.last)

    async def attach(self, last_run: Any, request: gr.Request) -> AsyncGenerator[Updates, None]:
        """Show the run of the page's link or else the last run of this browser."""
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
        """Show a run with empty players: it was rewound behind what they have shown."""
        async for updates in self.show(str(run_id), request):
            yield updates

    async def refresh(self, run_id: Any, request: gr.Request) -> AsyncGenerator[Updates, None]:
        """Show a run that had ended and that somebody has continued.

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


class WatchedRun:
    """One viewer's state of a run: what was read of its log, and what the players were given.

    Creating one reads files.

    Args:
        may_change: the viewer may change the run, and not only watch it.
        sees_workers: the viewer is told what makes which run.
    """

    def __init__(
        self,
        worker: Worker,
        view: RunView,
        record: RunRecord,
        players: dict[Track, Player],
        *,
        may_change: bool,
        sees_workers: bool = False,
    ):
        self.reader = worker.open_reader(record.id)
        self._worker = worker
        self._view = view
        self._players = players
        self._record = record
        self._may_change = may_change
        self._settings = record.settings
        self._progress = RunProgress(record.settings)
        workers = worker.workers if sees_workers else list
        self._status = StatusBox(self._progress, record.settings.chunking, workers)
        self._covers = {
            track: Cover(
                self.reader.folder, track, record.settings.fps, has_ended=record.state in ENDED
            )
            for track in TRACKS
        }
        self._measurements = Measurements()
        self._latest: list[RunEvent] = []

    def first(self) -> Updates:
        """Updates that show the run before anything was read of its log. Reads files."""
        drawn = self._timeline(is_live=self._record.state == "running")
        status = self._status.to_html()
        updates = self._view.first(self._record, status, drawn, may_change=self._may_change)
        return updates | {
            self._view.screen(track).cover: cover.first() for track, cover in self._covers.items()
        }

    async def follow(self, events: list[RunEvent]) -> Updates:
        """Updates after new events; empty if nothing changes."""
        for event in events:
            self._progress.add(event)
            self._measurements.add(event)
        self._latest = events
        updates = await self._feed(events)
        if not self.reader.has_ended:
            updates |= await self._changes(events)
        return updates

    async def _feed(self, events: list[RunEvent]) -> Updates:
        """Feed the players."""
        paths = {track: await player.play(events) for track, player in self._players.items()}
        updates: Updates = {
            self._view.screen(track).live: path for track, path in paths.items() if path
        }
        if any(player.is_outdated for player in self._players.values()):
            revision = f"{self._record.id} {self._progress.revision}"
            updates[self._view.stage.revision] = revision
        return updates

    async def _changes(self, events: list[RunEvent]) -> Updates:
        """Update status and timeline where they change."""
        run = self._worker.queue.get(self._record.id)
        is_edited = run is not None and run.settings != self._settings
        if run is not None:
            self._settings = run.settings
        if not events and not is_edited:
            return {}
        status = {self._view.stage.status: self._status.to_html()}
        status |= await asyncio.to_thread(self._new_covers)
        if is_edited or changes_measures(events):
            status |= self._measures()
        if is_edited or changes_timeline(events):
            return await asyncio.to_thread(self._growing) | status
        return status

    def _growing(self) -> Updates:
        record = self._worker.record(self._record.id)
        drawn = self._timeline(is_live=True)
        may_redo = self._may_change and self._progress.num_playable > 0
        return self._view.growing(record, drawn, may_redo=may_redo)

    def _new_covers(self) -> Updates:
        """Those that look different now. May read files."""
        covers = {track: cover.update(self._progress) for track, cover in self._covers.items()}
        return {
            self._view.screen(track).cover: html
            for track, html in covers.items()
            if html is not None
        }

    def last(self) -> Updates:
        """Updates that show the run as it ended. Reads files."""
        record, drawn = self._worker.record(self._record.id), self._timeline(is_live=False)
        *_, end = (event for event in self._latest if isinstance(event, Finished | Failed))
        updates = self._view.last(
            record,
            end,
            self._status.to_html(),
            drawn,
            has_chunks=self._progress.num_playable > 0,
            may_change=self._may_change,
        )
        return updates | self._new_covers() | self._measures()

    def _measures(self) -> Updates:
        num_chunks = self._settings.config.num_chunks
        return {self._view.stage.controls.measures: measures_strip(self._measurements, num_chunks)}

    def _timeline(self, *, is_live: bool) -> str:
        is_live = is_live and not self._progress.is_waiting
        return timeline(self.reader.folder, self._progress.num_playable, is_live)


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
