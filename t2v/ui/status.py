"""The status box: what a run is doing, how far it is, and how long it still takes."""

import time
from collections.abc import Callable, Sequence

from t2v.events import TRACKS, Track
from t2v.runs.events import Failed, Finished, Loading, Progress, Queued
from t2v.runs.progress import RunProgress
from t2v.runs.sharing.workers import WorkerState
from t2v.settings.chunking import Chunking
from t2v.ui.labels import count_chunks, duration, escaped, in_seconds
from t2v.ui.texts.catalogue import listed, sentences, tr, tr_message
from t2v.ui.timeline import latent_image


SECONDS_PER_PICTURE = 0.5  # of the chunk that is being denoised
STAGES = {
    "initialization": "begins the video",
    "streaming_t2v": "continues the video",
    "refinement": "makes it sharper",
}


def idle() -> str:
    """HTML of the box before there is a run. page.css shows what holds for the chosen preset."""
    hint = tr("Describe a scene, or choose an example, and press Generate.")
    missing = tr("This preset is not installed")
    instead = tr("Choose another one under Model, which also says how to install it.")
    return (
        '<div class="status idle" data-announce="">'
        f'<p class="headline can">{tr("Ready")}</p><p class="can">{hint}</p>'
        f'<p class="headline cannot">{missing}</p><p class="cannot">{instead}</p></div>'
    )


def not_found() -> str:
    """HTML of the box when the run of a link does not exist."""
    headline = tr("There is no video at this link (any more)")
    hint = tr("It was deleted, or the link is not whole. Describe a scene, and press Generate.")
    return (
        f'<div class="status idle lost" data-announce="{headline}.">'
        f'<p class="headline">{headline}</p><p>{hint}</p></div>'
    )


