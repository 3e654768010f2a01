"""The event log of a run, and readers that follow it while it grows."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from t2v.errors import RunError
from t2v.events import TRACKS, Notice, Track
from t2v.json_reader import read_json
from t2v.media.mp4 import is_whole_mp4
from t2v.runs.events import (
    Failed,
    Finished,
    LiveEvent,
    LoggedEvent,
    RunEvent,
    SegmentReady,
    from_json,
    is_end,
)
from t2v.runs.folder import RunFolder


CLOSED = "The app was closed while this video was being made."


class EventLog:
    """Reads the log of a run from its start, and continues there when it has grown."""

    BATCH = 256  # events at once: memory does not grow with the video

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._position = 0
        self._head = b""  # the first line: a log that was rewritten has another one

    def read(self) -> list[LoggedEvent]:
        """The next events, at most `BATCH`; empty when there are none yet.

        Raises:
            RunError: the next line is damaged. What came before it was returned before.
        """
        events: list[LoggedEvent] = []
        try:
            with self._folder.log_path.open("rb") as log:
                head = log.readline()
                if not head.endswith(b"\n"):  # the first line is still being written
                    return []
                if head != self._head:
                    self._head, self._position = head, 0
                log.seek(self._position)
                while len(events) < self.BATCH:
                    line = log.readline()
                    if not line.endswith(b"\n"):  # the end, or a line still being written
                        break
                    events.append(self._parse(line))
                    self._position += len(line)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise RunError(f"events.jsonl cannot be read ({error.strerror})") from error
        except RunError as error:
            if not events:
                raise RunError(f"events.jsonl is damaged: {error}") from error
        return events

    def _parse(self, line: bytes) -> LoggedEvent:
        try:
            values = read_json(line)
        except ValueError as error:
            raise RunError("it holds a line that is not JSON") from error
        return from_json(values, self._folder.locate)


class EventReader:
    """Reads the events of one run. Every viewer has its own; it keeps only a position.

    Args:
        look: whether the run has yet to end, and what it is doing.
        damage: what viewers are told of the run's record if it is damaged.
        kept_end: gives the end of the run if the disk refuses it.
    """

    def __init__(
        self,
        folder: RunFolder,
        look: Callable[[], tuple[bool, tuple[LiveEvent, ...]]],
        damage: str = "",
        kept_end: Callable[[], Finished | Failed | None] = lambda: None,
    ):
        self.folder = folder
        self._damage = damage
        self._kept_end = kept_end
        self.has_ended = False
        self._look = look
        self._reads = False  # has begun
        self._log = EventLog(folder)
        self._last_live: tuple[LiveEvent, ...] = ()

    def poll(self) -> list[RunEvent]:
        """What is new: first the logged events in order, then live events that have changed."""
        # Look first: a run that ends in between has its end in the log.
        is_live, live_events = self._look()
        events: list[RunEvent] = [Notice(self._damage)] if self._damage and not self._reads else []
        self._reads = True
        try:
            events += self._log.read()
        except RunError as error:
            return [*events, self._end_early(f"This video is damaged: {error}.")]
        if end := next((event for event in events if isinstance(event, Finished | Failed)), None):
            self.has_ended = True
            events[events.index(end)] = with_whole_videos(end)
        elif not is_live and not events:
            events.append(self._kept_end() or self._end_early(self._damage or CLOSED))
            self.has_ended = True
        else:
            events += [event for event in live_events if event not in self._last_live]
            self._last_live = live_events
        return events

    def _end_early(self, message: str) -> RunEvent:
        """The end of a run whose log has none, with the videos that are there."""
        self.has_ended = True
        video, refined = (self.folder.video_path(track) for track in TRACKS)
        return with_whole_videos(Failed(message=message, path=video, refined_path=refined))


def with_whole_videos(end: Finished | Failed) -> Finished | Failed:
    """An end without videos that are missing or damaged; without its preview, a run has failed."""
    if end.refined_path is not None and not is_whole_mp4(end.refined_path):
        end = replace(end, refined_path=None, num_refined_frames=0)
    if end.path is None or is_whole_mp4(end.path):
        return end
    if isinstance(end, Failed):
        return replace(end, path=None, num_frames=0)
    return Failed(
        message=f"This video is damaged: {end.path.name} is missing or not whole. Restart the app "
        "to join its chunks again.",
        refined_path=end.refined_path,
        num_refined_frames=end.num_refined_frames,
    )


def iter_events(folder: RunFolder) -> Iterator[LoggedEvent]:
    """All events in the log of a run, in order, up to the first that is damaged."""
    log = EventLog(folder)
    while events := _read_whole(log):
        yield from events


def has_end(folder: RunFolder) -> bool:
    """Whether the log says how the run ended; a run that is resumed loses its end."""
    return any(is_end(event) for event in iter_events(folder))


def _read_whole(log: EventLog) -> list[LoggedEvent]:
    try:
        return log.read()
    except RunError:
        return []


def iter_segments(folder: RunFolder, track: Track = "preview") -> Iterator[Path]:
    """Paths of all segments of one track in order, read from the log one by one."""
    for event in iter_events(folder):
        if isinstance(event, SegmentReady) and event.track == track:
            yield event.path


def is_whole(folder: RunFolder) -> bool:
    """Whether every line of the log was written to its end and can be read."""
    log = EventLog(folder)
    try:
        while log.read():
            pass
        with folder.log_path.open("rb") as file:
            if file.seek(0, os.SEEK_END) == 0:
                return True
            file.seek(-1, os.SEEK_END)
            return file.read() == b"\n"
    except FileNotFoundError:
        return True
    except (RunError, OSError):
        return False
