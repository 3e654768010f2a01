"""What commands that make a video say while they run and when they end."""

import sys
from collections.abc import Iterator

from tqdm import tqdm

from t2v.events import Chunk, Event, Notice, StepDone


def with_progress(
    events: Iterator[Event], what: str, num_chunks: int | None, num_steps: int
) -> Iterator[Chunk]:
    """Passes chunks on, and shows steps, time left and notices on the terminal."""
    total = num_chunks and num_chunks * num_steps
    with tqdm(total=total, unit="step", disable=None) as bar:
        for event in events:
            match event:
                case Notice(text):
                    bar.write(text, file=sys.stderr)
                case StepDone(_, chunk, step, _):
                    done = f"{chunk} of {num_chunks or '?'} done"
                    bar.set_description(f"{what} {chunk}, {done}", refresh=False)
                    bar.set_postfix_str(f"step {step}/{num_steps}", refresh=False)
                    bar.update()
                case Chunk():
                    yield event


def report(writers: list, interrupted: bool) -> int:
    """Says which files there are now. Returns the exit status."""
    written = [writer for writer in writers if writer.num_frames]
    if not written:
        print("stopped before the first chunk was finished: no file was written", file=sys.stderr)
        return 130
    for writer in written:
        print(f"{writer.path}: {writer.num_frames} frames, {writer.seconds:.1f} s")
    return 130 if interrupted else 0
