"""The status box: what a run is doing, how far it is, and how long it still takes."""

from collections.abc import Callable, Sequence

from t2v.events import TRACKS
from t2v.runs.events import Failed, Finished, Loading, Progress, Queued
from t2v.runs.progress import RunProgress
from t2v.runs.sharing.workers import WorkerState
from t2v.settings.chunking import Chunking
from t2v.ui.labels import count_chunks, duration, escaped
from t2v.ui.progress_details import ProgressDetails, bar, chunk_name, done_text
from t2v.ui.texts.catalogue import listed, sentences, tr, tr_message


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
        self._details = ProgressDetails(progress)

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
                return self._box("loading", tr("Starting"), headline, bar(0))
        return self._box("loading", tr("Starting"), tr("Preparing"), bar(0))

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
            return self._box("running", badge, headline, self._details.of(latest), announce)
        body = self._details.track("preview") + self._details.track("refined")
        begun = (self._progress.progress.get(track) for track in TRACKS)
        chunks = listed(*(chunk_name(progress).lower() for progress in begun if progress))
        announce = tr("Being made: {chunks}", chunks=chunks)
        return self._box("running", badge, headline, body, announce)

    def _finished(self, end: Finished) -> str:
        if end.path is None and end.state == "paused":
            return self._box("stopped", tr("Paused"), tr("Nothing has been made yet"), "")
        if end.path is None:
            text = tr("Stopped before the first chunk was done: there is no video.")
            return self._box("stopped", tr("Stopped"), text, "")
        length = self._details.length(end.num_frames)
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
