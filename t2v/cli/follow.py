"""What a command prints while a run is being made."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from tqdm import tqdm

from t2v.cli.progress import report, say_done
from t2v.errors import RunError
from t2v.events import Notice, Track
from t2v.settings.visible_text import visible


if TYPE_CHECKING:
    from t2v.runs.events import RunEvent
    from t2v.runs.folder import RunFolder
    from t2v.runs.worker import Worker


def follow(worker: "Worker", folder: "RunFolder") -> int:
    """Shows what a run does until it ends, and prints its files.

    Ctrl-C pauses the run. Returns the exit status.

    Raises:
        RunError: the run failed.
    """
    interrupted = False
    try:
        show_progress(worker.watch(folder.id))
    except KeyboardInterrupt:
        interrupted = True
        with suppress(RunError):  # it has just ended
            worker.commands.pause(folder.id)
        show_progress(worker.watch(folder.id))
    record = folder.read()
    counts: dict[Track, int] = {"preview": record.num_frames, "refined": record.num_refined_frames}
    fps = record.settings.fps
    files = [
        (folder.video_path(track), number, number / fps)
        for track, number in counts.items()
        if number or track == "preview"
    ]
    return report(files, interrupted)


def show_progress(events: Iterable["RunEvent"]) -> None:
    """Shows frames, steps and time left as a progress bar.

    Where stderr is no terminal but a file or a pipe, there is one line for each new chunk.

    Raises:
        RunError: the run failed.
    """
    from t2v.runs.events import Failed, Progress, Rewound, SegmentReady, Started

    with tqdm(unit="frame", disable=None) as bar:
        if bar.disable:
            events = with_lines(events)
        for event in events:
            match event:
                case Notice(text=text):
                    bar.write(visible(text), file=sys.stderr)
                case Started(num_frames=num_frames):
                    bar.total = num_frames
                case Rewound():
                    bar.n = 0  # the log repeats the chunks that are kept
                case SegmentReady(track="preview", num_frames=number):
                    bar.update(number)
                case Progress(
                    chunk_index=chunk, num_chunks=num_chunks, step=step, num_steps=num_steps
                ):
                    bar.set_postfix_str(
                        f"chunk {chunk + 1} of {num_chunks}, step {step}/{num_steps}, "
                        f"{event.eta:.0f} s left"
                    )
                case Failed(message=message):
                    raise RunError(message)


def with_lines(events: Iterable["RunEvent"]) -> Iterator["RunEvent"]:
    """Passes events on, and prints one line for each chunk that was not there before."""
    from t2v.runs.events import Loading, Progress, Queued, Rewound, SegmentReady

    num_chunks: dict[Track, int] = {}
    left: dict[Track, float] = {}
    kept: dict[Track, int] | None = None  # frames of earlier work; None: all, until work begins
    for event in events:
        match event:
            case Queued() | Loading():
                kept = kept or {}
            case Progress(track=track):
                kept = kept or {}
                num_chunks[track], left[track] = event.num_chunks, event.eta
            case Rewound():
                kept = {"preview": event.num_frames, "refined": event.num_refined_frames}
            case SegmentReady(track=track, start_frame=start, index=index):
                if kept is not None and start >= kept.get(track, 0):
                    say_done(track, index, num_chunks.get(track), left.get(track))
        yield event
