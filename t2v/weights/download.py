"""Finds or downloads the files of a preset: in the user's folder, the cache or the network."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from t2v.errors import CheckpointError
from t2v.settings.weight_source import WeightSource
from t2v.weights import hub
from t2v.weights.checksums import Checksums
from t2v.weights.folders import find_folders
from t2v.weights.needed_file import NeededFile


Say = Callable[[str], None]
GIGABYTE = 10**9


def find_files(
    sources: Sequence[WeightSource],
    checksums: Checksums,
    *,
    weights_dir: Path | None,
    offline: bool,
) -> list[NeededFile]:
    """Looks for every file in `weights_dir`, then in the cache, then in its public repository.

    Raises:
        CheckpointError: a file is nowhere, or its repository cannot be reached.
    """
    return [
        needed_file
        for source in sources
        for needed_file in _find_files_of(source, checksums, weights_dir, offline)
    ]


def _find_files_of(
    source: WeightSource, checksums: Checksums, weights_dir: Path | None, offline: bool
) -> list[NeededFile]:
    revision = checksums.commit(source) or source.revision
    if source.folders:
        return find_folders(source, revision, weights_dir, offline)
    found, sought = [], {}
    for use, names in source.files.items():
        here = _find_here(source, names, revision, weights_dir)
        if here:
            found.append(NeededFile(source, use, *here, 0, None))
        else:
            sought[use] = names
    if not sought:
        return found

    if offline:
        missing = ", ".join(names[0] for names in sought.values())
        where = f"in {weights_dir} nor " if weights_dir else ""
        raise CheckpointError(
            f"offline, and not {where}in {hub.cache_folder()}: {missing} of {source.page}"
        )
    listing = hub.list_files(source, revision)
    for use, names in sought.items():
        name = next((name for name in names if name in listing.sizes), None)
        if name is None:
            raise CheckpointError(f"{source.page} has none of {', '.join(names)}")
        size, digest = listing.sizes[name], listing.sha256.get(name)
        found.append(NeededFile(source, use, name, listing.commit, None, size, digest))
    return found


def _find_here(
    source: WeightSource, names: tuple[str, ...], revision: str, weights_dir: Path | None
) -> tuple[str, str, Path] | None:
    """Name, revision and path of the first of `names` that is on this machine."""
    folders = []
    if weights_dir:
        owner, repo = source.repo.split("/")
        folders = [weights_dir / owner / repo, weights_dir / repo, weights_dir]
    for name in names:
        for folder in folders:
            if (folder / name).is_file():
                return name, "local", folder / name
    for name in names:
        if path := hub.cached_file(source, name, revision):
            return name, revision, path
    return None


def check_free_space(
    folder: Path,
    sources: Sequence[WeightSource],
    needed_files: list[NeededFile],
    dtype: str = "float16",
) -> None:
    """Checks before the start that downloads and converted weights fit on the disk.

    Args:
        folder: of the converted weights.
        dtype: of the converted weights.

    Raises:
        CheckpointError: a disk has too little room; says which, and how much is needed.
    """
    # Sources state what half precision takes; files that are kept as they are become links.
    factor = 2 if dtype == "float32" else 1
    kept = GIGABYTE * sum(
        source.installed_gigabytes * (1 if source.folders else factor)
        for source in sources
        if not (source.folders and are_on(folder, source, needed_files))
    )
    needed: dict[int, tuple[int, Path]] = {}  # by disk: bytes, and a folder on it
    for place, num_bytes in (
        (hub.cache_folder(), sum(file.num_bytes for file in needed_files)),
        (folder, int(kept)),
    ):
        place = next(p for p in (place, *place.absolute().parents) if p.exists())
        disk = os.stat(place).st_dev
        total = needed[disk][0] if disk in needed else 0
        needed[disk] = total + num_bytes, place
    for num_bytes, place in needed.values():
        free = shutil.disk_usage(place).free
        if free < num_bytes:
            raise CheckpointError(
                f"too little room on the disk of {place}: {num_bytes / GIGABYTE:.1f} GB are "
                f"needed, {free / GIGABYTE:.1f} GB are free. HF_HOME moves the downloads to "
                f"another disk, and {folder} may be a link to one"
            )


def are_on(folder: Path, source: WeightSource, needed_files: list[NeededFile]) -> bool:
    """Whether the files of a source are, or will be, on the disk of a folder."""
    places = {file.path or hub.cache_folder() for file in needed_files if file.source == source}
    return {_disk(place.resolve()) for place in places} == {_disk(folder)}


def _disk(place: Path) -> int:
    return os.stat(next(p for p in (place, *place.absolute().parents) if p.exists())).st_dev


def get_files(needed_files: list[NeededFile], checksums: Checksums, say: Say) -> dict[str, Path]:
    """Downloads missing files, checks all of them, and returns their paths by use.

    Raises:
        CheckpointError: a download failed, or a file has another checksum than before.
    """
    files = {}
    for file in needed_files:
        path = file.path or hub.download(file.source, file.name, file.revision)
        if file.path is None:
            checksums.record_commit(file.source, file.revision)
        is_known = checksums.check(file.source, file.name, path, file.sha256)
        what = "as before" if is_known else "recorded; checked from now on"
        say(f"{file.source.repo} {file.name}: SHA-256 {what}")
        files[file.use] = path
    return files
