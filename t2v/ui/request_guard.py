"""Checks every request before Gradio sees it: its Host, its Origin, its address and its visitor.

Gradio answers cross-origin requests itself, before any middleware that it is given. So the guard is
wrapped around the whole app when that starts (`guarded`).
"""

import ipaddress
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from t2v.ui.auth import Access, in_a_space
from t2v.ui.page_title import PageTitle
from t2v.ui.upload_limits import UploadLimits
from t2v.ui.visitors import host_name, is_this_machine, new_cookie, with_checked_cookie


READING = ("GET", "HEAD", "OPTIONS")
PORTS = {"http": ":80", "https": ":443"}
WRONG_HOST = (
    "This address is not one that the app was started for. To let others in, start it with "
    "--login or --no-login; behind a proxy also with --proxy."
)
WRONG_ORIGIN = (
    "Another web site sent this request, so it was refused. Behind a proxy, start the app with "
    "--proxy."
)


class RequestGuard:
    """ASGI middleware around Gradio.

    Args:
        host: the address that the server listens on.
        key: signs the cookies of visitors.
        share_url: gives the public address of the page, once there is one.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        host: str,
        key: bytes,
        share_url: Callable[[], str | None] = lambda: None,
    ):
        self._app = app
        self._access = access
        self._host = host.strip("[]").lower()
        self._key = key
        self._share_url = share_url
        self._uploads = None if access.sees_all_runs else UploadLimits(access.max_upload)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal:
            await refuse(scope, receive, send, refusal)
            return
        is_foreign = not self._is_own(headers.get("origin"), headers)
        checked, number = self._checked(scope, headers)
        cookie = "" if number else new_cookie(self._key, is_secure=is_secure(scope, headers))

        async def send_checked(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                if is_foreign:
                    remove_cors(answer)
                if cookie and answer.get("content-type", "").startswith("text/html"):
                    answer.append("set-cookie", cookie)
            await send(message)

        if self._uploads is not None and is_upload(scope):
            await self._uploads(self._app, checked, receive, send_checked)
        else:
            await self._app(checked, receive, send_checked)

    def _refusal(self, scope: Scope, headers: Headers) -> str:
        """Why a request is refused; "" if it is not."""
        if self._access.sees_all_runs and not self._is_own_name(headers.get("host", "")):
            return WRONG_HOST
        if scope["type"] == "http" and scope["method"] in READING:
            return ""
        origin = headers.get("origin", headers.get("referer"))
        return "" if self._is_own(origin, headers) else WRONG_ORIGIN

    def _is_own_name(self, host: str) -> bool:
        """Whether a Host header names this machine, at any port.

        Another name that leads here is a web site that wants to read the page of its visitor (DNS
        rebinding).
        """
        name = host_name(host)
        return is_this_machine(name) or (name != "" and name == self._host)

    def _is_own(self, origin: str | None, headers: Headers) -> bool:
        """Whether a request comes from the page itself, or from a program, which names no origin.

        Args:
            origin: of the request; or the whole address of the page that sent it.
        """
        if origin is None:
            return True
        try:
            scheme, address, *_ = urlsplit(origin)
        except ValueError:
            return False
        if scheme not in PORTS or not address:
            return False

        def without_port(host: str) -> str:
            return host.strip().lower().removesuffix(PORTS[scheme])

        return without_port(address) in set(map(without_port, self._own_hosts(headers)))

    def _own_hosts(self, headers: Headers) -> list[str]:
        """Host and port of the page as its visitor sees them."""
        hosts = [headers.get("host", "")]
        if self._access.is_proxied:
            hosts += headers.get("x-forwarded-host", "").split(",")
            hosts += [urlsplit(self._share_url() or "").netloc]
            hosts += [os.environ.get("SPACE_HOST", "")] if in_a_space() else []
        return [host for host in hosts if host.strip()]

    def _checked(self, scope: Scope, headers: Headers) -> tuple[Scope, str]:
        """(the request with its true address and without a forged cookie, the visitor's number)."""
        cookies, number = with_checked_cookie("; ".join(headers.getlist("cookie")), self._key)
        client = scope.get("client")
        address = self._forwarded_address(client[0] if client else "", headers)
        dropped = {b"cookie"} | ({b"x-forwarded-for"} if address else set())
        kept = [(name, value) for name, value in scope["headers"] if name not in dropped]
        if cookies:
            kept.append((b"cookie", cookies.encode("latin-1")))
        checked = {**scope, "headers": kept}
        if address:
            checked["client"] = (address, 0)
        return checked, number

    def _forwarded_address(self, peer: str, headers: Headers) -> str:
        """The visitor's address as a known proxy gives it; "" without one.

        Visitors can write anything into this header. Only what the known proxies appended at its
        end is true.
        """
        text = ",".join(headers.getlist("x-forwarded-for"))
        hops = [hop.strip() for hop in text.split(",") if hop.strip()]
        if not hops:
            return ""
        if self._access.proxies:
            return hops[-min(self._access.proxies, len(hops))]
        # A relay has an unknown number of machines behind its public one, with private addresses.
        if self._access.is_relayed and (in_a_space() or is_this_machine(peer)):
            return next(filter(is_public, reversed(hops)), hops[-1])
        return ""


def guarded(
    title: str, wrap: Callable[[ASGIApp], ASGIApp] = lambda app: app, **options: Any
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    """A lifespan that wraps the guard around the app, outside everything that Gradio adds.

    Args:
        title: of the page.
        wrap: adds what is to be reached through the guard, but without a login.
        options: those of `RequestGuard`.
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        titled = PageTitle(app.middleware_stack, title)
        app.middleware_stack = RequestGuard(wrap(titled), **options)
        yield

    return lifespan


async def refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    await PlainTextResponse(reason, status_code=403)(scope, receive, send)


def remove_cors(answer: MutableHeaders) -> None:
    """Without these headers a browser shows the answer to no other site."""
    for name in [name for name in answer if name.startswith("access-control-")]:
        del answer[name]


def is_upload(scope: Scope) -> bool:
    return scope.get("method") == "POST" and scope["path"].rstrip("/").endswith("/upload")


def is_public(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False


def is_secure(scope: Scope, headers: Headers) -> bool:
    return "https" in (scope.get("scheme"), headers.get("x-forwarded-proto"))
