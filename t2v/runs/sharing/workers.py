"""The processes that share a folder of runs: which of them make runs, and what they do.

`workers/<token>.json` names a process like a lease does, and is touched as often. Nothing depends
on it but estimates and what people are told.
"""

import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from t2v.json_reader import read_json
from t2v.runs.field_types import check_fields
from t2v.runs.record import DECODE_ERRORS
from t2v.runs.sharing.holder import Holder, Liveness
from t2v.runs.sharing.signs import replace_file
from t2v.runs.tally import ChunkCount


@dataclass(frozen=True, slots=True)
class WorkerState:
    """What a process that shares the folder is doing.

    Attributes:
        name: of what it makes runs with, for people: "GPU 0". Empty if it makes none.
        preset: whose models it has; "" for none.
        run_id: the run that it makes; "" for none.
        num_failed: runs that have failed since it started.
        chunks: that it has made since then.
        gpu_bytes: memory of its GPU; 0 if it has none, or does not know (yet).
    """

    name: str = ""
    preset: str = ""
    run_id: str = ""
    num_failed: int = 0
    chunks: tuple[ChunkCount, ...] = ()
    gpu_bytes: int = 0


class Workers:
    """The processes of a folder.

    Args:
        holder: this process.
        seconds: without a sign of life, until a process is left out.
    """

    def __init__(self, folder: Path, holder: Holder, seconds: float):
        self._folder = folder
        self._holder = holder
        self._path = folder / f"{holder.token}.json"
        self._liveness = Liveness(seconds)
        self._told: WorkerState | None = None
        self._touched = 0.0
        self._telling = threading.Lock()  # one file of this process alone

    def tell(self, state: WorkerState) -> None:
        """Says what this process does, if that is new; else that it is still there."""
        with self._telling, suppress(OSError):  # the disk is full: nobody needs it
            now = time.monotonic()
            if state == self._told:
                if now - self._touched >= self._liveness.renewal:
                    self._touched = now
                    os.utime(self._path)
                return
            replace_file(self._path, asdict(self._holder) | asdict(state))
            self._told, self._touched = state, now

    def others(self) -> list[WorkerState]:
        """The other processes that live, also those that make no runs."""
        try:
            paths = sorted(self._folder.glob("[0-9a-f]*.json"))
        except OSError:
            return []
        self._liveness.forget_others({path.name for path in paths})
        found = []
        for path in paths:
            if path == self._path:
                continue
            is_dead = self._liveness.is_dead(path)
            if is_dead:
                with suppress(OSError):
                    path.unlink()
            elif is_dead is False:
                found.append(read_state(path))
        return found

    def leave(self) -> None:
        """This process shares the folder no longer."""
        with self._telling, suppress(OSError):
            self._told = None
            self._path.unlink()


def read_state(path: Path) -> WorkerState:
    """What a process says of itself; nothing if its file is damaged."""
    try:
        values = read_json(path.read_bytes())
        told = {name: values[name] for name in WorkerState.__slots__ if name in values}
        told["chunks"] = tuple(ChunkCount(**count) for count in told.get("chunks", ()))
        state = WorkerState(**told)
        for value in (state, *state.chunks):
            check_fields(value)
    except (OSError, *DECODE_ERRORS):
        return WorkerState()
    return state
