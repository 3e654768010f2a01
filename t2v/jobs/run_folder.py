"""The folder of a run: everything that is known about it, readable at any moment, by anybody.

runs/<id>/run.json       settings, preset, version, state: replaced as a whole
          events.jsonl   facts in order, one a line: only ever appended to
          segments/      one file per chunk, named after its first frame; refined-... beside it
          memory/        what was drawn, without loss, to go on from: see memory_files.py
          thumbnails/    the first frame of every chunk, small
          thumbnail.jpg  the first frame
          video.mp4      the finished video; refined.mp4 the sharper one, if it was asked for
          video.json     how it was made, if files are to say so: see beside.py
          compared.mp4   both side by side, once somebody wanted to see it
"""

import dataclasses
import errno
import json
import os
import re
import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from t2v import __version__
from t2v.atomic import atomic_write
from t2v.config import GenerationConfig, RefinerSettings
from t2v.errors import JobError
from t2v.jobs.memory_files import MemoryFiles
from t2v.jobs.updates import Fact, SegmentReady, from_json, to_json
from t2v.origin import Origin


ID = r"[0-9a-f]{24}"
State = Literal["queued", "running", "interrupted", "paused", "finished", "stopped", "failed"]
MIN_FREE = 300_000_000  # bytes that the disk must have left when a run begins
ENDED = ("paused", "finished", "stopped", "failed")  # the others are being made, or about to be


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """All that a run needs to be made, and made again."""

    config: GenerationConfig
    preset: str
    fps: int
    display_size: tuple[int, int]  # (height, width) of the files
    refiner: RefinerSettings | None = None  # of a run that refines
    write_metadata: bool = True  # into the finished files

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RunSettings":
        refiner = values.get("refiner")
        parsed = {
            "config": GenerationConfig(**values["config"]),
            "display_size": tuple(values["display_size"]),
            "refiner": refiner and RefinerSettings(**refiner),
        }
        return cls(**values | parsed)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """What `run.json` says."""

    id: str
    settings: RunSettings
    version: str
    created: str  # ISO 8601, UTC
    state: State = "queued"
    message: str = ""  # why it failed
    num_frames: int = 0  # that can be watched, once the run has ended
    num_refined_frames: int = 0
    seconds: float = 0.0  # of its turns on the device
    visitor: str = ""  # who asked for it, as the page tells visitors apart
    is_favourite: bool = False  # never cleaned up
    weights: dict[str, str] = field(default_factory=dict)  # file -> SHA-256
    versions: dict[str, str] = field(default_factory=dict)  # of libraries; see `versions_here`
    rewind_to: int | None = None  # the chunk to make anew, and all after it
    begun_at: int = 0  # the chunk that its last turn began with
    num_tries: int = 0  # turns that began with that chunk

    @property
    def origin(self) -> Origin:
        """How its video was made."""
        settings = self.settings
        return Origin(config=settings.config, preset=settings.preset, version=self.version)

    @property
    def metadata(self) -> dict[str, Any]:
        """What the video file itself says about how it was made; nothing if that was asked for."""
        return self.origin.to_json() if self.settings.write_metadata else {}


