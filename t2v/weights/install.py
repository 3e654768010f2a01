"""Installs the weights of a preset: finds, downloads, checks and converts them."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from t2v.errors import CheckpointError
from t2v.settings.presets import Preset
from t2v.settings.weight_source import WeightSource
from t2v.weights import hub
from t2v.weights.checksums import Checksums
from t2v.weights.convert import convert_modelscope
from t2v.weights.convert_refiner import convert_refiner, convert_stock_refiner
from t2v.weights.download import GIGABYTE, Say, check_free_space, find_files, get_files
from t2v.weights.folders import keep_files
from t2v.weights.needed_file import NeededFile
from t2v.weights.request import check_request


REFINERS = {"refiner", "refiner_unet"}  # uses of files: ModelScope's form, and diffusers'
# Of a folder that may be replaced.
OURS = ("stack.json", "config.json", "transformer/config.json", "unet/config.json")
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
    """Installs the weights of a preset. Interrupted at any moment, the same call resumes.

    Args:
        weights_dir: a folder with downloaded files, as DIR/NAME, DIR/REPOSITORY/NAME or
            DIR/OWNER/REPOSITORY/NAME.
        offline: does not use the network.
        refiner: also installs the weights of the refiner; a later call can add them.
        dtype: of the stored weights: "float16", "bfloat16" or "float32".
        force: installs weights again that are installed.

    Raises:
        PresetError: the preset's weights are bundled, or an argument is not one of those allowed.
        CheckpointError: no network, too little disk, or a damaged or unsuitable file.
    """
    check_request(preset, weights_dir, dtype)
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
    checksums = Checksums(preset.weights_folder.parent / "checksums.json")
    needed_files = find_files(sources, checksums, weights_dir=weights_dir, offline=offline)
    check_free_space(folder, sources, needed_files, dtype)
    if num_bytes := sum(file.num_bytes for file in needed_files):
        say(f"{num_bytes / GIGABYTE:.1f} GB to download to {hub.cache_folder()}")
    files = get_files(needed_files, checksums, say)

    is_kept = bool(preset.abilities.needed)  # the pipeline reads them as they are published
    say(f"putting them into {folder}" if is_kept else f"converting to {dtype} in {folder}")
    convert: Convert
    if needs_base:
        convert = keep_as_they_are if is_kept else convert_modelscope
        _convert(convert, files, folder, dtype)
    for use in REFINERS & files.keys():
        convert = convert_refiner if use == "refiner" else convert_stock_refiner
        _convert(convert, files, folder / preset.refiner_weights, dtype)
    say(f"{preset.name} is installed in {preset.weights}.")
    _say_what_to_remove(sources, needed_files, say)


def keep_as_they_are(files: Mapping[str, Path], folder: Path, _dtype: str) -> None:
    """The conversion of files that the pipeline reads in the form that they have."""
    keep_files(files, folder)


def _convert(convert: Convert, files: Mapping[str, Path], folder: Path, dtype: str) -> None:
    """Converts into a temporary folder, and moves it into place when it is complete."""
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
    """Replaces an old folder by the complete new one. Keeps its other subfolders, the refiners."""
    if folder.exists():
        is_ours = any((folder / name).is_file() for name in OURS)
        if any(folder.iterdir()) and not is_ours:
            raise CheckpointError(f"{folder} holds other files; move them away first")
        for kept in folder.iterdir():
            if kept.is_dir() and not (new / kept.name).exists():
                kept.rename(new / kept.name)
        shutil.rmtree(folder)
    new.rename(folder)


def _say_what_to_remove(
    sources: Sequence[WeightSource], needed_files: Sequence[NeededFile], say: Say
) -> None:
    cached = {file.source.repo for file in needed_files if file.revision != "local"}
    repos = " ".join(f"model/{source.repo}" for source in sources if source.repo in cached)
    if repos:
        say(f"The downloaded files are not needed any more: `hf cache rm {repos}` removes them.")
