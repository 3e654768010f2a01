"""Runs of the page as videos that `longtake benchmark` measures."""

import argparse
from pathlib import Path

import numpy as np

from t2v.cli.arguments import find_folder
from t2v.errors import RunError
from t2v.evaluation.benchmark.external_videos import ExternalVideo
from t2v.events import Frames
from t2v.media.reader import read_frames
from t2v.runs.folder import RunFolder
from t2v.runs.record import RunRecord


def video_of_run(runs_dir: Path, run_id: str) -> ExternalVideo:
    """The preview of a run: its frames without loss if they are all there, else its video file.

    Raises:
        RunError: there is no such run, or it has no frames that can be read.
    """
    folder = find_folder(argparse.Namespace(runs_dir=runs_dir, id=run_id))
    record = folder.read()
    config, chunking = record.settings.config, record.settings.chunking
    num_chunks = num_stored_chunks(folder, record)
    if num_chunks:
        num_frames, note = chunking.num_frames(num_chunks), "frames without loss"
    elif folder.video_path().is_file():
        num_frames, note = len(read_frames(folder.video_path())), "compressed frames (H.264)"
    else:
        raise RunError(f"run {folder.id} has no frames yet")

    def read() -> Frames:
        if not num_chunks:
            return read_frames(folder.video_path())
        return np.concatenate(list(folder.frame_store(chunking).read_from(0, num_frames)))

    return ExternalVideo(
        name=folder.id,
        prompt=config.prompt,
        note=note,
        boundaries=chunking.boundaries(num_frames),
        read=read,
    )


def num_stored_chunks(folder: RunFolder, record: RunRecord) -> int:
    """Chunks from the first on whose frames are stored without a gap."""
    store, chunking = folder.frame_store(record.settings.chunking), record.settings.chunking
    count = 0
    while count < record.settings.config.num_chunks and store.is_whole(chunking.num_frames(count)):
        count += 1
    return count
