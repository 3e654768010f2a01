"""Who may use the page and how much of it: one person at this machine, or guests.

Guests get caps, because they share one device and one disk with everybody else. They log in with
a name and a password that are made up at every start, so nothing has to be kept secret for long.
"""

import importlib.util
import ipaddress
import os
import secrets
from dataclasses import dataclass

from t2v.config import LIMITS
from t2v.errors import ConfigError


GUEST_NAME = "reviewer"
STREAM_WARNING = (
    "Warning: the login protects the page and its files, but not a video while it streams. Whoever "
    "has the address of a stream can watch it without a login: it is protected only by its id, "
    "which is long and random. Do not pass such addresses on."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What `build_page` and `launch_page` allow."""

    max_chunks: int = LIMITS["num_chunks"][1]  # of one video
    max_waiting: int = 16  # runs in the queue
    max_per_visitor: int | None = None  # of those that wait or are being made
    quota_gigabytes: float | None = None  # of all runs on the disk; the oldest go first
    max_upload: str = "200mb"  # of one file whose settings are read
    login: tuple[str, str] | None = None  # name and password
    sees_all_runs: bool = False  # in the history; others see those that their browser knows


OWNER = Access(sees_all_runs=True)
SPACE_HOST = "0.0.0.0"  # inside the container of a Space, which nobody reaches but through its page
GUEST_CAPS = {
    "max_chunks": 120,
    "max_waiting": 4,
    "max_per_visitor": 2,
    "quota_gigabytes": 20.0,
    "max_upload": "20mb",
}


def in_a_space() -> bool:
    """Whether this is a Hugging Face Space, which says itself who may open it."""
    return bool(os.environ.get("SPACE_ID"))


def choose_access(host: str, *, share: bool, login: bool, no_login: bool) -> Access:
    """Who will come, by how the page can be reached.

    Args:
        host: the address to listen on.
        share: a public link is asked for; that always needs a login.
        login, no_login: what was said about guests from the network.

    Raises:
        ConfigError: the page would be open to the network, and nobody said that it may.
    """
    if login and no_login:
        raise ConfigError("--login and --no-login contradict each other: give one of them")
    if share and no_login:
        raise ConfigError("--share makes a public link, which needs a login: leave out --no-login")
    if share or login:
        return Access(**GUEST_CAPS, login=(GUEST_NAME, secrets.token_urlsafe(12)))
    if is_this_machine(host):
        return OWNER
    if no_login:
        return Access(**GUEST_CAPS)
    raise ConfigError(
        f"--host {host} opens the page to everybody who can reach this machine: add --login for a "
        "generated password, or --no-login to open it to all"
    )


def is_this_machine(host: str) -> bool:
    """Whether only programs of this machine can reach what listens on this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def describe_login(access: Access) -> str:
    """What the person who started the app has to know; said once, kept nowhere."""
    name, password = access.login
    return f"Login for this start only: name {name}, password {password}\n{STREAM_WARNING}"


def check_mcp() -> None:
    """
    Raises:
        ConfigError: the library is missing that speaks MCP. It brings fourteen others, and few
            people need it: so it is not in requirements.txt.
    """
    if importlib.util.find_spec("mcp") is None:
        raise ConfigError("--mcp needs one more library: pip install 'gradio[mcp]==6.31.0'")
