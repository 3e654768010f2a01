"""The history: videos that there are, found by their prompts, opened by their links, taken over.

Whoever owns the machine sees all of them. A guest sees those whose ids the own browser brings: the
folder is never listed to guests, and an id cannot be guessed.
"""

from html import escape
from typing import Any

import gradio as gr

from t2v.jobs.run_folder import RunRecord
from t2v.ui.handlers import Handlers
from t2v.ui.thumbnails import picture
from t2v.ui.visitors import is_owner
from t2v.ui.words import errors_shown, summary


MOST_SHOWN = 24
MOST_KNOWN = 500  # ids that a browser may bring
MADE = {"queued": "waiting", "running": "being made"}  # other states are words already
# The ids are the browser's own, from all of its tabs: see page.js.
BRING_KNOWN = "(query, favourites) => [query, favourites, longtake.known()]"


class History:
    """
    Args:
        sees_all_runs: a visitor at this very machine sees everybody's runs.
    """

    def __init__(self, handlers: Handlers, *, sees_all_runs: bool = False):
        self._handlers = handlers
        self._worker = handlers.worker
        self._sees_all_runs = sees_all_runs

    def find(self, query, only_favourites, known, request: gr.Request | None = None) -> str:
        """HTML of the newest runs whose prompts hold all words of the query."""
        records = self._records(query, only_favourites, known, request)
        if not records:
            is_search = bool(query) or only_favourites is True
            text = "No video is like this." if is_search else "Your videos will be kept here."
            return f'<p class="quiet">{text}</p>'
        cards = "".join(map(self._card, records[:MOST_SHOWN]))
        more = f"The newest {MOST_SHOWN} are shown; search finds the others."
        rest = f'<p class="quiet">{more}</p>' if len(records) > MOST_SHOWN else ""
        return f'<ul class="cards">{cards}</ul>{rest}'

    def runs(
        self,
        query: str = "",
        only_favourites: bool = False,
        run_ids: list[str] | None = None,
        request: gr.Request | None = None,
    ) -> list[dict[str, Any]]:
        """The newest runs whose prompts hold all words of the query, each as `run` describes it.

        Args:
            run_ids: where to look; where no guests can come, all runs are found at the machine of
                the app, whatever is given here.
        """
        records = self._records(query, only_favourites, run_ids, request)
        return [summary(record) for record in records[:MOST_SHOWN]]

    def _records(
        self, query, only_favourites, run_ids, request: gr.Request | None
    ) -> list[RunRecord]:
        """One more than are shown, if there are more."""
        return self._worker.library.find(
            query[:1000] if isinstance(query, str) else "",
            ids=None if self._sees_all_runs and is_owner(request) else ids_in(run_ids),
            only_favourites=only_favourites is True,
            limit=MOST_SHOWN + 1,
        )

    def take_over(self, run_id) -> tuple:
        """Settings of a run for the parts of the page that `Handlers.restore` names; then its seed,
        and that it shall be used again."""
        with errors_shown():
            settings = self._worker.record(run_id).settings
        filled = self._handlers.fill_in(settings.config, settings.preset)
        return (*filled, settings.config.seed, False)

    def _card(self, record: RunRecord) -> str:
        prompt = escape(" → ".join(change.text for change in record.settings.config.prompts))
        star = '<b class="star">★<span class="sr-only"> favourite</span></b> '
        state = MADE.get(record.state, record.state)
        made = record.created[:16].replace("T", " ")
        state += ", refined" if record.num_refined_frames else ""
        length = f"{record.num_frames / record.settings.fps:.1f} s · " if record.num_frames else ""
        thumbnail = picture(self._worker.runs_dir / record.id / "thumbnail.jpg")
        return (
            f'<li><a href="?run={record.id}" title="{prompt}">{thumbnail}'
            f'<span class="words">{prompt}</span>'
            f'<span class="facts">{star if record.is_favourite else ""}{length}{state}</span>'
            f'<time class="facts" datetime="{record.created}">{made} UTC</time>'
            f"</a></li>"
        )


def ids_in(known: Any) -> list[str]:
    """What a browser brings; what is no text is left out, what is no id finds no run."""
    known = known if isinstance(known, list) else []
    return [run_id for run_id in known[:MOST_KNOWN] if isinstance(run_id, str)]


def build_history(history: History, changes: list) -> None:
    """An accordion below everything else.

    Args:
        changes: events after which it is read again, besides its opening.
    """
    with gr.Accordion("Your videos", open=False, elem_id="history") as accordion:
        with gr.Row(elem_id="search"):
            query = gr.Textbox(
                label="Search", placeholder="Words of the prompt", max_lines=1, scale=3
            )
            only_favourites = gr.Checkbox(label="Favourites only", scale=1, min_width=140)
        gallery = gr.HTML(elem_id="gallery")
    known = gr.JSON(visible=False, label="Known ids")
    gr.on(
        [accordion.expand, *changes, query.change, only_favourites.change],
        history.find,
        [query, only_favourites, known],
        gallery,
        js=BRING_KNOWN,
        trigger_mode="always_last",
        queue=False,
        api_visibility="private",
        show_progress="hidden",
    )
