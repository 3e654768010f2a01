"""Who holds something: one process on one machine, and whether it is still there."""

import json
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from t2v.json_reader import read_json


SECONDS = 30.0  # without a sign of life, until a holder counts as dead
RENEWALS = 6  # signs of life in that time
DEAD_STATES = "ZX"  # of a process that was killed and whose parent has not asked for its status


@dataclass(frozen=True, slots=True)
class Holder:
    """A process, and what tells it from any other that has its number.

    Attributes:
        place: where process numbers mean the same: a machine since its start, or one container.
        started: when the process started, as the system counts.
        token: differs between two holders in one process.
    """

    host: str
    place: str
    pid: int
    started: str
    token: str

    @classmethod
    def here(cls) -> "Holder":
        """A new holder in this process."""
        pid = os.getpid()
        return cls(
            socket.gethostname(), place_here(), pid, start_of(pid) or "", secrets.token_hex(8)
        )

    @classmethod
    def parse(cls, content: bytes) -> "Holder | None":
        """The holder that a file names; None if it was not written to its end."""
        try:
            values = read_json(content)
            return cls(*(values[name] for name in cls.__slots__))
        except (ValueError, TypeError, KeyError):
            return None

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    def is_seen_dead(self) -> bool:
        """Whether its process has ended, as far as this machine can know. False proves nothing."""
        return self.place == place_here() and start_of(self.pid) != self.started


class Liveness:
    """Tells holders that live from those that do not, by what this process sees of their files.

    A holder touches its file again and again. One whose process has ended on this machine is dead
    at once; any other is when its file has not changed for `seconds` by the clock of the observer:
    clocks of two machines are never compared.
    """

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._seen: dict[str, tuple[bytes, int, float]] = {}  # content, mtime, since when

    @property
    def renewal(self) -> float:
        """Seconds between two signs of life: often enough also for less patient observers."""
        return min(self.seconds, SECONDS) / RENEWALS

    def is_dead(self, path: Path) -> bool | None:
        """Whether the holder of a file is dead; None if there is no such file (any more)."""
        try:
            # Opened, and not only looked at: a network file system asks its server then.
            with path.open("rb") as file:
                content, touched = file.read(), os.fstat(file.fileno()).st_mtime_ns
        except OSError:
            self._seen.pop(path.name, None)
            return None
        now = time.monotonic()
        before = self._seen.get(path.name)
        if before is None or before[:2] != (content, touched):
            before = self._seen[path.name] = (content, touched, now)
        holder = Holder.parse(content)
        return (holder is not None and holder.is_seen_dead()) or now - before[2] >= self.seconds

    def forget_others(self, names: set[str]) -> None:
        """Forgets all files but these."""
        for name in [*self._seen]:  # a copy: other threads look at files too
            if name not in names:
                self._seen.pop(name, None)


@cache
def place_here() -> str:
    """Where numbers of processes mean the same: this start of this machine, this container."""
    parts = [socket.gethostname()]
    with suppress(OSError):  # Linux alone has these
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    return sha256(" ".join(parts).encode()).hexdigest()[:16]


def start_of(pid: int) -> str | None:
    """When a process of this machine started; None if it has ended, "" where nobody can tell."""
    try:
        # After the name, which may hold anything: the state, and 19 fields later the start.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, *others = fields.rpartition(")")[2].split()
        return None if state in DEAD_STATES else others[18]
    except (OSError, ValueError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return ""
