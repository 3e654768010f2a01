"""Access control: who may open the page, who may change which run, and the limits for guests.

Guests get limits because they share one device and one disk with everybody else. They log in with
a password that is generated at every start, so it need not be kept secret for long.
"""

import importlib.util
import os
import secrets
from dataclasses import dataclass
from typing import Any, Protocol, TypedDict, runtime_checkable

from t2v.errors import ConfigError, RunError
from t2v.settings.config import SETTINGS
from t2v.settings.declaration import brief
from t2v.ui.visitors import (
    GUEST_NAME,
    Request,
    is_from_outside,
    is_owner,
    is_this_machine,
    visitor_of,
)


STREAM_WARNING = (
    "Warning: the login protects the page and its files, but not a video while it streams. Anybody "
    "who has the address of a stream can watch it without a login: only its long, random id "
    "protects it. Do not share such addresses."
)
# Not gradio[mcp], which keeps pydantic at 2.12.
MCP = "mcp==1.30.0"
ONLY_WATCHING = (
    "Somebody else asked for this video: you may watch it, download its files and use its "
    "settings, but not change, stop or delete it."
)


@runtime_checkable
class OwnedRun(Protocol):
    """The record of a run, as far as access depends on it."""

    @property
    def visitor(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may do what, and the limits of this server.

    Args:
        max_chunks: of one video.
        max_waiting: runs in the queue.
        max_per_visitor: runs of one visitor that wait or are being made.
        quota_gigabytes: of all runs on the disk; the oldest are deleted first.
        max_upload: size of one file that is uploaded to load its settings.
        login: name and password.
        sees_all_runs: visitors at this machine own it: they see and may change all runs. Without
            it, visitors see the runs that their browser knows and change their own.
        proxies: proxies of ours in front of the server, which say where a request came from.
        is_relayed: the page is reached through a share link or as a Space.
    """

    max_chunks: int = int((SETTINGS["num_chunks"].range or (1, 1))[1])
    max_waiting: int = 16
    max_per_visitor: int | None = None
    quota_gigabytes: float | None = None
    max_upload: str = "200mb"
    login: tuple[str, str] | None = None
    sees_all_runs: bool = False
    proxies: int = 0
    is_relayed: bool = False

    @property
    def is_proxied(self) -> bool:
        """Whether requests reach this server through a machine that it knows of."""
        return self.is_relayed or self.proxies > 0

    def sees_all(self, request: Request | None) -> bool:
        """Whether this visitor sees the runs of everybody."""
        return self.sees_all_runs and is_owner(request)

    def may_change(self, record: OwnedRun, request: Request | None) -> bool:
        """Whether this visitor may change a run: its own visitor may, and the machine's owner."""
        if not is_from_outside(request) or self.sees_all(request):
            return True
        return record.visitor != "" and record.visitor == visitor_of(request)

    def check_may_change(self, record: OwnedRun, request: Request | None) -> None:
        """Checks that a visitor may change a run.

        Raises:
            RunError: the run belongs to somebody else.
        """
        if not self.may_change(record, request):
            raise RunError(ONLY_WATCHING)

    def check_length(self, num_chunks: Any, num_before: int = 0) -> None:
        """Checks how many chunks a video gets, on top of those that it has.

        Raises:
            ConfigError: the video would be longer than this server allows.
        """
        is_number = isinstance(num_chunks, int | float) and not isinstance(num_chunks, bool)
        if not is_number or not 1 <= num_chunks <= self.max_chunks:
            raise ConfigError(
                f"num_chunks must be a whole number from 1 to {self.max_chunks} on this "
                f"server, got {brief(num_chunks)}"
            )
        if num_before + num_chunks > self.max_chunks:
            raise ConfigError(
                f"a video may have {self.max_chunks} chunks on this server, and this one "
                f"has {num_before} already"
            )


class GuestLimits(TypedDict):
    max_chunks: int
    max_waiting: int
    max_per_visitor: int
    quota_gigabytes: float
    max_upload: str


OWNER = Access(sees_all_runs=True)
SPACE_HOST = "0.0.0.0"  # inside the container of a Space, which is only reached through its page
GUEST_LIMITS: GuestLimits = {
    "max_chunks": 120,
    "max_waiting": 4,
    "max_per_visitor": 2,
    "quota_gigabytes": 20.0,
    "max_upload": "20mb",
}


def in_a_space() -> bool:
    """Whether this is a Hugging Face Space, which controls itself who may open it."""
    return bool(os.environ.get("SPACE_ID"))


def choose_access(
    host: str, *, share: bool, login: bool, no_login: bool, proxies: int = 0
) -> Access:
    """Chooses the access rules by how the page can be reached.

    Args:
        host: the address to listen on.
        share: a public link is asked for; that always needs a login.
        login, no_login: the options about guests from the network.
        proxies: in front of the server.

    Raises:
        ConfigError: the page would be open to the network, and no option allows it.
    """
    if login and no_login:
        raise ConfigError("--login and --no-login contradict each other: give one of them")
    if share and no_login:
        raise ConfigError("--share makes a public link, which needs a login: leave out --no-login")
    if share or login:
        password = secrets.token_urlsafe(12)
        return Access(
            **GUEST_LIMITS,
            login=(GUEST_NAME, password),
            proxies=proxies,
            is_relayed=share or in_a_space(),
        )
    if no_login and (proxies or not is_this_machine(host)):
        return Access(**GUEST_LIMITS, proxies=proxies, is_relayed=in_a_space())
    if proxies:
        raise ConfigError(
            "--proxy lets others in: add --login for a generated password, or --no-login to open "
            "the page to all"
        )
    if is_this_machine(host):
        return OWNER
    raise ConfigError(
        f"--host {host} opens the page to everybody who can reach this machine: add --login for a "
        "generated password, or --no-login to open it to all"
    )


def describe_login(access: Access) -> str:
    """What the person who started the app has to know; printed once, stored nowhere."""
    if access.login is None:
        return ""
    name, password = access.login
    return f"Login for this start only: name {name}, password {password}\n{STREAM_WARNING}"


def check_mcp() -> None:
    """Checks that the app can offer its endpoints over MCP.

    Raises:
        ConfigError: the library for MCP is missing. It depends on twelve others, and few people
            need it: so it is not in requirements.txt.
    """
    if importlib.util.find_spec("mcp") is None:
        raise ConfigError(f"--mcp needs one more library: pip install {MCP}")
