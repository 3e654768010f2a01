"""What `run.json` says of a run: its settings, and what has become of it."""

import dataclasses
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from t2v.errors import ConfigError
from t2v.provenance import Provenance
from t2v.runs.field_types import check_fields
from t2v.settings.chunking import PAPER_CHUNKING, Chunking
from t2v.settings.config import GenerationConfig, RefinerSettings
from t2v.settings.preset import Preset


State = Literal["queued", "running", "interrupted", "paused", "finished", "stopped", "failed"]
STATES: tuple[State, ...] = get_args(State)
ENDED = ("paused", "finished", "stopped", "failed")  # the other runs are being made or will be
# What reading a record or a line of a log that is damaged, or from another version, may raise.
DECODE_ERRORS = (
    ConfigError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
    ArithmeticError,
    RecursionError,
)
# Fields whose names in `run.json` are those of the first version.
RECORD_NAMES_ON_DISK = {"attempt_chunk": "begun_at", "num_attempts": "num_tries"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Everything that is needed to make a run, and to make it again."""

    config: GenerationConfig
    preset: str
    fps: int
    display_size: tuple[int, int]  # (height, width) of the files
    chunking: Chunking = PAPER_CHUNKING
    refiner: RefinerSettings | None = None  # of a run that refines
    write_metadata: bool = True  # into the finished files
    begins_with: str = ""  # besides text: see `t2v.provenance.describe_start`

    @classmethod
    def of(
        cls, preset: Preset, config: GenerationConfig, *, write_metadata: bool = True
    ) -> "RunSettings":
        """The settings of a run with a preset.

        Raises:
            PresetError: the video is to be refined, and the preset cannot refine here.
        """
        shown = preset.at_size(config.frame_size)
        return cls(
            config=config,
            preset=shown.name,
            fps=shown.fps,
            display_size=shown.display_size,
            chunking=shown.chunking,
            refiner=shown.find_refiner() if config.refine else None,
            write_metadata=write_metadata,
        )

    @property
    def num_frames(self) -> int:
        """Frames of the whole video."""
        return self.chunking.num_frames(self.config.num_chunks)

    @property
    def active_refiner(self) -> RefinerSettings | None:
        """The settings of the refiner if this run refines, else None."""
        return self.refiner if self.config.refine else None

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
        if "chunking" in values:  # runs of older versions do not have it
            parsed["chunking"] = Chunking(**values["chunking"])
        settings = cls(**values | parsed)
        check_fields(settings)
        check_fields(settings.chunking)
        if not all((settings.fps, *settings.display_size)):
            raise ValueError("fps and display_size cannot be 0")
        return settings


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
    seconds: float = 0.0  # of work, over all its executions
    visitor: str = ""  # the owner, as the page identifies visitors
    is_favourite: bool = False  # never cleaned up
    weights: dict[str, str] = field(default_factory=dict)  # file -> SHA-256
    versions: dict[str, str] = field(default_factory=dict)  # of libraries; see `versions_here`
    peak_memory: int = 0  # bytes, the most after any step on a CPU; 0: not measured
    peak_gpu_memory: int = 0  # the same on a GPU: of its memory
    rewind_to: int | None = None  # redo this chunk and all after it
    attempt_chunk: int = 0  # the chunk that is being made
    num_attempts: int = 0  # to make it, since a chunk of either track was completed

    @property
    def provenance(self) -> Provenance:
        """How its video was made."""
        settings = self.settings
        return Provenance(
            config=settings.config,
            preset=settings.preset,
            version=self.version,
            begins_with=settings.begins_with,
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """The tags of the video file: how it was made, or nothing if the settings say so."""
        return self.provenance.to_json() if self.settings.write_metadata else {}

    def to_json(self) -> dict[str, Any]:
        values = dataclasses.asdict(self)
        return {RECORD_NAMES_ON_DISK.get(name, name): value for name, value in values.items()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "RunRecord":
        """The record that `run.json` describes.

        Raises:
            DECODE_ERRORS: these are not the values of a record, or this version refuses a setting.
        """
        names = {on_disk: name for name, on_disk in RECORD_NAMES_ON_DISK.items()}
        fields = {names.get(name, name): value for name, value in values.items()}
        record = cls(**fields | {"settings": RunSettings.from_json(values["settings"])})
        check_fields(record)
        datetime.fromisoformat(record.created)
        return record


def salvage(run_id: str, values: Any, changed: float, message: str) -> RunRecord:
    """What can be said of a run whose record cannot be read.

    Args:
        values: that were read; anything.
        changed: when its folder was changed, in seconds since 1970.
        message: what is damaged.
    """
    values = values if isinstance(values, dict) else {}
    record = RunRecord(
        id=run_id,
        settings=_salvage_settings(values.get("settings")),
        version="",
        created=datetime.fromtimestamp(changed, UTC).isoformat(timespec="microseconds"),
        state="failed",
        message=message,
    )
    for name in ("created", "visitor", "is_favourite"):
        if name in values:
            try:
                changed_record = dataclasses.replace(record, **{name: values[name]})
                check_fields(changed_record)
                datetime.fromisoformat(changed_record.created)
                record = changed_record
            except DECODE_ERRORS:
                continue
    return record


def _salvage_settings(values: Any) -> RunSettings:
    try:
        return RunSettings.from_json(values)
    except DECODE_ERRORS:
        pass
    config = values.get("config") if isinstance(values, dict) else None
    prompt: Any = config.get("prompt") if isinstance(config, dict) else None
    try:
        settings = GenerationConfig(prompt=prompt)
    except DECODE_ERRORS:
        settings = GenerationConfig(prompt="(damaged video)")
    return RunSettings(config=settings, preset="", fps=8, display_size=(64, 64))
