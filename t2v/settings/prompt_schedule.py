"""Prompt and seed schedules: "0: a red car / 6: a blue car / 12-15: a car at night".

Entries may also have a line each, or be separated by a semicolon, a bar or a comma; then a space
must follow the colon, so that "a clock, 12:30" is a text.

Chunks count from 0. "12-15" blends: from chunk 12 on, the old and the new prompt are mixed, with
more of the new one in every chunk; from chunk 15 on, only the new one is used.
"""

import re
from dataclasses import dataclass

from t2v.errors import ConfigError


CHUNKS = r"\d{1,6}(?:\s*-\s*\d{1,6})?"
SEPARATOR = re.compile(
    rf"\s/\s*(?={CHUNKS}\s*:)|\s*[\n;|,][\s/]*(?={CHUNKS}\s*:\s)",
)
NOT_CHUNKS = re.compile(r"\s/\s*([^\s/:]+)\s*:")  # in the place of a chunk, but not a number
ENTRY = re.compile(rf"\s*({CHUNKS})\s*:\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Keyframe:
    """An entry of a schedule: a text, and the chunk from which it holds."""

    chunk: int  # the first that it has a share of
    complete: int  # the first that it decides alone; equal to `chunk` without blending
    text: str

    def share(self, chunk: int) -> float:
        """Its share of a chunk, from 0 to 1."""
        num_mixed = self.complete - self.chunk
        return min(1.0, max(0.0, (chunk - self.chunk + 1) / (num_mixed + 1)))

    def __str__(self) -> str:
        is_blended = self.chunk != self.complete
        chunks = f"{self.chunk}-{self.complete}" if is_blended else f"{self.chunk}"
        return f"{chunks}: {self.text}"


def parse_changes(name: str, text: str) -> tuple[Keyframe, ...]:
    """Reads a schedule such as "6: one / 12-15: other".

    Args:
        name: name of the setting, for messages.

    Raises:
        ConfigError: an entry is not "chunk: value", is empty, or is not after the one before it.
    """
    changes: list[Keyframe] = []
    for entry in SEPARATOR.split(text):
        match = ENTRY.fullmatch(entry)
        if match is None or not match[2]:
            raise ConfigError(
                f"{name} must be of the form '0: one / 6: another', each with some text; "
                f"got {entry.strip()[:40]!r}"
            )
        if wrong := NOT_CHUNKS.search(match[2]):
            raise ConfigError(
                f"{name} must give chunks as numbers, as in '0: one / 6: another'; "
                f"got {wrong[1][:40]!r}"
            )
        first, _, last = match[1].partition("-")
        change = Keyframe(int(first), int(last or first), match[2])
        if change.complete < change.chunk:
            raise ConfigError(f"{name} must blend forwards, got {match[1]!r}")
        if changes and change.chunk <= changes[-1].chunk:
            raise ConfigError(
                f"{name} must name later and later chunks, got {change.chunk} "
                f"after {changes[-1].chunk}"
            )
        changes.append(change)
    return tuple(changes)


def parse_prompt(prompt: str) -> tuple[Keyframe, ...]:
    """Reads a prompt schedule. A prompt that does not begin with "0:" is a single keyframe.

    Raises:
        ConfigError: it begins with "0:" and is not a valid schedule.
    """
    if not re.match(r"\s*0\s*:", prompt):
        return (Keyframe(0, 0, prompt),)
    return parse_changes("prompt", prompt)


def join_changes(changes: tuple[Keyframe, ...]) -> str:
    """The text of a schedule. A single keyframe at chunk 0 is its text alone."""
    if len(changes) == 1 and str(changes[0]).startswith("0: "):
        return changes[0].text
    return " / ".join(map(str, changes))


def change_from(changes: tuple[Keyframe, ...], chunk: int, text: str, blend: int = 0) -> str:
    """The text of the schedule with a new keyframe, which replaces all from its chunk on.

    Args:
        blend: number of chunks that mix the old and the new text.

    Raises:
        ConfigError: the text looks like a keyframe itself.
    """
    kept = (change for change in changes if change.chunk < chunk)
    changed = (*kept, Keyframe(chunk, chunk + blend if chunk else 0, text.strip()))
    setting = join_changes(changed)
    read = parse_prompt(setting) if changed[0].chunk == 0 else parse_changes("it", setting)
    if [str(change) for change in read] != [str(change) for change in changed]:
        raise ConfigError("prompt must not hold entries of its own, as ' / 6: a car' is one")
    return setting


def shares(changes: tuple[Keyframe, ...], chunk: int) -> dict[str, float]:
    """The texts that a chunk is drawn from, each with its share; together 1."""
    mixed: dict[str, float] = {}
    for change in changes:
        if share := change.share(chunk):
            mixed = {text: old * (1 - share) for text, old in mixed.items() if share < 1}
            mixed[change.text] = mixed.get(change.text, 0.0) + share
    return mixed
