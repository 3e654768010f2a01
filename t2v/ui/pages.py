"""What every open page shows: one run at a time, the one that was asked for last."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import gradio as gr


CLOSING_TIME = 0.3  # seconds that gradio may take to close the stream of a run that was left


class Pages:
    def __init__(self):
        self._watches: dict[str, Watch] = {}
        self._asides: defaultdict[str, set[Watch]] = defaultdict(set)

    @asynccontextmanager
    async def turn_to_next(self, request: gr.Request | None) -> AsyncIterator["Watch"]:
        """The page of this request is free for another run: who has drawn on it before has left.
        Programs may watch as many runs as they like."""
        page = page_of(request)
        before = self._watches.get(page) if page else None
        watch = self._watches[page] = Watch(is_first=before is None)
        for aside in self._asides.get(page, ()) if page else ():
            aside.is_over = True
        try:
            if before:
                before.is_over = True
                await before.has_left.wait()
                await asyncio.sleep(CLOSING_TIME)
            yield watch
        finally:
            watch.has_left.set()
            if self._watches.get(page) is watch:
                del self._watches[page]

    @contextmanager
    def aside(self, request: gr.Request | None) -> Iterator["Watch"]:
        """For what is told beside a run: over as soon as the page turns to another one. Here, not
        in the browser: an event that is cancelled there may still have an answer on its way."""
        page = page_of(request)
        watch = Watch(is_first=True)
        self._asides[page].add(watch)
        try:
            yield watch
        finally:
            self._asides[page].remove(watch)
            if not self._asides[page]:
                del self._asides[page]


class Watch:
    """A page looks at a run, until it `is_over`.

    Args:
        is_first: it has not turned from another run, which would still be in its players.
    """

    def __init__(self, *, is_first: bool):
        self.is_first = is_first
        self.is_over = False
        self.has_left = asyncio.Event()


def page_of(request: gr.Request | None) -> str:
    """The same for all that one open page asks for; "" for programs."""
    headers = getattr(request, "headers", {})
    return request.session_hash or "" if headers.get("x-gradio-user") == "app" else ""
