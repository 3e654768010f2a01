"""The folder of a run: everything that is known about it. Anybody may read it at any moment.

runs/<id>/run.json       settings, preset, version, state: always replaced as a whole
          events.jsonl   the event log, one event a line: appended to; see log.py
          segments/      one file per chunk, named after its first frame; refined-... for that track
          memory/        the frame store: frames without loss, to resume from; see frame_store.py
          thumbnails/    the first frame of every chunk, small
          thumbnail.jpg  the first frame
          video.mp4      the finished video; refined.mp4 the refined one, if the run refines
          video.json     the sidecar: how it was made, unless the settings refuse metadata
          start.npz      the frames that the video begins with, if not with text alone
          compared.mp4   both tracks side by side, once somebody has asked for it
"""

import errno
import json
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from t2v import __version__
from t2v.atomic import Version, atomic_write, sync, version_of
from t2v.errors import RunError
from t2v.events import Track
from t2v.json_reader import read_json
from t2v.runs.disk import disk_errors
from t2v.runs.events import ChunkMeasured, LoggedEvent, SegmentReady, to_line
from t2v.runs.frame_store import FrameStore
from t2v.runs.record import DECODE_ERRORS, RunRecord, RunSettings, salvage
from t2v.settings.chunking import Chunking


ID = r"[0-9a-f]{24}"
MAX_REASON = 120  # characters of an error in a message


