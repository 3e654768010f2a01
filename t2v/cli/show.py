"""`longtake show`: what a video file is, and how it was made."""

import argparse
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from t2v.cli.arguments import Commands
from t2v.cli.terminal import say
from t2v.errors import FileError, MediaError


HASHES = ("chunks", "refined_chunks")  # of a sidecar


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "show", help="print what a video is and how it was made", description=run.__doc__
    )
    command.add_argument("file", type=Path, help="An .mp4 of Longtake, or its sidecar JSON.")
    command.add_argument(
        "--json",
        action="store_true",
        help="Print one JSON object, which `longtake generate --like` reads.",
    )
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the settings in a file, its length, size and hashes.

    The last line is the command that makes the same video again.
    """
    from t2v.provenance import Provenance, again_command, read_values

    path = options.file
    values = read_values(path) if is_json(path) else {}
    video = video_of(path)
    facts = file_facts(video) if video else {}
    if not values and video:
        values = tags_of(video)
    if facts:
        facts["refined"] = is_refined(path, values)
    if facts and not options.json and not values:
        say(describe(facts))
    if not values:
        raise FileError(f"{path.name} does not say how it was made: it was made elsewhere")
    if not options.json and values.get("is_refined_file") is True:
        say(describe(facts))
    settings = Provenance.from_json(values).to_json()
    hashes = chunk_hashes(path, values)
    if options.json:
        print(json.dumps(settings | {"file": facts} | hashes, indent=1))
        return 0
    print(json.dumps(settings, indent=1))
    if facts:
        say(describe(facts))
    for name, digests in hashes.items():
        for number, digest in enumerate(digests):
            say(f"{'refined ' if name != HASHES[0] else ''}chunk {number}: SHA-256 {digest}")
    say(again_command(path.name))
    return 0


def is_json(path: Path) -> bool:
    return path.suffix.lower() == ".json"


def video_of(path: Path) -> Path | None:
    """The video that a path means: itself, or the one beside a sidecar; None if that is gone."""
    if not is_json(path):
        return path
    video = path.with_suffix(".mp4")
    return video if video.is_file() else None


def tags_of(video: Path) -> dict[str, Any]:
    from t2v.provenance import read_metadata

    return read_metadata(video)


def file_facts(video: Path) -> dict[str, Any]:
    """Length, size, speed and hash of a video file.

    Raises:
        MediaError: it cannot be read.
    """
    from t2v.media.reader import Video
    from t2v.weight_hashes import hash_file

    info = Video(video)
    height, width = info.size
    return {
        "name": video.name,
        "num_frames": info.num_frames,
        "seconds": round(float(info.num_frames / info.fps), 3),
        "width": width,
        "height": height,
        "fps": round(float(info.fps), 3),
        "sha256": hash_file(video),
    }


def is_refined(path: Path, values: dict[str, Any]) -> bool:
    """Whether the pictures of a file are refined ones.

    Both videos of a run that refines have the same tags; their names tell them apart.
    """
    if values.get("is_refined_file") is True:
        return True
    return values.get("refine") is True and path.stem.endswith("refined")


def chunk_hashes(path: Path, values: dict[str, Any]) -> dict[str, list[str]]:
    """SHA-256 of the frames of every chunk, from the sidecar.

    Of a video, that is the sidecar beside it, if it tells of the same video.
    """
    from t2v.provenance import read_values

    beside = values
    if not is_json(path):
        beside = {}
        for stem in (path.stem, path.stem.removesuffix("-refined")):
            with suppress(MediaError):
                beside = beside or read_values(path.with_name(f"{stem}.json"))
        if any(beside.get(name) != value for name, value in values.items()):
            return {}
    found = {name: beside.get(name) for name in HASHES}
    return {
        name: digests
        for name, digests in found.items()
        if isinstance(digests, list) and digests and all(isinstance(one, str) for one in digests)
    }


def describe(facts: dict[str, Any]) -> str:
    """The facts of a file in two lines."""
    return (
        f"{facts['name']}: {facts['num_frames']} frames, {facts['seconds']:.1f} s, "
        f"{facts['width']}x{facts['height']}, {facts['fps']:g} fps, "
        f"{'refined' if facts['refined'] else 'not refined'}\n"
        f"SHA-256 {facts['sha256']}"
    )
