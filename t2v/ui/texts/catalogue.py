"""Looks up the texts of the page in the language of whoever asks.

The English text is the key, as in gettext: `tr("Place {position} in the queue", position=3)`. A
text that a language lacks stays English. docs/architecture.md says how to add a language.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from gradio.context import LocalContext

from t2v.ui.texts.languages import ENGLISH, choose_language


FOLDER = Path(__file__).parent
PLACE = re.compile(r"\{(\w+)\}")  # of a value in a text

_speaking: ContextVar[str] = ContextVar("speaking", default=ENGLISH)


def language() -> str:
    """The language of the visitor whose event is being handled, else that of `speaking`.

    Programs that send no Accept-Language get English.
    """
    request = LocalContext.request.get(None)
    headers = getattr(request, "headers", None)
    if headers is None:
        return _speaking.get()
    return choose_language(headers.get("accept-language") or "")


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Where there is no event, texts are in this language."""
    token = _speaking.set(language)
    try:
        yield
    finally:
        _speaking.reset(token)


def tr(text: str, **values: Any) -> str:
    """A text of the page in the language of whoever asks.

    Args:
        text: English; {name} stands for a value.
    """
    found = catalogue(language()).texts.get(text, text)
    return found.format(**values) if values else found


def tr_count(one: str, many: str, n: int, **values: Any) -> str:
    """A text about a number of things: one text for 1, the other one for more or none."""
    return tr(one if n == 1 else many, n=n, **values)


def sentences(*parts: str) -> str:
    """Whole sentences, one after the other; empty ones are left out."""
    return tr(" ").join(filter(None, parts))


def listed(*parts: str) -> str:
    """The parts of one phrase; empty ones are left out."""
    return tr(", ").join(filter(None, parts))


def tr_message(message: str, names: Mapping[str, str] | None = None) -> str:
    """A sentence that other parts of the program have made, such as an error or a notice.

    It is recognised by its English text. A sentence that the catalogue lacks stays as it is.

    Args:
        names: English texts for values that are names, as settings have them.
    """
    return catalogue(language()).translate(message, names or {})


@dataclass(frozen=True, slots=True)
class Catalogue:
    """One language.

    Args:
        texts: by English text.
        messages: those of other parts of the program: their English pattern, and the text.
    """

    texts: Mapping[str, str]
    messages: tuple[tuple[re.Pattern[str], str], ...]

    def translate(self, message: str, names: Mapping[str, str]) -> str:
        """See `tr_message`. Values may be sentences, too."""
        if message in names:
            message = names[message]
        if message in self.texts:
            return self.texts[message]
        for pattern, text in self.messages:
            if match := pattern.fullmatch(message):
                found = match.groupdict().items()
                return text.format(**{name: self.translate(value, names) for name, value in found})
        return message


@cache
def catalogue(language: str) -> Catalogue:
    """The catalogue of a language; that of English is empty. Reads a file once."""
    if language == ENGLISH:
        return Catalogue({}, ())
    tables = read_tables(language)
    texts = {key: text for table in tables.values() for key, text in table.items()}
    # The patterns that say most come first: others may match their sentences, too.
    keys = sorted((key for key in tables["messages"] if PLACE.search(key)), key=_said, reverse=True)
    return Catalogue(texts, tuple((pattern_of(key), texts[key]) for key in keys))


def read_tables(language: str) -> dict[str, dict[str, str]]:
    """The file of a language: tables of texts, by English text."""
    return tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))


def pattern_of(key: str) -> re.Pattern[str]:
    """Recognises the sentences of which a text with places for values is the form."""
    parts = PLACE.split(key)  # text, name, text, name, ..., text
    pieces = (
        f"(?P<{part}>.*?)" if index % 2 else re.escape(part) for index, part in enumerate(parts)
    )
    return re.compile("".join(pieces), re.DOTALL)


def _said(key: str) -> int:
    """How many letters of a text are not values."""
    return len(PLACE.sub("", key))
