"""Open tabs: each shows one run at a time, the one that was asked for last."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import gradio as gr


CLOSING_TIME = 0.3  # seconds that Gradio may take to close the stream of the run before
MAX_TABS = 1000  # whose last run is remembered


class TabRegistry:
    """Every open tab shows one run at a time: the one that was asked for last."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._side_tasks: defaultdict[str, set[Claim]] = defaultdict(set)
        self._last_runs: dict[str, str] = {}  # by tab, the oldest first

    @asynccontextmanager
    async def claim(self, request: gr.Request | None, run_id: str) -> AsyncIterator["Claim"]:
        """Waits until the tab's previous stream has ended, then claims the tab for a run.

        Programs may watch any number of runs.
        """
        tab = tab_of(request)
        before = self._claims.get(tab) if tab else None
        is_same = self._remember(tab, run_id) == run_id
        claim = self._claims[tab] = Claim(
            is_first=before is None, is_tab=bool(tab), is_same_run=is_same
        )
        for side_task in self._side_tasks.get(tab, ()) if tab else ():
            side_task.is_over = True
        try:
            if before:
                before.is_over = True
                await before.has_left.wait()
                await asyncio.sleep(CLOSING_TIME)
            yield claim
        finally:
            claim.has_left.set()
            if self._claims.get(tab) is claim:
                del self._claims[tab]

    def _remember(self, tab: str, run_id: str) -> str | None:
        """Keeps the run that a tab shows; returns the one before, also if that has ended."""
        if not tab:
            return None
        before = self._last_runs.pop(tab, None)
        self._last_runs[tab] = run_id
        if len(self._last_runs) > MAX_TABS:
            del self._last_runs[next(iter(self._last_runs))]
        return before

    def is_claimed(self, request: gr.Request | None) -> bool:
        """Whether the tab follows a run that has yet to end."""
        return tab_of(request) in self._claims

    def followed_run(self, request: gr.Request | None) -> str | None:
        """The run that the tab follows and that has yet to end."""
        return self._last_runs.get(tab_of(request)) if self.is_claimed(request) else None

    @contextmanager
    def side_task(self, request: gr.Request | None) -> Iterator["Claim"]:
        """For a second stream of a tab: it is over as soon as the tab opens another run.

        This is not left to the browser: an event that it cancels may still deliver an answer.
        """
        tab = tab_of(request)
        claim = Claim(is_first=True)
        self._side_tasks[tab].add(claim)
        try:
            yield claim
        finally:
            self._side_tasks[tab].remove(claim)
            if not self._side_tasks[tab]:
                del self._side_tasks[tab]


class Claim:
    """A tab shows a run until the claim `is_over`.

    Args:
        is_first: the tab did not follow a run until now.
        is_tab: it is the page that watches, and not a program.
        is_same_run: the run that the tab showed before is this one.
    """

    def __init__(self, *, is_first: bool, is_tab: bool = True, is_same_run: bool = False):
        self.is_first = is_first
        self.is_tab = is_tab
        self.is_same_run = is_same_run
        self.is_over = False
        self.has_left = asyncio.Event()


def tab_of(request: gr.Request | None) -> str:
    """Identifies the open page that sent a request; "" for programs."""
    if request is None or getattr(request, "headers", {}).get("x-gradio-user") != "app":
        return ""
    return request.session_hash or ""
