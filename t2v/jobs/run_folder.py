"""The folder of a run: everything that is known about it, readable at any moment, by anybody.

runs/<id>/run.json       settings, preset, version, state: replaced as a whole
          events.jsonl   facts in order, one a line: only ever appended to
          segments/      one file per chunk, named after its first frame; refined-... beside it
          thumbnail.jpg  the first frame
          video.mp4      the finished video; refined.mp4 the sharper one, if it was asked for
          compared.mp4   both side by side, once somebody wanted to see it
"""

import dataclasses
import json
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from t2v import __version__
from t2v.config import GenerationConfig, RefinerSettings
from t2v.errors import JobError
from t2v.jobs.updates import Fact, SegmentReady, from_json, to_json


State = Literal["queued", "running", "finished", "stopped", "failed"]
ENDED = ("finished", "stopped", "failed")


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
    seconds: float = 0.0  # from its turn in the queue to its end

    @property
    def metadata(self) -> dict[str, Any]:
        """What the video file itself says about how it was made; nothing if that was asked for."""
        if not self.settings.write_metadata:
            return {}
        config = dataclasses.asdict(self.settings.config)
        return config | {"preset": self.settings.preset, "version": self.version}


class RunFolder:
    """One run on disk. Holds nothing in memory, so any number may look at the same folder."""

    def __init__(self, path: Path):
        self.path = path

    @classmethod
    def create(cls, runs_dir: Path, settings: RunSettings) -> "RunFolder":
        """Makes the folder of a new run, under an id that cannot be guessed.

        Raises:
            JobError: the disk refuses it.
        """
        run_id = secrets.token_hex(12)
        folder = cls(runs_dir / run_id)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            folder.segments_dir.mkdir(parents=True)
            folder.write(RunRecord(id=run_id, settings=settings, version=__version__, created=now))
        except OSError as error:
            raise JobError(f"the run cannot be kept on disk: {error.strerror}") from error
        return folder

    @classmethod
    def open(cls, runs_dir: Path, run_id: str) -> "RunFolder":
        """
        Raises:
            JobError: there is no such run.
        """
        # Checked before it becomes part of a path: ids come from links.
        is_id = isinstance(run_id, str) and re.fullmatch(r"[0-9a-f]{24}", run_id)
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
        part = self.path / ".run.json.part"
        part.write_text(json.dumps(values, indent=2), encoding="utf-8")
        os.replace(part, self.path / "run.json")

    def append(self, fact: Fact) -> None:
        with self.log_path.open("a", encoding="utf-8") as log:
            log.write(json.dumps(to_json(fact)) + "\n")

    def locate(self, kind: str, name: str) -> Path:
        return (self.segments_dir if kind == SegmentReady.__name__ else self.path) / name

    def segments(self, is_refined: bool = False) -> Iterator[Path]:
        """Paths of all segments of one video in order, read from the log one by one."""
        log = EventLog(self)
        while facts := log.read():
            for fact in facts:
                if isinstance(fact, SegmentReady) and fact.is_refined == is_refined:
                    yield fact.path


class EventLog:
    """Reads the log of a run from its start, and goes on where it was when there is more."""

    BATCH = 256  # facts at once: however long the video, memory stays the same

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._position = 0

    def read(self) -> list[Fact]:
        """The next facts, at most `BATCH`; empty when there are none yet."""
        facts = []
        try:
            with self._folder.log_path.open("rb") as log:
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
