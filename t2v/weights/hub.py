"""The public homes of weights, on huggingface.co. The only place that touches the network."""

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HTTPError

from t2v.errors import CheckpointError
from t2v.presets import Source


@dataclass(frozen=True, slots=True)
class Listing:
    """What a repository has at one commit."""

    commit: str
    sizes: dict[str, int]  # bytes by file name
    sha256: dict[str, str]  # by file name, of the large files


def cache_folder() -> Path:
    """Where downloaded files lie; HF_HOME moves it."""
    return Path(constants.HF_HUB_CACHE)


def is_offline() -> bool:
    """Whether the network was switched off for everybody, by HF_HUB_OFFLINE=1."""
    return constants.HF_HUB_OFFLINE


def list_files(source: Source, revision: str) -> Listing:
    """Asks for the files of a repository. Needs no account.

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


def cached_file(source: Source, name: str, revision: str) -> Path | None:
    """A file that is in the cache already."""
    path = try_to_load_from_cache(source.repo, name, revision=revision)
    return Path(path) if isinstance(path, str) else None


def download(source: Source, name: str, revision: str) -> Path:
    """Gets one file, with a progress bar; a download that was cut off goes on where it stopped.

    Raises:
        CheckpointError: it could not be got.
    """
    try:
        return Path(hf_hub_download(source.repo, name, revision=revision, token=False))
    except (HTTPError, EntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"{name} of {source.page} could not be downloaded: {_reason(error)}. "
            "The same command goes on where it stopped"
        ) from error


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
