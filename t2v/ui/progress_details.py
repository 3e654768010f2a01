"""The details of a run that is being made: bars, numbers, and the chunk that is being denoised."""

import time

from t2v.events import Track
from t2v.runs.events import Progress
from t2v.runs.progress import RunProgress
from t2v.ui.labels import duration, in_seconds
from t2v.ui.texts.catalogue import tr
from t2v.ui.timeline import latent_image


SECONDS_PER_PICTURE = 0.5  # of the chunk that is being denoised


class ProgressDetails:
    """Draws the details of one run as HTML.

    Args:
        progress: kept up to date by the caller.
    """

    def __init__(self, progress: RunProgress):
        self._progress = progress
        self._picture, self._drawn_at = "", 0.0

    def of(self, progress: Progress) -> str:
        """Picture, bars and numbers of one track."""
        # That of the first chunk is on the screen: see cover.py.
        is_here = progress.track == "preview" and self._progress.num_playable > 0
        picture = self._draw_picture() if is_here else ""
        return (
            f'<div class="track-details">{picture}{_bars(progress)}{self._numbers(progress)}</div>'
        )

    def track(self, track: Track) -> str:
        """How far one of the two videos is."""
        name = tr("Refined") if track == "refined" else tr("Preview")
        progress = self._progress.progress.get(track)
        num_frames, body = self._progress.playable[track], ""
        if num_frames == self._progress.num_frames:
            text = tr("complete, {length}", length=self.length(num_frames))
        elif progress is not None:
            text = f"{tr('chunk {n}', n=progress.chunk_index)} · {done_text(progress)}"
            body = self.of(progress)
        elif num_frames:
            length = self.length(num_frames)
            text = tr("{length} so far, waits for the other video", length=length)
        else:
            text = tr("starts when its first frames are ready")
        return f'<section class="{track}"><p><b>{name}</b> {text}</p>{body}</section>'

    def length(self, num_frames: int) -> str:
        return in_seconds(num_frames / self._progress.fps, 1)

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
            tr("Playable now"): self.length(self._progress.playable[progress.track]),
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


def chunk_name(progress: Progress) -> str:
    """Chunks count from 0, as in prompt schedules."""
    if progress.track == "refined":
        return tr("Refined chunk {n}", n=progress.chunk_index)
    return tr("Chunk {n}", n=progress.chunk_index)


def done_text(progress: Progress) -> str:
    return tr("{n} of {total} done", n=progress.chunk_index, total=progress.num_chunks)


def _bars(progress: Progress) -> str:
    in_chunk = progress.step / progress.num_steps
    return bar((progress.chunk_index + in_chunk) / progress.num_chunks, in_chunk)


def bar(share: float, share_of_chunk: float = 0.0) -> str:
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
