"""What commands that make a video print while they run and when they end."""

import sys
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import TYPE_CHECKING

from tqdm import tqdm

from t2v.cli.terminal import say
from t2v.events import Chunk, Event, Notice, StepDone, Track, track_of
from t2v.settings.visible_text import visible


if TYPE_CHECKING:
    from t2v.media.reader import Video


CHUNK_NAMES: dict[Track, str] = {"preview": "chunk", "refined": "refined chunk"}


def with_progress(
    events: Iterable[Event],
    totals: dict[Track, tuple[int | None, int]],
    clock: Callable[[], float] = monotonic,
) -> Iterator[Chunk]:
    """Yields the chunks, and shows steps, time left and notices on the terminal.

    Where stderr is no terminal but a file or a pipe, there is one line a chunk.

    Args:
        totals: chunks, if it is known how many, and steps per chunk of each track.
        clock: seconds.
    """
    known = [num_chunks * num_steps for num_chunks, num_steps in totals.values() if num_chunks]
    total = sum(known) if len(known) == len(totals) else None
    started, num_done = clock(), 0
    with tqdm(total=total, unit="step", disable=None) as bar:
        for event in events:
            match event:
                case Notice(text=text):
                    bar.write(visible(text), file=sys.stderr)
                case StepDone(stage=stage, chunk_index=chunk, step=step, num_steps=num_steps):
                    track = track_of(stage)
                    num_chunks, usual = totals[track]
                    if step == 1 and total is not None:  # a first chunk may take more
                        total += num_steps - usual
                        bar.total = total
                    num_done += 1
                    done = f"{chunk} of {num_chunks or '?'} done"
                    bar.set_description(f"{CHUNK_NAMES[track]} {chunk}, {done}", refresh=False)
                    bar.set_postfix_str(f"step {step}/{num_steps}", refresh=False)
                    bar.update()
                case Chunk(stage=stage, index=index):
                    yield event  # and then it is written
                    if bar.disable:
                        elapsed = clock() - started
                        left = (
                            elapsed * (total - num_done) / num_done if total and num_done else None
                        )
                        track = track_of(stage)
                        say_done(track, index, totals[track][0], left)


def say_done(track: Track, index: int, num_chunks: int | None, left: float | None) -> None:
    """One line about a chunk that is done.

    Args:
        index: of the chunk, from 0.
        num_chunks: of the track, if that is known.
        left: seconds until all is done, if that is known.
    """
    line = f"{CHUNK_NAMES[track]} {index} done"
    if num_chunks:
        line = f"{line}, {index + 1} of {num_chunks}"
    say(f"{line}, about {left:.0f} s left" if left else line, error=True)


def print_notices(*videos: "Video") -> None:
    """Prints how videos were read, and what of them could not be read."""
    for notice in dict.fromkeys(notice for video in videos for notice in video.notices):
        say(notice, error=True)


def report_kept(files: Iterable[tuple[object, int, float]]) -> None:
    """Prints which files have the part of a video that was made before it failed."""
    for path, num_frames, seconds in files:
        if num_frames:
            say(f"kept {path}: the first {num_frames} frames, {seconds:.1f} s", error=True)


def report(files: Iterable[tuple[object, int, float]], interrupted: bool) -> int:
    """Prints which files were written. Returns the exit status.

    Args:
        files: path, frames and seconds of each video file.
    """
    written = [file for file in files if file[1]]
    if not written:
        say("stopped before the first chunk was finished: no file was written", error=True)
        return 130
    for path, num_frames, seconds in written:
        say(f"{path}: {num_frames} frames, {seconds:.1f} s")
    return 130 if interrupted else 0
