"""The Hugging Face Hub, where weights are published. No other module uses the network."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HTTPError

from t2v.errors import CheckpointError
from t2v.settings.weight_source import WeightSource


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of a repository at one commit."""

    commit: str
    sizes: dict[str, int]  # bytes by file name
    sha256: dict[str, str]  # by file name, of the large files


def cache_folder() -> Path:
    """The folder of downloaded files; HF_HOME moves it."""
    return Path(constants.HF_HUB_CACHE)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE=1 switched the network off."""
    return constants.HF_HUB_OFFLINE


def list_files(source: WeightSource, revision: str) -> Listing:
    """Lists the files of a repository. Needs no account.

    Raises:
        CheckpointError: there is no network, or no such repository or revision.
    """
    try:
        info = HfApi(token=False).model_info(
            source.repo, revision=revision, files_metadata=True, timeout=30
        )
    except (HTTPError, OSError) as error:
        raise CheckpointError(f"{source.page} cannot be reached: {_reason(error)}") from error
    files = info.siblings or []
    return Listing(
        commit=info.sha or revision,
        sizes={file.rfilename: file.size or 0 for file in files},
        sha256={file.rfilename: file.lfs.sha256 for file in files if file.lfs},
    )


def cached_file(source: WeightSource, name: str, revision: str) -> Path | None:
    """The path of a file in the cache; None if it is not there."""
    path = try_to_load_from_cache(source.repo, name, revision=revision)
    return Path(path) if isinstance(path, str) else None


def cached_folder(source: WeightSource, revision: str) -> Path | None:
    """The folder of the cache that has files of a source at a revision; None if there is none."""
    for name in ("config.json", *(f"{folder}/config.json" for folder in source.folders)):
        if path := cached_file(source, name, revision):
            return path.parents[name.count("/")]
    return None


def download(source: WeightSource, name: str, revision: str) -> Path:
    """Downloads one file with a progress bar, and resumes an interrupted download.

    Raises:
        CheckpointError: the download failed.
    """
    try:
        return Path(hf_hub_download(source.repo, name, revision=revision, token=False))
    except (HTTPError, EntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"{name} of {source.page} could not be downloaded: {_reason(error)}. "
            "The same command resumes the download"
        ) from error


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
