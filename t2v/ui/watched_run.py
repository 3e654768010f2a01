"""What one viewer has been shown of a run, and what has to be shown next."""

import asyncio

from t2v.events import TRACKS, Track
from t2v.runs.events import Failed, Finished, RunEvent
from t2v.runs.measurements import Measurements
from t2v.runs.progress import RunProgress
from t2v.runs.record import ENDED, RunRecord
from t2v.runs.worker import Worker
from t2v.ui.cover import Cover
from t2v.ui.form import Updates
from t2v.ui.measures import changes_measures, measures_strip
from t2v.ui.players import Player
from t2v.ui.render import RunView
from t2v.ui.status import StatusBox
from t2v.ui.timeline import changes_timeline, timeline


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
        """Gives new segments to the players."""
        paths = {track: await player.play(events) for track, player in self._players.items()}
        updates: Updates = {
            self._view.screen(track).live: path for track, path in paths.items() if path
        }
        if any(player.is_outdated for player in self._players.values()):
            revision = f"{self._record.id} {self._progress.revision}"
            updates[self._view.stage.revision] = revision
        return updates

    async def _changes(self, events: list[RunEvent]) -> Updates:
        """Updates of status, measures and timeline, where they change."""
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
