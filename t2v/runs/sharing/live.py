"""What a run that is being made is doing, for viewers in other processes.

`live/<run>.json` is replaced a few times a second and never waited for: it may be lost.
"""

import base64
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from t2v.json_reader import read_json
from t2v.runs.events import LiveEvent, Loading, Progress, to_json
from t2v.runs.field_types import check_fields
from t2v.runs.record import DECODE_ERRORS
from t2v.runs.sharing.signs import replace_file


KINDS: dict[str, type[Loading] | type[Progress]] = {"Loading": Loading, "Progress": Progress}
Live = tuple[Loading | Progress, ...]


class LiveFiles:
    """The newest live events of runs."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._written: dict[str, Live] = {}

    def write(self, run_id: str, events: Live) -> None:
        """Tells other processes what a run does, if that is new."""
        if self._written.get(run_id, ()) is events:
            return
        self._written[run_id] = events
        with suppress(OSError):
            replace_file(self._folder / f"{run_id}.json", [encode(event) for event in events])

    def read(self, run_id: str) -> Live:
        """The newest events of a run; none if it has not told any."""
        try:
            values = read_json((self._folder / f"{run_id}.json").read_bytes())
            return tuple(map(decode, values))
        except (OSError, *DECODE_ERRORS):
            return ()

    def remove(self, run_id: str) -> None:
        self._written.pop(run_id, None)
        with suppress(OSError):
            (self._folder / f"{run_id}.json").unlink()


def encode(event: LiveEvent) -> dict[str, Any]:
    values = to_json(event)
    if isinstance(event, Progress) and event.picture is not None:
        pixels = np.ascontiguousarray(event.picture)
        values["picture"] = [*pixels.shape, base64.b64encode(pixels.tobytes()).decode()]
    return values


def decode(values: dict[str, Any]) -> Loading | Progress:
    """The event that `encode` made.

    Raises:
        DECODE_ERRORS: the file is damaged.
    """
    fields = dict(values)
    kind = KINDS[fields.pop("type")]
    if fields.get("picture") is not None:
        *shape, data = fields["picture"]
        fields["picture"] = np.frombuffer(base64.b64decode(data), np.uint8).reshape(shape)
    picture = fields.pop("picture", None)
    event = kind(**fields)
    check_fields(event)
    return replace(event, picture=picture) if isinstance(event, Progress) else event
