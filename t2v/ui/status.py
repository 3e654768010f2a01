"""The status box: what a run is doing, in words, for somebody who waits."""

import time
from html import escape

from t2v.config import CHUNK_FRAMES, NUM_NEW_FRAMES
from t2v.events import Notice
from t2v.jobs.run_folder import RunSettings
from t2v.jobs.updates import (
    Failed,
    Finished,
    Loading,
    Progress,
    Queued,
    Rewound,
    SegmentReady,
    Started,
    Update,
)
from t2v.ui.thumbnails import rough_picture


IDLE = (
    '<div class="status idle" data-announce=""><p class="headline">Ready</p>'
    "<p>Describe a scene, or pick an example, and press Generate.</p></div>"
)
NOTICES_SHOWN = 5
SECONDS_PER_PICTURE = 0.5  # of the chunk that is being denoised
STAGES = {
    "initialization": "Initialization",
    "streaming_t2v": "Streaming T2V",
    "refinement": "Streaming Refinement",
}


class RunStatus:
    """Folds the updates of one run into what is shown of it. Grows with nothing."""

    def __init__(self, settings: RunSettings):
        self._fps = settings.fps
        self._num_frames = settings.config.num_frames
        self._refines = settings.config.refine
        self._playable = {False: 0, True: 0}  # frames; of the refined video: True
        self._progress: dict[bool, Progress] = {}
        self._notices: list[str] = []
        self._latest: Update | None = None
        self.take = 0  # how often the run has gone on from an earlier point
        self._start = {False: 0, True: 0}  # frames, from which on it went on then
        self._picture, self._drawn = "", 0.0  # of the chunk that is being denoised, and when

    def add(self, update: Update) -> None:
        match update:
            case Notice():
                self._notices = [*self._notices, update.text][-NOTICES_SHOWN:]
            case SegmentReady():
                self._playable[update.is_refined] = update.start_frame + update.num_frames
            case Started():
                self._num_frames = update.num_frames  # it may have been extended
            case Rewound():
                self.take = update.take
                self._playable = {False: update.num_frames, True: update.num_refined_frames}
                self._start = self._playable.copy()
                self._progress.clear()
                self._picture = ""
                self._latest = None
            case _:
                self._latest = update
        if isinstance(update, Progress):
            self._progress[update.is_refined] = update
            if not update.is_refined:
                self._draw(update)

    def _draw(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.picture is None:
            self._picture = ""
        elif not self._picture or now - self._drawn >= SECONDS_PER_PICTURE:
            alt = f"{chunk_of(progress)} as it is so far, in rough colours"
            self._picture, self._drawn = rough_picture(progress.picture, alt), now

    @property
    def num_playable(self) -> int:
        """Frames of the preview that can be watched."""
        return self._playable[False]

    @property
    def is_waiting(self) -> bool:
        """Whether other runs come first."""
        return isinstance(self._latest, Queued) and self._latest.position > 0

    def to_html(self) -> str:
        match self._latest:
            case Queued(position=position, wait=wait) if position > 0:
                place = "You are next" if position == 1 else f"Place {position} in the queue"
                if wait is not None:
                    place += f", in about {duration(wait)}"
                body = "Another video is being made. Yours starts by itself; you may leave."
                return self._box("queued", "Waiting", place, f"<p>{body}</p>")
            case Progress() as progress:
                return self._in_progress(progress)
            case Finished() as end:
                return self._finished(end)
            case Failed() as end:
                kept = self._kept(end)
                return self._box("failed", "Failed", escape(end.message), kept, escape(end.message))
            case Loading(preset=preset):
                headline = f"Loading the models of {escape(preset)}"
                return self._box("loading", "Starting", headline, _bar(0))
        return self._box("loading", "Starting", "Making things ready", _bar(0))

    def _in_progress(self, progress: Progress) -> str:
        chunk = chunk_of(progress)
        step = f"step {progress.step} of {progress.num_steps}"
        headline = f"{chunk} <span>{done_of(progress)} · {step} · {STAGES[progress.stage]}</span>"
        if not self._refines:
            body = self._pace(progress)
            return self._box(
                "running", "Making", headline, body, f"{chunk} is being made, {done_of(progress)}"
            )
        body = self._video("Preview", False) + self._video("Refined", True)
        begun = (self._progress[key] for key in (False, True) if key in self._progress)
        chunks = ", ".join(chunk_of(progress).lower() for progress in begun)
        return self._box("running", "Making", headline, body, f"Being made: {chunks}")

    def _pace(self, progress: Progress) -> str:
        picture = "" if progress.is_refined else self._picture
        return f'<div class="pace">{picture}{_bars(progress)}{self._facts(progress)}</div>'

    def _facts(self, progress: Progress) -> str:
        facts = {
            "Next chunk in": _countdown(progress.next_chunk_in),
            "Finished in": _countdown(progress.eta),
            "Playable now": self._length(self._playable[progress.is_refined]),
        }
        if not progress.is_refined:
            facts["Elapsed"] = duration(progress.elapsed)
        if progress.step_seconds:
            facts["One step"] = f"{progress.step_seconds:.2f} s"
        if progress.memory and not progress.is_refined:
            name = "GPU memory" if progress.is_gpu else "Memory"
            facts[name] = f"{progress.memory / 1e9:.1f} GB"
        items = (f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in facts.items())
        return f"<dl>{''.join(items)}</dl>"

    def _video(self, name: str, is_refined: bool) -> str:
        """How far one of two videos is."""
        progress = self._progress.get(is_refined)
        if self._playable[is_refined] == self._num_frames:
            text, body = f"complete, {self._length(self._num_frames)}", ""
        elif progress is None:
            num_frames = self._playable[is_refined]
            begun = f"{self._length(num_frames)} so far, goes on in its turn"
            text, body = begun if num_frames else "begins when its first frames are there", ""
        else:
            text = f"chunk {progress.chunk_index} · {done_of(progress)}"
            body = self._pace(progress)
        kind = "refined" if is_refined else "preview"
        return f'<section class="{kind}"><p><b>{name}</b> {text}</p>{body}</section>'

    def _finished(self, end: Finished) -> str:
        if end.path is None and end.state == "paused":
            return self._box("stopped", "Paused", "Nothing was made yet", "")
        if end.path is None:
            text = "Stopped before the first chunk was done: there is no video."
            return self._box("stopped", "Stopped", text, "")
        length = self._length(end.num_frames)
        if end.state == "paused":
            return self._box("stopped", "Paused", f"{length} so far", self._kept(end))
        if end.state == "stopped":
            return self._box("stopped", "Stopped", f"{length} kept", self._kept(end))
        what = f"{end.num_frames} frames"
        if self._refines:
            what = f"{end.num_frames} frames, and the same refined"
        body = f"<p>{what}, made in {duration(end.seconds)}.</p>"
        return self._box("finished", "Finished", f"{length} of video", body)

    def _kept(self, end: Finished | Failed) -> str:
        if not end.num_frames:
            return ""
        chunks = 1 + (end.num_frames - CHUNK_FRAMES) // NUM_NEW_FRAMES
        made = f"{end.num_frames} frames of {count(chunks, 'chunk')}"
        refined = f" So are the {end.num_refined_frames} that were refined."
        also = refined if end.num_refined_frames else ""
        return f"<p>The {made} are kept as a finished video.{also}</p>"

    def _length(self, num_frames: int) -> str:
        return f"{num_frames / self._fps:.1f} s"

    def _box(self, kind: str, badge: str, headline: str, body: str, announce: str = "") -> str:
        """`headline` and `body` are HTML; `announce` is said by screen readers when it changes."""
        notices = "".join(f"<li>{escape(text)}</li>" for text in self._notices)
        notices = f'<ul class="notices" aria-label="Notices">{notices}</ul>' if notices else ""
        said = ". ".join(filter(None, [announce or f"{badge}: {headline}", *self._notices]))
        kind += " refines" if self._refines else ""
        # Seconds, of the preview and of the refined video; page.js begins to play there.
        starts = " ".join(f"{self._start[key] / self._fps:g}" for key in (False, True))
        return (
            f'<div class="status {kind}" data-announce="{escape(said)}" '
            f'data-starts="{starts}">'
            f'<p class="headline"><b class="badge">{badge}</b> {headline}</p>{body}{notices}</div>'
        )


def chunk_of(progress: Progress) -> str:
    """Chunks count from 0, as in prompts that change, and as everywhere on the page."""
    return f"{'Refined chunk' if progress.is_refined else 'Chunk'} {progress.chunk_index}"


def done_of(progress: Progress) -> str:
    return f"{progress.chunk_index} of {progress.num_chunks} done"


def _bars(progress: Progress) -> str:
    in_chunk = progress.step / progress.num_steps
    return _bar((progress.chunk_index + in_chunk) / progress.num_chunks, in_chunk)


def _bar(share: float, share_of_chunk: float = 0.0) -> str:
    """The whole video above, the chunk that is being made below."""
    return (
        '<div class="bars" aria-hidden="true">'
        f'<div class="bar"><i style="width:{share:.1%}"></i></div>'
        f'<div class="bar thin"><i style="width:{share_of_chunk:.1%}"></i></div></div>'
    )


def _countdown(seconds: float) -> str:
    """page.js counts down between two updates."""
    text = duration(seconds) if round(seconds) else "now"
    return f'<span data-countdown="{seconds:.1f}">{text}</span>'


def duration(seconds: float) -> str:
    """3 s, 4:05 min, 2:03 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
