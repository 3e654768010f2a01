"""Files that describe a run to others: the sidecar of its video, the reproducibility bundle."""

import zipfile
from pathlib import Path
from typing import Any

from t2v.atomic import atomic_write
from t2v.errors import RunError
from t2v.events import TRACKS, Track
from t2v.media.video import reason
from t2v.provenance import SIDECAR_NAME, describe, dumps, write_json
from t2v.runs.events import SegmentReady
from t2v.runs.folder import RunFolder
from t2v.runs.log import iter_events
from t2v.runs.record import ENDED


README = """\
A video made by Longtake, with everything that is needed to make it again.

video.mp4    the video; refined.mp4, if it is there, is the refined video
video.json   settings, seed, versions, SHA-256 of the weights and of the frames of every chunk

In the folder of this file, with Longtake installed:

    {command}

It writes again.mp4 and again.json. With the same versions, weights and kind of device, "chunks"
and "refined_chunks" in again.json equal those in video.json: every pixel is the same.
"""


def describe_run(folder: RunFolder, name: str = SIDECAR_NAME) -> dict[str, Any]:
    """The sidecar's values: settings, versions, weights and hashes of a run.

    Args:
        name: of the sidecar's file, for the command that makes the video again.
    """
    record = folder.read()
    preview, refined = (chunk_hashes(folder, track) for track in TRACKS)
    return describe(
        record.provenance, name, record.weights, preview, refined, versions=record.versions
    )


def write_sidecar(folder: RunFolder, path: Path) -> None:
    """Writes the sidecar of a finished run.

    Raises:
        MediaError: the disk refuses it.
    """
    write_json(describe_run(folder, path.name), path)


def chunk_hashes(folder: RunFolder, track: Track) -> list[str]:
    """SHA-256 of the frames of every chunk, in order, from the log of the run."""
    segments = (event for event in iter_events(folder) if isinstance(event, SegmentReady))
    return [segment.sha256 for segment in segments if segment.track == track]


def write_bundle(folder: RunFolder, path: Path) -> None:
    """Writes one zip with the videos of a run, its sidecar and a README.

    Raises:
        RunError: the run has not ended, has no video, or the disk refuses the file.
    """
    record = folder.read()
    if record.state not in ENDED or not record.num_frames:
        raise RunError("this run has no finished video (yet)")
    try:
        values = describe_run(folder)
        # Stored: videos do not get smaller. Every file is dated 1980: the date of a run is private,
        # and the same run gives the same bundle.
        with atomic_write(path) as part, zipfile.ZipFile(part, "w") as bundle:
            for video in map(folder.video_path, TRACKS):
                if video.exists():
                    add_file(bundle, video, video.name)
            readme = README.format(command=values["command"])
            for name, text in ((SIDECAR_NAME, dumps(values)), ("README.txt", readme)):
                bundle.writestr(zipfile.ZipInfo(name), text)
    except OSError as error:
        raise RunError(f"the bundle cannot be written: {reason(error)}") from error


def add_file(bundle: zipfile.ZipFile, path: Path, name: str) -> None:
    """Copies a file in pieces: videos can be larger than memory."""
    info = zipfile.ZipInfo(name)
    info.file_size = path.stat().st_size
    with path.open("rb") as source, bundle.open(info, "w") as target:
        while piece := source.read(1 << 20):
            target.write(piece)
