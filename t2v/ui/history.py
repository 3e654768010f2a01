"""The history: finds videos by their prompts and draws them as cards with buttons.

The owner of the machine sees all of them. Guests see those whose ids their browser sends: the
folder is never listed for guests, and ids cannot be guessed.
"""

from typing import Any

import gradio as gr

from t2v.runs.folder import RunFolder
from t2v.runs.record import RunRecord
from t2v.runs.worker import Worker
from t2v.ui.action_buttons import action_buttons
from t2v.ui.auth import Access
from t2v.ui.errors import errors_shown
from t2v.ui.labels import escaped, in_seconds
from t2v.ui.render import summary
from t2v.ui.texts.catalogue import listed, tr
from t2v.ui.timeline import thumbnail_image


MAX_SHOWN = 24
MAX_KNOWN = 500  # ids that a browser may send
MAX_DELETED = 5000  # runs that are looked through for those to be deleted at once
UNFINISHED = ("stopped", "failed")
STATES = {"queued": "waiting", "running": "being made"}  # other states are shown by their names


class History:
    def __init__(self, worker: Worker, access: Access):
        self._worker = worker
        self._access = access

    def find(
        self, query: Any, only_favourites: Any, known: Any, request: gr.Request | None = None
    ) -> str:
        """HTML of the newest runs whose prompts contain all words of the query."""
        records = self._records(query, only_favourites, known, request)
        if not records:
            is_search = bool(query) or only_favourites is True
            text = tr("No videos found.") if is_search else tr("Your videos will appear here.")
            return f'<p class="quiet">{text}</p>'
        cards = "".join(
            self._card(record, may_change=self._access.may_change(record, request))
            for record in records[:MAX_SHOWN]
        )
        more = tr("These are the newest {n} videos. Search to find others.", n=MAX_SHOWN)
        rest = f'<p class="quiet">{more}</p>' if len(records) > MAX_SHOWN else ""
        return f'<ul class="cards">{cards}</ul>{rest}'

    def runs(
        self,
        query: str = "",
        only_favourites: bool = False,
        run_ids: list[str] | None = None,
        request: gr.Request | None = None,
    ) -> list[dict[str, Any]]:
        """The newest runs whose prompts contain all words of the query, each as `run` describes it.

        Args:
            run_ids: where to look. On a server without guests, programs on its machine find all
                runs, whatever is given here.
        """
        records = self._records(query, only_favourites, run_ids, request)
        return [summary(record) for record in records[:MAX_SHOWN]]

    def describe_run(self, run_id: str) -> dict[str, Any]:
        """State, settings and result of a run, as JSON."""
        with errors_shown():
            return summary(self._worker.record(run_id))

    def unfinished(self, known: Any, request: gr.Request | None = None) -> list[str]:
        """Ids of the visitor's own runs that were stopped or have failed, without favourites."""
        ids = None if self._access.sees_all(request) else valid_ids(known)
        return [
            record.id
            for record in self._worker.library.find(ids=ids, limit=MAX_DELETED)
            if record.state in UNFINISHED
            and not record.is_favourite
            and self._access.may_change(record, request)
        ]

    def _records(
        self, query: Any, only_favourites: Any, run_ids: Any, request: gr.Request | None
    ) -> list[RunRecord]:
        """One more than are shown, if there are more."""
        return self._worker.library.find(
            query[:1000] if isinstance(query, str) else "",
            ids=None if self._access.sees_all(request) else valid_ids(run_ids),
            only_favourites=only_favourites is True,
            limit=MAX_SHOWN + 1,
        )

    def _card(self, record: RunRecord, *, may_change: bool) -> str:
        text = " → ".join(change.text for change in record.settings.config.prompts)
        prompt = escaped(text)
        star = f'<b class="star">★<span class="sr-only"> {tr("favourite")}</span></b> '
        state = escaped(listed(state_text(record), refined_text(record)))
        run_id, moment = escaped(record.id), escaped(record.created)
        created = escaped(str(record.created)[:16].replace("T", " "))
        seconds = in_seconds(record.num_frames / record.settings.fps, 1)
        length = f"{seconds} · " if record.num_frames else ""
        thumbnail = thumbnail_image(RunFolder(self._worker.runs_dir / record.id).thumbnail_path)
        actions = card_actions(record) if may_change else []
        buttons = action_buttons(record.id, text, actions, is_favourite=record.is_favourite)
        return (
            f'<li><a href="?run={run_id}" title="{prompt}">{thumbnail}'
            f'<span class="words">{prompt}</span>'
            f'<span class="facts">{star if record.is_favourite else ""}{length}{state}</span>'
            f'<time class="facts" datetime="{moment}">{created} UTC</time>'
            f"</a>{buttons}</li>"
        )


def state_text(record: RunRecord) -> str:
    return tr(STATES.get(record.state, record.state))


def refined_text(record: RunRecord) -> str:
    return tr("refined") if record.num_refined_frames else ""


def card_actions(record: RunRecord) -> list[str]:
    """The buttons on a card of the visitor's own."""
    match record.state:
        case "queued":
            return ["cancel"]
        case "running":
            return ["stop"]
    return ["favourite", "delete"]


def valid_ids(known: Any) -> list[str]:
    """The ids that a browser sends, without values that are not text; other ids find no run."""
    known = known if isinstance(known, list) else []
    return [run_id for run_id in known[:MAX_KNOWN] if isinstance(run_id, str)]
