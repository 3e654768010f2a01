"""The timeline of a video: its chunks as small pictures, and where its prompt changes."""

import math
from html import escape

from t2v.config import chunk_of, first_frame_of
from t2v.jobs.run_folder import RunFolder, RunSettings
from t2v.jobs.updates import Rewound, SegmentReady, Started, Update
from t2v.ui.thumbnails import picture


MOST_CELLS = 48  # of a longer video, every second chunk is shown, or every third, and so on


def changes_timeline(updates: list[Update]) -> bool:
    """Whether what has happened is to be seen in the timeline."""
    return any(
        isinstance(update, Rewound | Started)
        or (isinstance(update, SegmentReady) and not update.is_refined)
        for update in updates
    )


def timeline(folder: RunFolder, num_frames: int, is_live: bool) -> str:
    """
    Args:
        num_frames: that are done.
        is_live: the chunk after them is being made.
    """
    settings = folder.read().settings
    num_done, num_chunks = chunk_of(num_frames), settings.config.num_chunks
    step = math.ceil(num_chunks / MOST_CELLS)
    cells = "".join(
        done_cell(folder, settings, chunk)
        if chunk < num_done
        else empty_cell(settings, chunk, is_live and chunk <= num_done < chunk + step)
        for chunk in range(0, num_chunks, step)
    )
    return f'<div class="timeline"><ol aria-label="Timeline">{cells}</ol>{prompts(settings)}</div>'


def done_cell(folder: RunFolder, settings: RunSettings, chunk: int) -> str:
    start = seconds_of(settings, chunk)
    text = prompt_of(settings, chunk)
    hint = escape(f"Chunk {chunk}, from {start:.1f} s: {text}")
    thumbnail = picture(folder.chunk_thumbnail_path(first_frame_of(chunk)))
    return (
        f'<li class="done{changed(settings, chunk)}"><button type="button" data-chunk="{chunk}" '
        f'data-time="{start:.3f}" title="{hint}" aria-label="{hint}">{thumbnail}'
        f"<span><b>{chunk}</b> {start:.1f} s</span></button></li>"
    )


def empty_cell(settings: RunSettings, chunk: int, is_made: bool) -> str:
    start = seconds_of(settings, chunk)
    kind, said = ("making", "being made") if is_made else ("waiting", "to come")
    hint = escape(f"Chunk {chunk}, {said}: {prompt_of(settings, chunk)}")
    return (
        f'<li class="{kind}{changed(settings, chunk)}" title="{hint}"><i class="blank"></i>'
        f'<span><b class="sr-only">{said}, </b><b>{chunk}</b> {start:.1f} s</span></li>'
    )


def prompts(settings: RunSettings) -> str:
    """What is said from when on, if that changes."""
    changes = settings.config.prompts
    if len(changes) < 2:
        return ""
    items = (
        f"<li><b>{seconds_of(settings, change.chunk):.1f} s</b> {escape(change.text)}</li>"
        for change in changes
    )
    return f'<ul aria-label="Prompts">{"".join(items)}</ul>'


def changed(settings: RunSettings, chunk: int) -> str:
    step = math.ceil(settings.config.num_chunks / MOST_CELLS)
    changes = settings.config.prompts[1:]
    return " changed" if any(chunk <= change.chunk < chunk + step for change in changes) else ""


def prompt_of(settings: RunSettings, chunk: int) -> str:
    return max(
        (change for change in settings.config.prompts if change.chunk <= chunk),
        key=lambda change: change.chunk,
    ).text


def seconds_of(settings: RunSettings, chunk: int) -> float:
    return first_frame_of(chunk) / settings.fps
