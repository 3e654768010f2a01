"""The bundle of a run: one zip with its videos and all that it takes to make them again."""

import zipfile
from pathlib import Path

from t2v.atomic import atomic_write
from t2v.errors import JobError
from t2v.jobs.beside import JSON_NAME, describe_run
from t2v.jobs.run_folder import ENDED, RunFolder
from t2v.media.video import reason
from t2v.origin import to_json


WORDS = """\
A video made by Longtake, with all that it takes to make it again.

video.mp4    the video; refined.mp4, if it is there, is the sharper one
video.json   settings, seed, versions, SHA-256 of the weights and of the frames of every chunk

In the folder of this file, with Longtake installed:

    {command}

It writes again.json beside again.mp4. Its "chunks" and "refined_chunks" are those of video.json
where versions, weights and the kind of device are the same: so are then the pixels, bit by bit.
"""


def write_bundle(folder: RunFolder, path: Path) -> None:
    """
    Raises:
        JobError: the run goes on, has no video, or the disk refuses the file.
    """
    record = folder.read()
    if record.state not in ENDED or not record.num_frames:
        raise JobError("this run has no finished video (yet)")
    try:
        values = describe_run(folder)
        # Stored: videos do not get smaller. Every file is dated 1980: when a run was made is
        # nobody's business, and the same run gives the same bundle.
        with atomic_write(path) as part, zipfile.ZipFile(part, "w") as bundle:
            for video in (folder.video_path(), folder.video_path(is_refined=True)):
                if video.exists():
                    add_file(bundle, video, video.name)
            words = WORDS.format(command=values["command"])
            for name, text in ((JSON_NAME, to_json(values)), ("README.txt", words)):
                bundle.writestr(zipfile.ZipInfo(name), text)
    except OSError as error:
        raise JobError(f"the bundle cannot be written: {reason(error)}") from error


def add_file(bundle: zipfile.ZipFile, path: Path, name: str) -> None:
    """Piece by piece, however long the video."""
    info = zipfile.ZipInfo(name)
    info.file_size = path.stat().st_size
    with path.open("rb") as source, bundle.open(info, "w") as target:
        while piece := source.read(1 << 20):
            target.write(piece)
