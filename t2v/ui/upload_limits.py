"""Limits for what guests upload: per request, and per address and hour.

Gradio limits the size of one file. A request may hold a thousand, and they stay on the disk until
Gradio clears its cache, where no quota of runs counts them.
"""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


MAX_FILES = 4  # in one request; the page sends one at a time
OVERHEAD = 64 * 1024  # bytes around the files of a request
REQUESTS_PER_HOUR = 20  # of the largest size, of one address
HOUR = 3600.0
IN_MEMORY = 1024**2  # bytes of a request; more are in a file until it is complete
PIECE = 64 * 1024
UNITS = {"kb": 1024, "mb": 1024**2, "gb": 1024**3}


@dataclass(slots=True)
class Upload:
    """One request, as far as it has arrived."""

    address: str
    began: float
    num_bytes: int = 0


class UploadLimits:
    """Counts what each address uploads, and refuses what is too much.

    Args:
        max_upload: size of one file and of one request, like "20mb".
        now: the clock.
    """

    def __init__(self, max_upload: str, now: Callable[[], float] = time.monotonic):
        self._max_upload = max_upload
        self._max_bytes = parse_bytes(max_upload) + OVERHEAD
        self._now = now
        self._uploads: list[Upload] = []  # of the last hour

    async def __call__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes an upload on once it is here and within the limits; else answers 413.

        Gradio would keep on its disk what it has of a request that ends too early.
        """
        upload = self._begin(scope)
        files = PartCounter(Headers(scope=scope).get("content-type", ""))
        with SpooledTemporaryFile(max_size=IN_MEMORY) as body:
            is_more = True
            while is_more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return
                piece = message.get("body", b"")
                upload.num_bytes += len(piece)
                files.add(piece)
                if refusal := self._refusal(upload, files.count):
                    await PlainTextResponse(refusal, status_code=413)(scope, receive, send)
                    return
                body.write(piece)
                is_more = message.get("more_body", False)
            body.seek(0)
            await app(scope, replayed(body, upload.num_bytes, receive), send)

    def _begin(self, scope: Scope) -> Upload:
        client = scope.get("client")
        now = self._now()
        self._uploads = [upload for upload in self._uploads if upload.began > now - HOUR]
        upload = Upload(client[0] if client else "", now)
        self._uploads.append(upload)
        return upload

    def _refusal(self, upload: Upload, num_files: int) -> str:
        """The limit that an upload is over, in words; "" if it is over none."""
        if upload.num_bytes > self._max_bytes:
            return f"At most {self._max_upload} may be uploaded at once on this server."
        if num_files > MAX_FILES:
            return f"At most {MAX_FILES} files may be uploaded at once on this server."
        of_address = (other for other in self._uploads if other.address == upload.address)
        if sum(other.num_bytes for other in of_address) > REQUESTS_PER_HOUR * self._max_bytes:
            return "This is more than one visitor may upload in an hour on this server."
        return ""


def replayed(body: IO[bytes], num_bytes: int, receive: Receive) -> Receive:
    """Gives a body that was kept, and then what comes after it."""
    is_done = False

    async def receive_kept() -> Message:
        nonlocal is_done
        if is_done:
            return await receive()
        piece = body.read(PIECE)
        is_done = body.tell() >= num_bytes
        return {"type": "http.request", "body": piece, "more_body": not is_done}

    return receive_kept


class PartCounter:
    """Counts the parts of a multipart body while it arrives in pieces."""

    def __init__(self, content_type: str):
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        self._delimiter = b"--" + boundary if boundary else b""
        self._num_delimiters = 0
        self._rest = b""  # of the last piece: too short to hold a whole delimiter

    def add(self, body: bytes) -> None:
        if self._delimiter:
            text = self._rest + body
            self._num_delimiters += text.count(self._delimiter)
            self._rest = text[-(len(self._delimiter) - 1) :]

    @property
    def count(self) -> int:
        """Parts so far: the last delimiter ends the body."""
        return self._num_delimiters - 1


def parse_bytes(text: str) -> int:
    """Bytes from a size like "20mb"."""
    match = re.fullmatch(r"(\d+)([kmg]b)", text)
    if match is None:
        raise ValueError(f"a size is like 20mb, got {text[:40]!r}")
    return int(match[1]) * UNITS[match[2]]
