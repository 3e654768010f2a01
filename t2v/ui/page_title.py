"""Gives the page its title and its language before its script runs.

Gradio's login form never gets a title otherwise, and every page of Gradio says that it is English.
"""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from t2v.ui.texts.catalogue import speaking
from t2v.ui.texts.languages import choose_language


HEAD = b"<head>"
LANGUAGE = re.compile(rb'(<html\s[^>]*?lang=")[^"]*(")')


class PageTitle:
    """ASGI middleware around Gradio.

    Args:
        title: plain text without characters that HTML needs escaped.
    """

    def __init__(self, app: ASGIApp, title: str):
        self._app = app
        self._head = HEAD + f"<title>{title}</title>".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        language = choose_language(Headers(scope=scope).get("accept-language", ""))
        with speaking(language):
            if scope["path"] == "/":
                await self._page(scope, receive, send, language)
            else:
                await self._app(scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send, language: str) -> None:
        # Uncompressed, so that it can be changed.
        headers = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message = {}
        body = b""

        async def send_titled(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            body += message.get("body", b"")
            if message.get("more_body", False):
                return
            titled = body.replace(HEAD, self._head, 1)
            titled = LANGUAGE.sub(rb"\g<1>%s\g<2>" % language.encode(), titled, count=1)
            headers = MutableHeaders(scope=start)
            headers["content-length"] = str(len(titled))
            headers["content-language"] = language
            headers.add_vary_header("accept-language")
            await send(start)
            await send({"type": "http.response.body", "body": titled})

        await self._app({**scope, "headers": headers}, receive, send_titled)