class StatusBox:
    """Draws the progress of one run as HTML.

    Args:
        progress: kept up to date by the caller.
        chunking: of the run.
        workers: gives what makes runs, for a viewer who may know that; see `describe_workers`.
    """

    def __init__(
        self,
        progress: RunProgress,
        chunking: Chunking,
        workers: Callable[[], list[WorkerState]] = list,
    ):
        self._workers = workers
        self._progress = progress
        self._chunking = chunking
        self._picture, self._drawn_at = "", 0.0

    def to_html(self) -> str:
        match self._progress.latest:
            case Queued(position=position) as queued if position > 0:
                return self._waiting(queued)
            case Progress() as progress:
                return self._in_progress(progress)
            case Finished() as end:
                return self._finished(end)
            case Failed() as end:
                message = escaped(tr_message(end.message))
                return self._box("failed", tr("Failed"), message, self._kept(end), message)
            case Loading(preset=preset):
                headline = tr("Loading the models of {preset}", preset=escaped(preset))
                return self._box("loading", tr("Starting"), headline, _bar(0))
        return self._box("loading", tr("Starting"), tr("Preparing"), _bar(0))

    def _waiting(self, queued: Queued) -> str:
        if queued.obstacle:
            reason = escaped(tr_message(queued.obstacle))
            why = tr("No worker can make this video now: {reason}.", reason=reason)
            body = sentences(why, tr("It starts when there is one that can; or cancel it."))
            return self._box("queued", tr("Waiting"), tr("For a larger GPU"), f"<p>{body}</p>", why)
        position = queued.position
        place = tr("Place {position} in the queue", position=position)
        place = tr("You are next") if position == 1 else place
        if queued.wait is not None:
            place = tr("{place}, in about {time}", place=place, time=duration(queued.wait))
        body = tr("Another video is made first. This one starts by itself; you can leave.")
        return self._box("queued", tr("Waiting"), place, f"<p>{body}</p>")

    def _in_progress(self, latest: Progress) -> str:
        chunk = chunk_name(latest)
        step = tr("step {n} of {total}", n=latest.step, total=latest.num_steps)
        done = done_text(latest)
        headline = f"{chunk} <span>{done} · {step} · {tr(STAGES[latest.stage])}</span>"
        badge = tr("Generating")
        if not self._progress.refines:
            announce = tr("{chunk} is being made, {done}", chunk=chunk, done=done)
            return self._box("running", badge, headline, self._details(latest), announce)
        body = self._track(tr("Preview"), "preview") + self._track(tr("Refined"), "refined")
        begun = (self._progress.progress.get(track) for track in TRACKS)
        chunks = listed(*(chunk_name(progress).lower() for progress in begun if progress))
        announce = tr("Being made: {chunks}", chunks=chunks)
        return self._box("running", badge, headline, body, announce)

    def _details(self, progress: Progress) -> str:
        """Picture, bars and numbers of one track."""
        # That of the first chunk is on the screen: see cover.py.
        is_here = progress.track == "preview" and self._progress.num_playable > 0
        picture = self._draw_picture() if is_here else ""
        return (
            f'<div class="track-details">{picture}{_bars(progress)}{self._numbers(progress)}</div>'
        )

    def _draw_picture(self) -> str:
        """The chunk that is being denoised; drawn twice a second at most."""
        pixels, now = self._progress.picture, time.monotonic()
        latest = self._progress.progress["preview"]
        if pixels is None:
            self._picture = ""
        elif not self._picture or now - self._drawn_at >= SECONDS_PER_PICTURE:
            alt = tr("{chunk} so far, in rough colours", chunk=chunk_name(latest))
            self._picture, self._drawn_at = latent_image(pixels, alt), now
        return self._picture

    def _numbers(self, progress: Progress) -> str:
        numbers = {
            tr("Next chunk in"): _countdown(progress.next_chunk_in),
            tr("Finished in"): _countdown(progress.eta),
            tr("Playable now"): self._length(self._progress.playable[progress.track]),
        }
        if progress.track == "preview":
            numbers[tr("Elapsed")] = duration(progress.elapsed)
        if progress.step_seconds:
            numbers[tr("One step")] = in_seconds(progress.step_seconds, 2)
        if progress.memory and progress.track == "preview":
            name = tr("GPU memory") if progress.is_gpu else tr("Memory")
            numbers[name] = f"{progress.memory / 1e9:.1f} GB"
        items = (f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in numbers.items())
        return f'<dl data-next="{progress.track}">{"".join(items)}</dl>'

    def _track(self, name: str, track: Track) -> str:
        """How far one of the two videos is."""
        progress = self._progress.progress.get(track)
        num_frames, body = self._progress.playable[track], ""
        if num_frames == self._progress.num_frames:
            text = tr("complete, {length}", length=self._length(num_frames))
        elif progress is not None:
            text = f"{tr('chunk {n}', n=progress.chunk_index)} · {done_text(progress)}"
            body = self._details(progress)
        elif num_frames:
            length = self._length(num_frames)
            text = tr("{length} so far, waits for the other video", length=length)
        else:
            text = tr("starts when its first frames are ready")
        return f'<section class="{track}"><p><b>{name}</b> {text}</p>{body}</section>'

    def _finished(self, end: Finished) -> str:
        if end.path is None and end.state == "paused":
            return self._box("stopped", tr("Paused"), tr("Nothing has been made yet"), "")
        if end.path is None:
            text = tr("Stopped before the first chunk was done: there is no video.")
            return self._box("stopped", tr("Stopped"), text, "")
        length = self._length(end.num_frames)
        if end.state == "paused":
            so_far = tr("{length} so far", length=length)
            return self._box("stopped", tr("Paused"), so_far, self._kept(end))
        if end.state == "stopped":
            kept = tr("{length} kept", length=length)
            return self._box("stopped", tr("Stopped"), kept, self._kept(end))
        numbers = {"n": end.num_frames, "time": duration(end.seconds)}
        made = (
            tr("{n} frames, preview and refined, made in {time}.", **numbers)
            if self._progress.refines
            else tr("{n} frames, made in {time}.", **numbers)
        )
        headline = tr("{length} of video", length=length)
        return self._box("finished", tr("Finished"), headline, f"<p>{made}</p>")

    def _kept(self, end: Finished | Failed) -> str:
        if not end.num_frames:
            return ""
        kept = tr(
            "{n} frames ({chunks}) are kept as a finished video.",
            n=end.num_frames,
            chunks=count_chunks(self._chunking.num_complete(end.num_frames)),
        )
        if end.num_refined_frames:
            refined = tr("So are the {n} refined frames.", n=escaped(end.num_refined_frames))
            kept = sentences(kept, refined)
        return f"<p>{kept}</p>"

    def _length(self, num_frames: int) -> str:
        return in_seconds(num_frames / self._progress.fps, 1)

    def _box(self, kind: str, badge: str, headline: str, body: str, announce: str = "") -> str:
        """`headline` and `body` are HTML; screen readers read `announce` when it changes."""
        texts = [tr_message(notice) for notice in self._progress.notices]
        notices = "".join(f"<li>{escaped(text)}</li>" for text in texts)
        notices = (
            f'<ul class="notices" aria-label="{tr("Notices")}">{notices}</ul>' if notices else ""
        )
        spoken = ". ".join(filter(None, [announce or f"{badge}: {headline}", *texts]))
        kind += " refines" if self._progress.refines else ""
        # Seconds, of the preview and of the refined video: page.js starts to play one frame before.
        starts = " ".join(
            f"{self._progress.starts[track] / self._progress.fps:g}" for track in TRACKS
        )
        return (
            f'<div class="status {kind}" data-announce="{escaped(spoken)}" '
            f'data-starts="{starts}" data-frame="{1 / self._progress.fps:g}">'
            f'<p class="headline"><b class="badge">{badge}</b> {headline}</p>{body}{notices}'
            f"{describe_workers(self._workers())}</div>"
        )


def describe_workers(workers: Sequence[WorkerState]) -> str:
    """Which worker is busy with which run, one line; nothing if the app makes its runs itself."""
    parts = []
    for worker in workers:
        doing = tr("idle")
        if worker.run_id:
            link = f"?run={escaped(worker.run_id)}"
            run = f'<a href="{link}">{escaped(worker.run_id[:8])}</a>'
            doing = tr("makes {run}", run=run)
        parts.append(f"{escaped(worker.name)} {doing}")
    return f'<p class="workers">{" · ".join(parts)}</p>' if parts else ""


def chunk_name(progress: Progress) -> str:
    """Chunks count from 0, as in prompt schedules."""
    if progress.track == "refined":
        return tr("Refined chunk {n}", n=progress.chunk_index)
    return tr("Chunk {n}", n=progress.chunk_index)


def done_text(progress: Progress) -> str:
    return tr("{n} of {total} done", n=progress.chunk_index, total=progress.num_chunks)


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
    """page.js counts down between two events."""
    text = duration(seconds) if round(seconds) else tr("now")
    return f'<span data-countdown="{seconds:.1f}">{text}</span>'