class RunFolder:
    """One run on disk. Holds nothing in memory, so any number may look at the same folder."""

    _updating = threading.Lock()  # of any record: between reading and writing it

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def create(cls, runs_dir: Path, settings: RunSettings, visitor: str = "") -> "RunFolder":
        """Makes the folder of a new run, under an id that cannot be guessed.

        Raises:
            JobError: the disk refuses it.
        """
        run_id = secrets.token_hex(12)
        folder = cls(runs_dir / run_id)
        record = RunRecord(
            id=run_id,
            settings=settings,
            version=__version__,
            created=datetime.now(UTC).isoformat(timespec="microseconds"),
            visitor=visitor,
        )
        try:
            with kept_on_disk():
                folder.segments_dir.mkdir(parents=True)
                folder.write(record)
        except JobError:
            shutil.rmtree(folder.path, ignore_errors=True)
            raise
        return folder

    @classmethod
    def open(cls, runs_dir: Path, run_id: str) -> "RunFolder":
        """
        Raises:
            JobError: there is no such run.
        """
        # Checked before it becomes part of a path: ids come from links.
        is_id = isinstance(run_id, str) and re.fullmatch(ID, run_id)
        if not is_id or not (runs_dir / run_id / "run.json").is_file():
            raise JobError("there is no run with this id (any more)")
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
    def thumbnail_path(self) -> Path:
        return self.path / "thumbnail.jpg"

    @property
    def memory(self) -> MemoryFiles:
        return MemoryFiles(self.path / "memory")

    def chunk_thumbnail_path(self, start_frame: int) -> Path:
        return self.path / "thumbnails" / f"{start_frame:08d}.jpg"

    @property
    def log_path(self) -> Path:
        return self.path / "events.jsonl"

    def video_path(self, is_refined: bool = False) -> Path:
        return self.path / ("refined.mp4" if is_refined else "video.mp4")

    def segment_path(self, start_frame: int, is_refined: bool = False) -> Path:
        return self.segments_dir / f"{'refined-' * is_refined}{start_frame:08d}.mp4"

    def read(self) -> RunRecord:
        try:
            values = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
            settings = RunSettings.from_json(values.pop("settings"))
            return RunRecord(settings=settings, **values)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JobError(f"run {self.id} cannot be read: {error}") from error

    def write(self, record: RunRecord) -> None:
        values = dataclasses.asdict(record)
        with atomic_write(self.path / "run.json") as part:
            part.write_text(json.dumps(values, indent=2), encoding="utf-8")

    def update(self, **changes: Any) -> RunRecord:
        """Changes some values of the record, which others may change at the same time."""
        with self._updating:
            record = replace(self.read(), **changes)
            self.write(record)
        return record

    def append(self, fact: Fact) -> None:
        """Adds a line to the log; where the disk refuses half of it, none of it stays."""
        with self.log_path.open("ab", buffering=0) as log:
            end, line = log.tell(), to_line(fact).encode()
            try:
                if log.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                log.truncate(end)
                raise

    def has_whole_log(self) -> bool:
        """Whether the last line of the log was written to its end."""
        try:
            with self.log_path.open("rb") as log:
                if log.seek(0, os.SEEK_END) == 0:
                    return True
                log.seek(-1, os.SEEK_END)
                return log.read() == b"\n"
        except FileNotFoundError:
            return True

    def locate(self, kind: str, name: str) -> Path:
        return (self.segments_dir if kind == SegmentReady.__name__ else self.path) / name

    def segments(self, is_refined: bool = False) -> Iterator[Path]:
        """Paths of all segments of one video in order, read from the log one by one."""
        log = EventLog(self)
        while facts := log.read():
            for fact in facts:
                if isinstance(fact, SegmentReady) and fact.is_refined == is_refined:
                    yield fact.path


@contextmanager
def kept_on_disk():
    """Says in words when the disk refuses something that was asked for.

    Raises:
        JobError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise JobError(f"the run cannot be kept on disk: {error.strerror}") from error


def check_disk(runs_dir: Path) -> None:
    """Says before the work, and not in its middle, that a video would not fit.

    Raises:
        JobError: the disk has too little room.
    """
    place = next(path for path in (runs_dir, *runs_dir.parents) if path.exists())
    free = shutil.disk_usage(place).free
    if free < MIN_FREE:
        raise JobError(
            f"the disk is almost full: {free / 1e6:.0f} MB are free, and a video wants "
            f"{MIN_FREE / 1e6:.0f} MB; delete some"
        )


def iter_folders(runs_dir: Path) -> Iterator[RunFolder]:
    """All runs of a folder, in no order."""
    with suppress(FileNotFoundError):
        for path in runs_dir.iterdir():
            if re.fullmatch(ID, path.name) and (path / "run.json").is_file():
                yield RunFolder(path)


def to_line(fact: Fact) -> str:
    return json.dumps(to_json(fact)) + "\n"


class EventLog:
    """Reads the log of a run from its start, and goes on where it was when there is more."""

    BATCH = 256  # facts at once: however long the video, memory stays the same

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._position = 0
        self._head = b""  # the first line: a log that was written anew has another one

    def read(self) -> list[Fact]:
        """The next facts, at most `BATCH`; empty when there are none yet."""
        facts = []
        try:
            with self._folder.log_path.open("rb") as log:
                head = log.readline()
                if head != self._head:
                    self._head, self._position = head, 0
                log.seek(self._position)
                while len(facts) < self.BATCH:
                    line = log.readline()
                    if not line.endswith(b"\n"):  # the end, or a line still being written
                        break
                    self._position += len(line)
                    facts.append(from_json(json.loads(line), self._folder.locate))
        except FileNotFoundError:
            return []
        return facts
