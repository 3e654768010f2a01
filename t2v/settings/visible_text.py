"""Text of anybody as it reads: nothing in it steers a terminal, or shows other than it is."""

import re

from t2v.settings.prompt_schedule import CHUNKS


LINE_BREAKS = re.compile("[\r\n\t\x85\u2028\u2029]")
# A line that is an entry of a schedule.
ENTRY_LINE = re.compile(rf"\s*[\r\n]\s*(?={CHUNKS}\s*:\s)")
# Control characters, half surrogate pairs, and what is invisible and changes how text reads:
# direction marks and overrides, characters without width, tags.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
# Joiners belong between letters of some scripts and between emoji; nowhere else.
STRAY_JOINERS = re.compile(
    "(?<![^\x00-\x7f])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\x7f\u200c\u200d])"
)


def visible(text: str) -> str:
    """Text as it reads, on one line. That of the page and of the terminal."""
    return STRAY_JOINERS.sub("", UNPRINTABLE.sub("", LINE_BREAKS.sub(" ", text)))


def one_line(text: str) -> str:
    """The text of a setting as it reads.

    Entries of a schedule that have a line each stay entries.
    """
    return visible(ENTRY_LINE.sub(" / ", text))
