"""Settings that change on the way: "0: a red star / 6: a blue ring / 12-15: a ring at night".

Chunks count from 0. "12-15" blends: from chunk 12 on the words before and after are mixed, more of
the new ones in every chunk, and from chunk 15 on there are only the new ones.
"""

import re
from dataclasses import dataclass

from t2v.errors import ConfigError


PLACE = r"\d{1,6}(?:\s*-\s*\d{1,6})?"
SEPARATOR = re.compile(rf"\s/\s*(?={PLACE}\s*:)")
LOST = re.compile(r"\s/\s*([^\s/:]+)\s*:")  # meant as a place, and is none
ENTRY = re.compile(rf"\s*({PLACE})\s*:\s*(.*?)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Change:
    """What holds from a chunk on."""

    chunk: int  # the first that it says something about
    complete: int  # the first that it says everything about: `chunk`, where nothing is blended
    text: str

    def share(self, chunk: int) -> float:
        """How much of a chunk it decides, from 0 to 1."""
        num_mixed = self.complete - self.chunk
        return min(1.0, max(0.0, (chunk - self.chunk + 1) / (num_mixed + 1)))

    def __str__(self) -> str:
        place = f"{self.chunk}" if self.chunk == self.complete else f"{self.chunk}-{self.complete}"
        return f"{place}: {self.text}"


def parse_changes(name: str, text: str) -> tuple[Change, ...]:
    """Reads "6: one / 12-15: other".

    Args:
        name: of the setting, for messages.

    Raises:
        ConfigError: an entry is no "chunk: value", is empty, or does not come after the one before.
    """
    changes = []
    for entry in SEPARATOR.split(text):
        match = ENTRY.fullmatch(entry)
        if match is None or not match[2]:
            raise ConfigError(
                f"{name} must be of the form '0: one / 6: another', each with some text; "
                f"got {entry.strip()[:40]!r}"
            )
        if lost := LOST.search(match[2]):
            raise ConfigError(
                f"{name} must say chunks in numbers, as in '0: one / 6: another'; "
                f"got {lost[1][:40]!r}"
            )
        first, _, last = match[1].partition("-")
        change = Change(int(first), int(last or first), match[2])
        if change.complete < change.chunk:
            raise ConfigError(f"{name} must blend forwards, got {match[1]!r}")
        if changes and change.chunk <= changes[-1].chunk:
            raise ConfigError(
                f"{name} must name later and later chunks, got {change.chunk} "
                f"after {changes[-1].chunk}"
            )
        changes.append(change)
    return tuple(changes)


def parse_prompt(prompt: str) -> tuple[Change, ...]:
    """What a prompt says from which chunk on. One that does not begin with "0:" says all of it
    from the start.

    Raises:
        ConfigError: it begins with "0:" and then breaks the form.
    """
    if not re.match(r"\s*0\s*:", prompt):
        return (Change(0, 0, prompt),)
    return parse_changes("prompt", prompt)


def join_changes(changes: tuple[Change, ...]) -> str:
    """The changes as a setting. A prompt that never changes is itself."""
    if len(changes) == 1 and str(changes[0]).startswith("0: "):
        return changes[0].text
    return " / ".join(map(str, changes))


def change_from(changes: tuple[Change, ...], chunk: int, text: str, blend: int = 0) -> str:
    """The setting with something new from a chunk on, in place of what it said from there.

    Args:
        blend: how many chunks mix old and new.

    Raises:
        ConfigError: the text cannot be told from a change itself.
    """
    kept = (change for change in changes if change.chunk < chunk)
    changed = (*kept, Change(chunk, chunk + blend if chunk else 0, text.strip()))
    setting = join_changes(changed)
    read = parse_prompt(setting) if changed[0].chunk == 0 else parse_changes("it", setting)
    if [str(change) for change in read] != [str(change) for change in changed]:
        raise ConfigError("prompt must not hold ' / ' before a number and a colon")
    return setting


def shares(changes: tuple[Change, ...], chunk: int) -> dict[str, float]:
    """The texts that decide a chunk, and how much of it each; together 1."""
    mixed: dict[str, float] = {}
    for change in changes:
        if share := change.share(chunk):
            mixed = {text: old * (1 - share) for text, old in mixed.items() if share < 1}
            mixed[change.text] = mixed.get(change.text, 0.0) + share
    return mixed
