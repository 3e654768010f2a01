"""A file that a preset needs, before and after it is on this machine."""

from dataclasses import dataclass
from pathlib import Path

from t2v.settings.weight_source import WeightSource


@dataclass(frozen=True, slots=True)
class NeededFile:
    """One file that a preset needs, and its path if it is on this machine."""

    source: WeightSource
    use: str
    name: str
    revision: str  # a commit, if it is known
    path: Path | None
    num_bytes: int  # to download
    sha256: str | None  # that its repository states
