"""Visitors: how a request is recognised, by account, browser cookie or address.

A browser gets a random number and its signature as a cookie. The signature shows that this server
gave the number: a program cannot invent visitors. Its key is kept beside the runs, because the runs
belong to these visitors after a restart as well.
"""

import hashlib
import hmac
import ipaddress
import logging
import os
import re
import secrets
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


# A gr.Request. Gradio takes seconds to import, and options are checked before that.
Request = Any

GUEST_NAME = "reviewer"
SECRET = secrets.token_bytes(16)  # of this process, so that no address can be found by its hash
COOKIE = "longtake-visitor"
YEAR = 365 * 24 * 3600
KEY_FILE = ".visitor-key"  # in the folder of the runs; never served
KEY_BYTES = 32

log = logging.getLogger(__name__)


def visitor_of(request: Request | None) -> str:
    """A short id of the visitor; "" for a call from inside this process.

    It is the same for one account or one browser. Programs have neither: theirs is the same for
    one address as long as the app runs. All guests of a link share one login name, which
    identifies nobody.
    """
    if request is None or not is_from_outside(request):
        return ""
    if request.username and request.username != GUEST_NAME:
        return short_hash(SECRET + request.username.encode())
    if browser := visitor_number(request.headers.get("cookie", "")):
        return short_hash(browser.encode())
    # Where a known proxy says where a request came from, `RequestGuard` has put that into the
    # address. What comes through an unknown one is not from the machine of that proxy.
    return address_hash(request, "proxy" if is_forwarded(request) else "")


def address_hash(request: Request | None, kind: str = "") -> str:
    """The address of a request, as something that cannot be turned back into it.

    It is "" for a call from inside this process.
    """
    if request is None or not is_from_outside(request):
        return ""
    return short_hash(SECRET + f"{kind}{request.client.host or ''}".encode())


def is_from_outside(request: Request | None) -> bool:
    """Whether a request came over the network, including from this machine."""
    return request is not None and getattr(request, "client", None) is not None


def is_this_machine(host: str) -> bool:
    """Whether only programs of this machine can reach what listens on this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_owner(request: Request | None) -> bool:
    """Whether a request comes from this machine itself, and not through a link or a proxy."""
    if request is None or not is_from_outside(request):
        return False
    return is_this_machine(request.client.host or "") and not is_forwarded(request)


def is_forwarded(request: Request) -> bool:
    return "x-forwarded-for" in request.headers or "forwarded" in request.headers


def short_hash(name: bytes) -> str:
    return hashlib.sha256(name).hexdigest()[:16]


def load_key(folder: Path) -> bytes:
    """The key of this folder, made at the first start and readable by its owner alone.

    If the folder cannot keep one, the key is valid until the app ends.
    """
    path = folder / KEY_FILE
    key = secrets.token_bytes(KEY_BYTES)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            kept = path.read_bytes()
            if len(kept) == KEY_BYTES:
                return kept
            path.unlink()
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
    except OSError as error:
        log.warning("visitors are forgotten when the app ends: cannot keep %s: %s", path, error)
    return key


def sign(number: str, key: bytes) -> str:
    """The value of the cookie for a visitor's number."""
    return f"{number}.{hmac.digest(key, number.encode(), 'sha256').hex()}"


def signed_number(cookies: str, key: bytes) -> str:
    """The number of a browser by its signed cookie; "" if there is none or it is not ours."""
    value = cookie_value(cookies)
    number = value.partition(".")[0]
    return number if hmac.compare_digest(value.encode(), sign(number, key).encode()) else ""


def visitor_number(cookies: str) -> str:
    """The number in a cookie whose signature was checked; "" if there is none."""
    value = cookie_value(cookies)
    return value if re.fullmatch(r"[0-9a-f]{32}", value) else ""


def cookie_value(cookies: str) -> str:
    try:
        morsel = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def with_checked_cookie(cookies: str, key: bytes) -> tuple[str, str]:
    """(the cookies of a request, the visitor's number).

    In these cookies the visitor's has lost its signature if that was right; a wrong one is gone.
    """
    number = signed_number(cookies, key)
    others = [
        part
        for part in (cookie.strip() for cookie in cookies.split(";"))
        if part and part.partition("=")[0].strip() != COOKIE
    ]
    own = [f"{COOKIE}={number}"] if number else []
    return "; ".join([*others, *own]), number


def new_cookie(key: bytes, *, is_secure: bool) -> str:
    """A cookie for a new visitor.

    A page inside another page, as in a Space, keeps its cookies only if they are secure.
    """
    same_site = "SameSite=None; Secure" if is_secure else "SameSite=Lax"
    value = sign(secrets.token_hex(16), key)
    return f"{COOKIE}={value}; Path=/; Max-Age={YEAR}; HttpOnly; {same_site}"
