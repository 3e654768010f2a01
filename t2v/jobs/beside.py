"""The JSON beside the video of a run: how it was made, and how to make it again."""

from pathlib import Path
from typing import Any

from t2v.jobs.run_folder import EventLog, RunFolder
from t2v.jobs.updates import SegmentReady
from t2v.origin import describe, write_json


JSON_NAME = "video.json"


def describe_run(folder: RunFolder, name: str = JSON_NAME) -> dict[str, Any]:
    """Settings, and the versions, weights and hashes that the run was made with.

    Args:
        name: of the file that will hold this, in the command that makes the video again.
    """
    record = folder.read()
    hashes = (chunk_hashes(folder, is_refined) for is_refined in (False, True))
    return describe(record.origin, name, record.weights, *hashes, versions=record.versions)


def write_beside(folder: RunFolder, path: Path) -> None:
    """
    Raises:
        MediaError: the disk refuses it.
    """
    write_json(describe_run(folder, path.name), path)


def chunk_hashes(folder: RunFolder, is_refined: bool) -> list[str]:
    """SHA-256 of the frames of every chunk, in order, as the log of the run has them."""
    log, hashes = EventLog(folder), []
    while facts := log.read():
        hashes += [
            fact.sha256
            for fact in facts
            if isinstance(fact, SegmentReady) and fact.is_refined == is_refined
        ]
    return hashes
