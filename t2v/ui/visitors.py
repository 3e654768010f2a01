"""Telling visitors apart, without knowing who they are, and what each may do with a run."""

import hashlib
import re
import secrets
from http.cookies import CookieError, SimpleCookie

import gradio as gr
from starlette.datastructures import MutableHeaders

from t2v.errors import JobError
from t2v.jobs.run_folder import RunRecord
from t2v.ui.access import GUEST_NAME, is_this_machine


SECRET = secrets.token_bytes(16)  # of this process: no address can be found by what is kept on disk
COOKIE = "longtake-visitor"
YEAR = 365 * 24 * 3600
ONLY_WATCHING = (
    "Somebody else asked for this video: you may watch it, download its files and use its "
    "settings, but not change, stop or delete it."
)


class Rights:
    """Who may change a run: whoever asked for it, and whoever owns the machine. Others with its
    link watch it.

    Args:
        is_private: the page is for this machine alone, so that everybody at it is its owner.
    """

    def __init__(self, *, is_private: bool = False):
        self._is_private = is_private

    def may_change(self, record: RunRecord, request: gr.Request | None) -> bool:
        if not is_from_outside(request) or (self._is_private and is_owner(request)):
            return True
        return record.visitor != "" and record.visitor == visitor_of(request)

    def check(self, record: RunRecord, request: gr.Request | None) -> None:
        """
        Raises:
            JobError: this run is somebody else's.
        """
        if not self.may_change(record, request):
            raise JobError(ONLY_WATCHING)


def visitor_of(request: gr.Request | None) -> str:
    """The same for one account or browser; for programs, which bring neither, the same for one
    address as long as the app runs; "" for a call from within.

    All guests of a link have one name, which tells nothing.
    """
    if not is_from_outside(request):
        return ""
    if request.username and request.username != GUEST_NAME:
        return digest(SECRET + request.username.encode())
    if browser := browser_in(request.headers.get("cookie", "")):
        return digest(browser.encode())
    # The share link's and a Space's proxy say where a request came from.
    forwarded = request.headers.get("x-forwarded-for", "").split(",")[0].strip()
    return digest(SECRET + (forwarded or request.client.host or "").encode())


def is_from_outside(request: gr.Request | None) -> bool:
    """Whether it came over the network, be it from this machine."""
    return request is not None and getattr(request, "client", None) is not None


def is_owner(request: gr.Request | None) -> bool:
    """Whether somebody asks from this machine itself, and not through a link or a proxy."""
    if not is_from_outside(request):
        return False
    is_passed_on = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    return is_this_machine(request.client.host or "") and not is_passed_on


def digest(name: bytes) -> str:
    return hashlib.sha256(name).hexdigest()[:16]


def browser_in(cookies: str) -> str:
    """The number that a browser was given; "" where there is none."""
    try:
        number = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return ""
    return number.value if number and re.fullmatch(r"[0-9a-f]{32}", number.value) else ""


class GiveNumbers:
    """Gives every browser that opens the page a random number, to be known by when it comes back.
    Around the whole app, as ASGI has it."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        async def send_with_number(message):
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("set-cookie", new_cookie(scope))
            await send(message)

        cookies = [value for name, value in scope.get("headers", ()) if name == b"cookie"]
        is_known = browser_in(b"; ".join(cookies).decode("latin-1"))
        is_new = scope["type"] == "http" and not is_known
        await self._app(scope, receive, send_with_number if is_new else send)


def new_cookie(scope) -> str:
    """A page inside another one, as in a Space, keeps its cookies only where they are secure."""
    forwarded = dict(scope["headers"]).get(b"x-forwarded-proto", b"").decode("latin-1")
    is_secure = "https" in (scope.get("scheme"), forwarded)
    place = "SameSite=None; Secure" if is_secure else "SameSite=Lax"
    return f"{COOKIE}={secrets.token_hex(16)}; Path=/; Max-Age={YEAR}; HttpOnly; {place}"
