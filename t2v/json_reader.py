"""The one reader of text and JSON that others wrote: every way to be wrong is a ValueError."""

import json
from typing import Any


def read_json(data: bytes | str, *, may_go_on: bool = False) -> Any:
    """Reads a JSON value in UTF-8, 16 or 32, with or without a byte order mark.

    Args:
        may_go_on: whether other text may follow the value, as in the output of `longtake show`.

    Raises:
        UnicodeDecodeError: it has another encoding; this is a ValueError, too.
        ValueError: it is not JSON, or nested too deeply.
    """
    text = data.removeprefix("\ufeff") if isinstance(data, str) else decode(data)
    try:
        if may_go_on:
            return json.JSONDecoder().raw_decode(text.lstrip())[0]
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def decode(data: bytes) -> str:
    """Text in UTF-8, 16 or 32, with or without a byte order mark, which is left out.

    Editors of other systems write all of these. Without a mark, the first two characters have to be
    ASCII for UTF-16 and 32 to be recognised.

    Raises:
        UnicodeDecodeError: it has another encoding.
    """
    return data.decode(json.detect_encoding(data)).removeprefix("\ufeff")
