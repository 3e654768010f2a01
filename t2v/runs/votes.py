"""Votes of people who compared two runs without knowing which is which: `votes.jsonl`.

One line a vote, beside the runs: {"time": ..., "left": id, "right": id, "choice": "left", "right"
or "same", "preferred": id or null, "visitor": a hash}.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from t2v.errors import ConfigError, RunError
from t2v.json_reader import read_json
from t2v.runs.disk import disk_errors
from t2v.settings.declaration import brief


VOTES_FILE = "votes.jsonl"  # in the folder of the runs; never served
MAX_BYTES = 20_000_000  # about a hundred thousand votes
CHOICES = ("left", "right", "same")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One answer to: which of the two is better?"""

    time: str  # ISO 8601, UTC
    left: str  # ids of runs, as they were shown
    right: str
    choice: str  # one of CHOICES
    preferred: str | None
    visitor: str = ""  # as the page identifies visitors


@dataclass(frozen=True, slots=True)
class Count:
    """The votes about one pair of runs, however they were shown."""

    first: int
    second: int
    same: int

    @property
    def total(self) -> int:
        return self.first + self.second + self.same


def add_vote(runs_dir: Path, left: str, right: str, choice: Any, visitor: str = "") -> Vote:
    """Appends a vote.

    Raises:
        ConfigError: there is no such choice.
        RunError: the disk refuses it, or the file is full.
    """
    if choice not in CHOICES:
        raise ConfigError(f"choice must be one of {', '.join(CHOICES)}, got {brief(choice)}")
    vote = Vote(
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        left=left,
        right=right,
        choice=choice,
        preferred={"left": left, "right": right}.get(choice),
        visitor=visitor,
    )
    line = (json.dumps(asdict(vote)) + "\n").encode()
    # One write at the end of the file: several processes may vote at once.
    with disk_errors(), (runs_dir / VOTES_FILE).open("ab", buffering=0) as file:
        if file.tell() > MAX_BYTES:
            raise RunError(f"{VOTES_FILE} is full: move it away to go on voting")
        file.write(line)
    return vote


def count_votes(runs_dir: Path, first: str, second: str) -> Count:
    """Counts the votes about two runs. Lines that are damaged do not count."""
    found = Counter(
        vote.get("preferred")
        for vote in read_votes(runs_dir)
        if {vote.get("left"), vote.get("right")} == {first, second}
    )
    return Count(found[first], found[second], found[None])


def read_votes(runs_dir: Path) -> Iterator[dict[str, Any]]:
    """All votes in their order, one by one."""
    try:
        with (runs_dir / VOTES_FILE).open("rb") as file:
            for line in file:
                try:
                    vote = read_json(line)
                except ValueError:
                    continue
                if isinstance(vote, dict) and all(map(is_text_or_none, vote.values())):
                    yield vote
    except FileNotFoundError:
        return


def is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)
