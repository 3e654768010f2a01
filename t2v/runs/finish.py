"""The end of a run: its chunks are joined, and its record and its log say how it ended."""

import logging
from itertools import takewhile
from pathlib import Path

from t2v.errors import MediaError, RunError, T2VError
from t2v.events import TRACKS, Notice, Track
from t2v.media.mp4 import is_whole_mp4
from t2v.media.segments import join_segments
from t2v.provenance import SIDECAR_NAME
from t2v.runs.events import Failed, Finished, record_changes
from t2v.runs.export import write_sidecar
from t2v.runs.folder import RunFolder
from t2v.runs.live_run import LiveRun
from t2v.runs.log import iter_segments
from t2v.runs.queue import RunQueue
from t2v.runs.record import ENDED, RunSettings
from t2v.runs.resume import reopen


log = logging.getLogger(__name__)


def end_run(queue: RunQueue, run: LiveRun, seconds: float) -> None:
    """Writes the end of a live run that was stopped; no command can change it any more.

    Args:
        seconds: of work on the run.
    """
    if run.is_rewound:  # the chunks to redo go, although none will replace them
        reopen(run.folder)
    state = "paused" if run.stop_request == "pause" else "stopped"
    end = finish_run(run.folder, run.settings, seconds, state=state, message=None)
    queue.begin_closing(run)
    write_end(run.folder, end, seconds)


def finish_run(
    folder: RunFolder, settings: RunSettings, seconds: float, *, state: str, message: str | None
) -> Finished | Failed:
    """Joins the chunks that are done, writes the sidecar, and returns the event of the end.

    Args:
        seconds: of work on the run.
        state: of the run if its video is not complete.
        message: why the run failed; None if it did not.
    """
    path, num_frames = keep_video(folder, "preview")
    refined_path, num_refined_frames = keep_video(folder, "refined")
    note_missing_segments(folder)
    update_sidecar(folder, settings, has_video=path is not None)
    if message is not None:
        return Failed(
            message=message,
            path=path,
            num_frames=num_frames,
            refined_path=refined_path,
            num_refined_frames=num_refined_frames,
        )
    is_complete = num_frames == settings.num_frames
    if settings.config.refine:
        is_complete = is_complete and num_refined_frames == settings.num_frames
    return Finished(
        state="finished" if is_complete else state,
        path=path,
        num_frames=num_frames,
        seconds=seconds,
        refined_path=refined_path,
        num_refined_frames=num_refined_frames,
    )


def note_missing_segments(folder: RunFolder) -> None:
    """Says in the log where the video ends early because a file of a chunk is damaged."""
    for track in TRACKS:
        for path in iter_segments(folder, track):
            if not is_whole_mp4(path):
                folder.append(
                    Notice(
                        f"The file {path.name} of a chunk is missing or damaged: the video ends "
                        "before it. Resume the video to make the rest again."
                    )
                )
                break


def write_end(folder: RunFolder, end: Finished | Failed, seconds: float) -> None:
    """Writes the end of a run into its record and its log."""
    folder.update(**record_changes(end), seconds=seconds, num_attempts=0)
    folder.append(end)


def finish_video(folder: RunFolder, track: Track = "preview") -> int:
    """Joins the chunks that are done to one file. Returns its frames; without any, no file."""
    metadata = folder.read().metadata
    segments = takewhile(is_whole_mp4, iter_segments(folder, track))
    path = folder.video_path(track)
    return join_segments(segments, path, metadata=metadata, check=folder.check_mine)


def damaged_videos(folder: RunFolder) -> list[Track]:
    """The tracks of a run that has ended whose videos are missing or damaged.

    Raises:
        RunError: the run cannot be read.
    """
    record = folder.read()
    if record.state not in ENDED:
        return []
    lengths = {"preview": record.num_frames, "refined": record.num_refined_frames}
    return [
        track for track in TRACKS if lengths[track] and not is_whole_mp4(folder.video_path(track))
    ]


def restore_videos(folder: RunFolder) -> None:
    """Joins the chunks of damaged videos again. The caller has the lease of the run.

    Raises:
        RunError: the run cannot be read.
    """
    for track in damaged_videos(folder):
        log.warning("a video of run %s is damaged, and is joined again", folder.id)
        keep_video(folder, track)


def keep_video(folder: RunFolder, track: Track) -> tuple[Path | None, int]:
    """Joins a track as far as it is done; returns its path and number of frames."""
    try:
        if num_frames := finish_video(folder, track):
            return folder.video_path(track), num_frames
    except (MediaError, RunError):
        log.exception("the chunks of run %s could not be joined", folder.id)
    return None, 0


def update_sidecar(folder: RunFolder, settings: RunSettings, *, has_video: bool) -> None:
    """Writes the sidecar of a video, or removes it without a video or metadata."""
    path = folder.path / SIDECAR_NAME
    try:
        if has_video and settings.write_metadata:
            write_sidecar(folder, path)
        else:
            path.unlink(missing_ok=True)
    except (T2VError, OSError):  # the video is worth more than its sidecar
        log.exception("the sidecar of run %s cannot be written", folder.id)
