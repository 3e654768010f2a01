"""Gathers the files of a preset: from a folder of the user's, from the cache, from the network."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from t2v.errors import CheckpointError
from t2v.presets import Source
from t2v.weights import hub
from t2v.weights.ledger import Ledger


Say = Callable[[str], None]
GIGABYTE = 10**9


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file that a preset needs, and where it is, if it is here."""

    source: Source
    use: str
    name: str
    revision: str  # a commit, if it is known
    path: Path | None
    num_bytes: int  # to download
    sha256: str | None  # what its home says


def find_files(
    sources: Sequence[Source], ledger: Ledger, *, weights_dir: Path | None, offline: bool
) -> list[Wanted]:
    """Looks for every file: in `weights_dir`, then in the cache, then at its public home.

    Raises:
        CheckpointError: a file is nowhere, or its home cannot be reached.
    """
    return [
        wanted
        for source in sources
        for wanted in _find_files_of(source, ledger, weights_dir, offline)
    ]


def _find_files_of(
    source: Source, ledger: Ledger, weights_dir: Path | None, offline: bool
) -> list[Wanted]:
    revision = ledger.commit(source) or source.revision
    found, sought = [], {}
    for use, names in source.files.items():
        here = _find_here(source, names, revision, weights_dir)
        if here:
            found.append(Wanted(source, use, *here, 0, None))
        else:
            sought[use] = names
    if not sought:
        return found

    if offline:
        names = ", ".join(names[0] for names in sought.values())
        where = f"in {weights_dir} nor " if weights_dir else ""
        raise CheckpointError(
            f"offline, and not {where}in {hub.cache_folder()}: {names} of {source.page}"
        )
    listing = hub.list_files(source, revision)
    for use, names in sought.items():
        name = next((name for name in names if name in listing.sizes), None)
        if name is None:
            raise CheckpointError(f"{source.page} has none of {', '.join(names)}")
        size, digest = listing.sizes[name], listing.sha256.get(name)
        found.append(Wanted(source, use, name, listing.commit, None, size, digest))
    return found


def _find_here(
    source: Source, names: tuple[str, ...], revision: str, weights_dir: Path | None
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


def check_disk(
    folder: Path, sources: Sequence[Source], wanted: list[Wanted], dtype: str = "float16"
) -> None:
    """Counts before the start what the downloads and the converted weights will take.

    Args:
        folder: of the converted weights.
        dtype: what they are stored as.

    Raises:
        CheckpointError: a disk has too little room; says how much is missing where.
    """
    kept = sum(source.installed_gigabytes for source in sources) * GIGABYTE
    if dtype == "float32":
        kept *= 2  # sources state what half precision takes
    needed = {}
    for place, num_bytes in (
        (hub.cache_folder(), sum(file.num_bytes for file in wanted)),
        (folder, int(kept)),
    ):
        place = next(p for p in (place, *place.absolute().parents) if p.exists())
        disk = os.stat(place).st_dev
        total, _ = needed.get(disk, (0, None))
        needed[disk] = total + num_bytes, place
    for num_bytes, place in needed.values():
        free = shutil.disk_usage(place).free
        if free < num_bytes:
            raise CheckpointError(
                f"too little room on the disk of {place}: {num_bytes / GIGABYTE:.1f} GB are "
                f"needed, {free / GIGABYTE:.1f} GB are free. HF_HOME moves the downloads to "
                f"another disk, and {folder} may be a link to one"
            )


def get_files(wanted: list[Wanted], ledger: Ledger, say: Say) -> dict[str, Path]:
    """Downloads what is not here, and checks all of it. Returns paths by use.

    Raises:
        CheckpointError: a file could not be got, or is not the one that it was or should be.
    """
    files = {}
    for file in wanted:
        path = file.path or hub.download(file.source, file.name, file.revision)
        if file.path is None:
            ledger.record_commit(file.source, file.revision)
        is_known = ledger.check(file.source, file.name, path, file.sha256)
        what = "as before" if is_known else "recorded; checked from now on"
        say(f"{file.source.repo} {file.name}: SHA-256 {what}")
        files[file.use] = path
    return files
