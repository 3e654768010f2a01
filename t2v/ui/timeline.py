"""The timeline of a video: its chunks as thumbnails, and where its prompt changes."""

import math
from base64 import b64encode
from io import BytesIO
from pathlib import Path

from PIL import Image

from t2v.media.images import Picture
from t2v.runs.events import Rewound, RunEvent, SegmentReady, Started
from t2v.runs.folder import RunFolder
from t2v.runs.record import RunSettings
from t2v.ui.labels import escaped, in_seconds, seconds_at
from t2v.ui.texts.catalogue import tr


MAX_CELLS = 48  # a longer video shows every second chunk, or every third, and so on


def changes_timeline(events: list[RunEvent]) -> bool:
    """Whether the timeline looks different after these events."""
    return any(
        isinstance(event, Rewound | Started)
        or (isinstance(event, SegmentReady) and event.track == "preview")
        for event in events
    )


def timeline(folder: RunFolder, num_frames: int, is_live: bool) -> str:
    """HTML of the timeline.

    Args:
        num_frames: that are done.
        is_live: the chunk after them is being made.
    """
    settings = folder.describe().settings
    num_done, num_chunks = settings.chunking.num_complete(num_frames), settings.config.num_chunks
    step = math.ceil(num_chunks / MAX_CELLS)
    cells = "".join(
        done_cell(folder, settings, chunk)
        if chunk < num_done
        else empty_cell(settings, chunk, is_live and chunk <= num_done < chunk + step)
        for chunk in range(0, num_chunks, step)
    )
    return (
        f'<div class="timeline"><ol data-run="{escaped(folder.id)}" '
        f'aria-label="{tr("Timeline")}">{cells}</ol>'
        f"{prompt_list(settings)}</div>"
    )


def done_cell(folder: RunFolder, settings: RunSettings, chunk: int) -> str:
    start = seconds_at(settings, chunk)
    prompt = escaped(prompt_of(settings, chunk))
    hint = tr("Chunk {n}, from {time}: {prompt}", n=chunk, time=in_seconds(start, 1), prompt="")
    hint = f"{escaped(hint)}{prompt}"
    start_frame = settings.chunking.num_frames(chunk)
    thumbnail = thumbnail_image(folder.chunk_thumbnail_path(start_frame))
    return (
        f'<li class="done{change_class(settings, chunk)}"><button type="button" '
        f'data-chunk="{chunk}" data-time="{start:.3f}" title="{hint}">{thumbnail}<span>'
        f'<b class="sr-only">{tr("Chunk")} </b><b>{chunk}</b> {in_seconds(start, 1)}'
        f'<b class="sr-only">: {prompt}</b></span></button></li>'
    )


def empty_cell(settings: RunSettings, chunk: int, is_being_made: bool) -> str:
    start = seconds_at(settings, chunk)
    kind = "making" if is_being_made else "waiting"
    state = tr("being made") if is_being_made else tr("not made yet")
    prompt = prompt_of(settings, chunk)
    hint = escaped(tr("Chunk {n}, {state}: {prompt}", n=chunk, state=state, prompt=prompt))
    return (
        f'<li class="{kind}{change_class(settings, chunk)}" title="{hint}"><i class="blank"></i>'
        f'<span><b class="sr-only">{state}, </b><b>{chunk}</b> {in_seconds(start, 1)}</span></li>'
    )


def prompt_list(settings: RunSettings) -> str:
    """The prompt schedule, if the prompt changes."""
    changes = settings.config.prompts
    if len(changes) < 2:
        return ""
    starts = (in_seconds(seconds_at(settings, change.chunk), 1) for change in changes)
    items = (
        f"<li><b>{start}</b> {escaped(change.text)}</li>"
        for start, change in zip(starts, changes, strict=True)
    )
    return f'<ul aria-label="{tr("Prompts")}">{"".join(items)}</ul>'


def change_class(settings: RunSettings, chunk: int) -> str:
    """Marks a cell in which the prompt changes."""
    step = math.ceil(settings.config.num_chunks / MAX_CELLS)
    changes = settings.config.prompts[1:]
    return " changed" if any(chunk <= change.chunk < chunk + step for change in changes) else ""


def prompt_of(settings: RunSettings, chunk: int) -> str:
    return max(
        (change for change in settings.config.prompts if change.chunk <= chunk),
        key=lambda change: change.chunk,
    ).text


def thumbnail_image(path: Path) -> str:
    """An <img> with a small JPEG inside, or a blank of its size if there is no file (yet).

    The picture is part of the page: it has no address and no path that could tell of this server.
    """
    try:
        data = b64encode(path.read_bytes()).decode()
    except OSError:
        return '<i class="blank"></i>'
    return f'<img alt="" src="data:image/jpeg;base64,{data}">'


def latent_image(pixels: Picture, alt: str) -> str:
    """An <img> of a few pixels, which the page enlarges."""
    png = BytesIO()
    Image.fromarray(pixels).save(png, format="PNG")
    data = b64encode(png.getvalue()).decode()
    return f'<img class="rough" alt="{escaped(alt)}" src="data:image/png;base64,{data}">'