class RunFolder:
    """One run on disk. It holds nothing in memory, so any number may look at the same folder.

    Attributes:
        check_mine: is called before anything is written that others will see, and raises if this
            process may not write (any more). Whoever makes a run sets it.
    """

    _updating = threading.Lock()  # any record, between reading and writing it

    def __init__(self, path: Path):
        self.path = path
        self.check_mine: Callable[[], None] = _anybody_may_write
        self._appending = threading.Lock()  # the log, of the maker and of what measures beside it

    @classmethod
    def create(
        cls, runs_dir: Path, settings: RunSettings, visitor: str = "", run_id: str | None = None
    ) -> "RunFolder":
        """Makes the folder of a new run.

        Args:
            run_id: from `new_id`; None for a new one.

        Raises:
            RunError: the disk refuses it.
        """
        folder = cls(runs_dir / (run_id or new_id()))
        record = RunRecord(
            id=folder.id,
            settings=settings,
            version=__version__,
            created=datetime.now(UTC).isoformat(timespec="microseconds"),
            visitor=visitor,
        )
        try:
            with disk_errors():
                folder.segments_dir.mkdir(parents=True)
                folder.write(record)
        except RunError:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        return folder

    @classmethod
    def open(cls, runs_dir: Path, run_id: str) -> "RunFolder":
        """The folder of a run that exists.

        Raises:
            RunError: there is no such run.
        """
        # Checked before it becomes part of a path: ids come from links.
        is_id = isinstance(run_id, str) and re.fullmatch(ID, run_id)
        if not is_id or not (runs_dir / run_id).is_dir():
            raise RunError("there is no run with this id (any more)")
        return cls(runs_dir / run_id)

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def segments_dir(self) -> Path:
        return self.path / "segments"

    @property
    def compared_path(self) -> Path:
        return self.path / "compared.mp4"

    @property
    def start_path(self) -> Path:
        return self.path / "start.npz"

    @property
    def thumbnail_path(self) -> Path:
        return self.path / "thumbnail.jpg"

    @property
    def log_path(self) -> Path:
        return self.path / "events.jsonl"

    def frame_store(self, chunking: Chunking) -> FrameStore:
        return FrameStore(self.path / "memory", chunking, self.check_mine)

    def chunk_thumbnail_path(self, start_frame: int) -> Path:
        return self.path / "thumbnails" / f"{start_frame:08d}.jpg"

    def video_path(self, track: Track = "preview") -> Path:
        return self.path / ("refined.mp4" if track == "refined" else "video.mp4")

    def segment_path(self, start_frame: int, track: Track = "preview") -> Path:
        prefix = "refined-" if track == "refined" else ""
        return self.segments_dir / f"{prefix}{start_frame:08d}.mp4"

    def locate(self, kind: str, name: str) -> Path:
        """The path of a file that an event of this kind names."""
        return (self.segments_dir if kind == SegmentReady.__name__ else self.path) / name

    def read(self) -> RunRecord:
        """Reads the record of the run.

        Raises:
            RunError: the record is not there, or damaged.
        """
        try:
            return self._parse(self._values())
        except RunError as error:
            raise RunError(f"run {self.id} cannot be read: {error}") from error

    def version(self) -> Version | None:
        """Another one whenever the record was written; None if there is no record."""
        try:
            return version_of((self.path / "run.json").stat())
        except OSError:
            return None

    def describe(self) -> RunRecord:
        """The record; of a damaged one what can be told, as a run that has failed."""
        values: Any = None
        try:
            values = self._values()
            return self._parse(values)
        except RunError as error:
            try:
                changed = self.path.stat().st_mtime
            except OSError:
                changed = 0.0
            return salvage(self.id, values, changed, f"This video is damaged: {error}.")

    def _values(self) -> Any:
        """The values in `run.json`, whatever they are."""
        try:
            return read_json((self.path / "run.json").read_bytes())
        except OSError as error:
            raise RunError(f"run.json cannot be read ({error.strerror})") from error
        except ValueError as error:
            raise RunError("run.json is not JSON") from error

    def _parse(self, values: Any) -> RunRecord:
        try:
            # The folder says which run this is: a copied record may say anything.
            return RunRecord.from_json(dict(values) | {"id": self.id})
        except DECODE_ERRORS as error:
            raise RunError(f"run.json cannot be understood ({brief_reason(error)})") from error

    def write(self, record: RunRecord) -> None:
        with atomic_write(self.path / "run.json", self.check_mine) as part:
            part.write_text(json.dumps(record.to_json(), indent=2), encoding="utf-8")

    def update(self, **changes: Any) -> RunRecord:
        """Changes some values of the record, which others may change at the same time."""
        with self._updating:
            record = replace(self.read(), **changes)
            self.write(record)
        return record

    def append(self, event: LoggedEvent) -> None:
        """Appends an event to the log: the whole line, or nothing if the disk is full.

        The line is on the disk when this returns: a chunk of which a viewer has heard stays.
        Measurements need not be: they can be made again, and the maker must not wait for them.
        """
        with self._appending, self.log_path.open("ab", buffering=0) as log:
            end, line = log.tell(), to_line(event).encode()
            self.check_mine()
            try:
                if log.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                if not isinstance(event, ChunkMeasured):
                    sync(log.fileno())
            except OSError:
                log.truncate(end)
                raise

    def delete_parts(self) -> None:
        """Deletes what a process was writing when it ended; one that wakes up cannot publish it."""
        for folder in (self.segments_dir, self.path / "memory"):
            for part in folder.glob(".*.part"):
                part.unlink(missing_ok=True)


def _anybody_may_write() -> None:
    """A folder that is only looked at, or that no other process knows of."""


def brief_reason(error: BaseException) -> str:
    """The first words of an error about values of a file, which can be of any length."""
    text = " ".join(str(error).split())
    return text if len(text) <= MAX_REASON else text[:MAX_REASON] + "..."


def new_id() -> str:
    """An id of a run that cannot be guessed."""
    return secrets.token_hex(12)


def iter_folders(runs_dir: Path) -> Iterator[RunFolder]:
    """All runs of a folder, in no particular order."""
    with suppress(FileNotFoundError, NotADirectoryError):
        for path in runs_dir.iterdir():
            if re.fullmatch(ID, path.name) and path.is_dir():
                yield RunFolder(path)
