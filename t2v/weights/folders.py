"""Models in diffusers' layout: whole folders of a repository, which are kept as they are."""

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from t2v.errors import CheckpointError
from t2v.settings.model_files import missing_file
from t2v.settings.weight_source import WeightSource
from t2v.weights import hub
from t2v.weights.needed_file import NeededFile


# Descriptions, tokenizers and weights in one file or in parts. No pickles, no code, and none of
# the same weights in another precision, whose names have one more word: NAME.fp16.safetensors.
NEEDED = re.compile(
    r"(?!\.)[^/]+\.json|merges\.txt|(?:diffusion_pytorch_)?model(?:-\d+-of-\d+)?\.safetensors"
)


def find_folders(
    source: WeightSource, revision: str, weights_dir: Path | None, offline: bool
) -> list[NeededFile]:
    """Looks for the folders in `weights_dir`, then in the cache, then in their public repository.

    Raises:
        CheckpointError: a folder is nowhere or incomplete, or the repository cannot be reached.
    """
    here = _folder_here(source, weights_dir)
    if here is not None:
        return [
            NeededFile(source, place_of(source, name), name, "local", here / name, 0, None)
            for name in _needed(source, _names_in(here))
        ]
    if offline:
        cached = hub.cached_folder(source, revision)
        if cached is None or any(not _is_whole(cached, part) for part in source.folders):
            where = f"in {weights_dir} nor " if weights_dir else ""
            folders = ", ".join(source.folders)
            raise CheckpointError(
                f"offline, and not all {where}in {hub.cache_folder()}: {folders} of {source.page}"
            )
        return [
            NeededFile(source, place_of(source, name), name, revision, cached / name, 0, None)
            for name in _needed(source, _names_in(cached))
        ]
    listing = hub.list_files(source, revision)
    needed = _needed(source, listing.sizes)
    for folder in source.folders:
        if not any(_folder_of(name) == folder for name in needed):
            raise CheckpointError(f"{source.page} has no folder {folder}")
    return [
        NeededFile(
            source,
            place_of(source, name),
            name,
            listing.commit,
            path := hub.cached_file(source, name, listing.commit),
            0 if path else listing.sizes[name],
            listing.sha256.get(name),
        )
        for name in needed
    ]


def keep_files(files: Mapping[str, Path], folder: Path) -> None:
    """Puts files under their names into an empty folder: the same file on the disk, where it can.

    Raises:
        OSError: the disk refuses it.
    """
    for name, path in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        original = path.resolve()  # a cache keeps links
        try:
            os.link(original, place)
        except OSError:  # another disk, or one without links
            shutil.copyfile(original, place)


def place_of(source: WeightSource, name: str) -> str:
    """Where a file of a repository lies in the folder of the preset's weights."""
    return f"{source.into}/{name}" if source.into else name


def _needed(source: WeightSource, names: Iterable[str]) -> list[str]:
    """The files of the folders that are needed, in order."""
    in_folders = [name for name in sorted(names) if _folder_of(name) in source.folders]
    return [name for name in in_folders if NEEDED.fullmatch(name.rpartition("/")[2])]


def _folder_of(name: str) -> str:
    return name.rpartition("/")[0] or "."


def _folder_here(source: WeightSource, weights_dir: Path | None) -> Path | None:
    """DIR, DIR/REPOSITORY or DIR/OWNER/REPOSITORY, whichever has all folders of the source."""
    if weights_dir is None:
        return None
    owner, repo = source.repo.split("/")
    for place in (weights_dir / owner / repo, weights_dir / repo, weights_dir):
        if all(_is_whole(place, part) for part in source.folders):
            return place
    return None


def _is_whole(place: Path, part: str) -> bool:
    """Whether a folder is there, with all parts of its weights."""
    folder = place / part
    has_config = (folder / "config.json").is_file() or part == "."
    needed = ("config.json",) if has_config else ()
    return folder.is_dir() and any(folder.iterdir()) and missing_file(folder, needed) is None


def _names_in(folder: Path) -> list[str]:
    files = (path for pattern in ("*", "*/*") for path in folder.glob(pattern) if path.is_file())
    return [path.relative_to(folder).as_posix() for path in files]
