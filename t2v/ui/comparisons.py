"""Two runs beside each other: players in step, the difference of their numbers, their slices.

Blind, nobody is told which is which before the vote, neither by the page nor by its addresses.
"""

import random
import secrets
import threading
from collections import OrderedDict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from t2v.errors import RunError, T2VError
from t2v.runs.folder import RunFolder
from t2v.runs.measurements import Span, measured_so_far
from t2v.runs.record import RunRecord
from t2v.runs.votes import CHOICES, add_vote, count_votes
from t2v.runs.worker import Worker
from t2v.ui.comparison_html import (
    NAMES,
    describe_choice,
    describe_count,
    difference,
    difference_table,
    rows_of,
    transport,
)
from t2v.ui.downloads import best_track_of, best_video_of
from t2v.ui.errors import errors_shown
from t2v.ui.labels import escaped
from t2v.ui.memories import describe_memories
from t2v.ui.slices import Slices
from t2v.ui.texts.catalogue import listed, tr, tr_count
from t2v.ui.urls import address_of
from t2v.ui.visitors import visitor_of


HIDDEN = (
    "The rest of the page is hidden until you have voted: it would show which video is which. "
    "“Compare” shows it without a vote."
)
NOT_COUNTED = "The server does not answer: your vote was not counted. Try again."
MAX_OPEN = 500  # blind comparisons that wait for their vote; the oldest are forgotten


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs that have ended, as they are shown: left and right."""

    left: RunRecord
    right: RunRecord

    @property
    def num_frames(self) -> int:
        """That both have."""
        return min(self.left.num_frames, self.right.num_frames)


class Comparisons:
    """Draws comparisons of two runs, and takes votes.

    Args:
        rng: decides which run of a blind comparison is on the left.
    """

    def __init__(self, worker: Worker, slices: Slices, rng: random.Random | None = None):
        self._worker = worker
        self._slices = slices
        self._rng = rng or random.SystemRandom()
        self._open: OrderedDict[str, tuple[str, str]] = OrderedDict()  # ids: left, right
        self._lock = threading.Lock()

    def show(self, run_id: Any, other: Any) -> str:
        """HTML of two runs: players, differences, slices."""
        with errors_shown():
            return self._draw_open(self._pair(run_id, other))

    def show_blind(self, run_id: Any, other: Any) -> str:
        """HTML of two players in a random order, with buttons to vote."""
        with errors_shown():
            pair = self._pair(run_id, other)
            if self._rng.random() < 0.5:
                pair = Pair(pair.right, pair.left)
            token = secrets.token_urlsafe(16)
            with self._lock:
                self._open[token] = pair.left.id, pair.right.id
                while len(self._open) > MAX_OPEN:
                    self._open.popitem(last=False)
            return self._draw_blind(pair, token)

    def vote(self, token: str, choice: str, request: gr.Request | None = None) -> dict[str, Any]:
        """Takes the vote of a blind comparison, once, and tells which run was which.

        Args:
            choice: "left", "right" or "same".
        """
        with errors_shown():
            with self._lock:
                ids = self._open.pop(str(token), None)
            if ids is None:
                raise RunError("this comparison has been voted on, or is too old: start it again")
            try:
                pair = self._pair(*ids)
                vote = add_vote(self._worker.runs_dir, *ids, choice, visitor_of(request))
            except T2VError:
                with self._lock:
                    self._open[token] = ids
                raise
            return {"html": self._draw_open(pair, vote.choice), "preferred": vote.preferred}

    def compare_runs(self, run_id: str, other: str) -> dict[str, Any]:
        """The measurements of two runs and their differences, over the frames that both have.

        Args:
            other: id or link of the other run.
        """
        with errors_shown():
            pair = self._pair(run_id, other)
            left, right = self._measured(pair)
            rows = {
                name: {"left": a, "right": b, "difference": difference(a, b)}
                for name, a, b in rows_of(left, right)
            }
            count = count_votes(self._worker.runs_dir, pair.left.id, pair.right.id)
            return {"num_frames": pair.num_frames, "measures": rows, "votes": asdict(count)}

    def _pair(self, run_id: Any, other: Any) -> Pair:
        """Two runs that have videos.

        Raises:
            RunError: there is no such run, it has no video yet, or both are the same.
        """
        ids = [str(one or "").strip().rpartition("run=")[2][:24].lower() for one in (run_id, other)]
        records = [self._worker.record(one) for one in ids]
        if ids[0] == ids[1]:
            raise RunError("a video cannot be compared with itself: give the link of another one")
        for record in records:
            best_video_of(self._folder(record))
        return Pair(*records)

    def _folder(self, record: RunRecord) -> RunFolder:
        return RunFolder(self._worker.runs_dir / record.id)

    def _measured(self, pair: Pair) -> tuple[Span | None, Span | None]:
        left, right = (
            measured_so_far(self._folder(record), pair.num_frames)
            for record in (pair.left, pair.right)
        )
        return left, right

    def _best_videos(self, pair: Pair) -> list[Path]:
        return [best_video_of(self._folder(record)) for record in (pair.left, pair.right)]

    def _videos_of_one_kind(self, pair: Pair) -> list[Path]:
        """Both refined videos if both are complete, else both previews.

        A refined video beside a preview is known by its size.
        """
        folders = [self._folder(record) for record in (pair.left, pair.right)]
        are_refined = all(best_track_of(folder) == "refined" for folder in folders)
        return [folder.video_path("refined" if are_refined else "preview") for folder in folders]

    def _draw_open(self, pair: Pair, choice: str = "") -> str:
        """HTML of both runs with all that is known of them.

        Args:
            choice: of a vote that was just given: its videos are shown, not the best ones.
        """
        count = count_votes(self._worker.runs_dir, pair.left.id, pair.right.id)
        length = max(pair.left.num_frames, pair.right.num_frames)
        slices = "".join(
            f"<h4>{name}</h4>{self._slices.whole(record, length)}"
            for name, record in zip(NAMES, (pair.left, pair.right), strict=True)
        )
        paths = self._videos_of_one_kind(pair) if choice else self._best_videos(pair)
        players = self._players(pair, paths)
        return (
            f'<div class="comparison">{describe_choice(choice)}{players}{transport()}'
            f"{describe_count(count)}{difference_table(*self._measured(pair))}"
            f'<div class="slices">{slices}</div></div>'
        )

    def _draw_blind(self, pair: Pair, token: str) -> str:
        """HTML of two players. While it is shown, page.css hides what else shows these runs."""
        count = count_votes(self._worker.runs_dir, pair.left.id, pair.right.id)
        texts = (tr("A is better"), tr("B is better"), tr("No difference"))
        buttons = "".join(
            f'<button type="button" data-vote="{choice}">{text}</button>'
            for choice, text in zip(CHOICES, texts, strict=True)
        )
        said = tr_count(
            "{n} vote about this pair so far", "{n} votes about this pair so far", count.total
        )
        return (
            f'<div class="comparison blind" data-token="{token}"><p class="quiet">{tr(HIDDEN)}</p>'
            f"{self._players(pair, self._videos_of_one_kind(pair), secret=token)}{transport()}"
            f'<p class="question-text">{tr("Which video is better?")}</p>'
            f'<div class="votes">{buttons}</div><p class="problem" role="alert" '
            f'data-silent="{tr(NOT_COUNTED)}"></p><p class="counted">{said}</p></div>'
        )

    def _players(self, pair: Pair, paths: list[Path], secret: str = "") -> str:
        """Both videos; without anything that tells them apart if there is a secret."""
        figures = []
        for name, record, path in zip(NAMES, (pair.left, pair.right), paths, strict=True):
            address = address_of(path, f"{name}.mp4", secret and f"{secret} {name}")
            about = "" if secret else f" {self._describe(record)}"
            figures.append(
                f'<figure><video muted playsinline loop preload="auto" '
                f'aria-label="{tr("Video {name}", name=name)}" '
                f'src="gradio_api/file={quote(address)}"></video>'
                f"<figcaption><b>{name}</b>{about}</figcaption></figure>"
            )
        return f'<div class="pair">{"".join(figures)}</div>'

    def _describe(self, record: RunRecord) -> str:
        config, preset = record.settings.config, record.settings.preset
        memories, seed = describe_memories(record.settings), tr("seed {n}", n=config.seed)
        return escaped(f"{config.prompts[0].text} · {listed(preset, memories, seed)}")
