"""Installs the weights of a preset: finds, downloads, checks and converts them."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from t2v.errors import CheckpointError, PresetError
from t2v.presets import Preset, Source
from t2v.weights import hub
from t2v.weights.files import GIGABYTE, Say, Wanted, check_disk, find_files, get_files
from t2v.weights.ledger import Ledger
from t2v.weights.modelscope import DTYPES, convert_modelscope
from t2v.weights.refiner import convert_refiner, convert_stock_refiner


REFINERS = {"refiner", "refiner_unet"}  # uses of files: ModelScope's form, and diffusers'
Convert = Callable[[Mapping[str, Path], Path, str], None]


def install(
    preset: Preset,
    *,
    weights_dir: Path | None = None,
    offline: bool = False,
    refiner: bool = True,
    dtype: str = "float16",
    force: bool = False,
    say: Say = print,
) -> None:
    """Makes a preset able to run. Stopped at any moment, the same call goes on from there.

    Args:
        weights_dir: a folder with files that are here already, as at their home: DIR/NAME,
            DIR/REPOSITORY/NAME or DIR/OWNER/REPOSITORY/NAME.
        offline: asks nothing of the network.
        refiner: with the weights of its refiner; a later call can add them.
        dtype: how weights are stored: "float16", "bfloat16" or "float32".
        force: even if they are installed.

    Raises:
        PresetError: the preset's weights are bundled, or an argument is not one of those allowed.
        CheckpointError: no network, too little disk, a file that is damaged or does not fit.
    """
    if not preset.sources:
        raise PresetError(f"preset {preset.name} has nothing to download: its weights are bundled")
    if dtype not in DTYPES:
        raise PresetError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if weights_dir and not weights_dir.is_dir():
        raise PresetError(f"the folder {weights_dir} does not exist")

    needs_base = force or preset.unavailable is not None
    needs_refiner = refiner and (force or preset.refiner_unavailable is not None)
    sources = [
        source for source in preset.sources if (needs_refiner if source.is_refiner else needs_base)
    ]
    if not sources:
        say(f"{preset.name} is installed in {preset.weights}; --force installs it again.")
        return

    for source in sources:
        say(f"{source.page}: {source.gigabytes:g} GB, licence: {source.licence}")
        if not source.is_pinned:
            say(
                f"    its revision is not pinned ({source.revision}): the commit that is "
                "downloaded first is recorded, and taken from then on"
            )
    offline = offline or hub.is_offline()
    folder = preset.weights_folder.resolve()  # it may be a link to another disk
    ledger = Ledger(preset.weights_folder.parent / "checksums.json")
    wanted = find_files(sources, ledger, weights_dir=weights_dir, offline=offline)
    check_disk(folder, sources, wanted, dtype)
    if num_bytes := sum(file.num_bytes for file in wanted):
        say(f"{num_bytes / GIGABYTE:.1f} GB to download to {hub.cache_folder()}")
    files = get_files(wanted, ledger, say)

    say(f"converting to {dtype} in {folder}")
    if needs_base:
        _convert(convert_modelscope, files, folder, dtype)
    for use in REFINERS & files.keys():
        convert = convert_refiner if use == "refiner" else convert_stock_refiner
        _convert(convert, files, folder / preset.refiner_weights, dtype)
    say(f"{preset.name} is installed in {preset.weights}.")
    _say_what_to_remove(sources, wanted, say)


def _convert(convert: Convert, files: Mapping[str, Path], folder: Path, dtype: str) -> None:
    """Fills the folder in one move, when everything is written."""
    partial = folder.with_name(f"{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        convert(files, partial, dtype)
        _replace(folder, partial)
    except OSError as error:
        raise CheckpointError(f"cannot write to {folder}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _replace(folder: Path, new: Path) -> None:
    """The complete folder takes the place of an old one. What else is there, refiners, stays."""
    if folder.exists():
        is_ours = any((folder / name).is_file() for name in ("stack.json", "config.json"))
        if any(folder.iterdir()) and not is_ours:
            raise CheckpointError(f"{folder} holds other files; move them away first")
        for kept in folder.iterdir():
            if kept.is_dir() and not (new / kept.name).exists():
                kept.rename(new / kept.name)
        shutil.rmtree(folder)
    new.rename(folder)


def _say_what_to_remove(sources: Sequence[Source], wanted: Sequence[Wanted], say: Say) -> None:
    cached = {file.source.repo for file in wanted if file.revision != "local"}
    repos = " ".join(f"model/{source.repo}" for source in sources if source.repo in cached)
    if repos:
        say(f"The downloaded files are not needed any more: `hf cache rm {repos}` removes them.")
