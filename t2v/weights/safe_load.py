"""Reads tensors from downloaded checkpoints without running any of their code."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from t2v.errors import CheckpointError


class SafetensorsFile(Mapping[str, Tensor]):
    """The tensors of one safetensors file, each read at its first use."""

    def __init__(self, path: Path):
        self._file = safe_open(path, framework="pt")
        self._keys = set(self._file.keys())

    def __getitem__(self, key: str) -> Tensor:
        if key not in self._keys:
            raise KeyError(key)
        return self._file.get_tensor(key)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._keys))

    def __len__(self) -> int:
        return len(self._keys)


def read_tensors(path: Path) -> Mapping[str, Tensor]:
    """Reads the tensors of a checkpoint by name: safetensors, or a pickle of torch or Lightning.

    Values stay on the disk until they are used (only pickles from before torch 1.6 are read at
    once), so a checkpoint may be larger than the memory. Of a Lightning checkpoint only the
    `state_dict` is read.

    Raises:
        CheckpointError: the file is missing or damaged; or it is a pickle that holds more than
            tensors and plain values, and none of it was run.
    """
    try:
        if path.suffix == ".safetensors":
            return SafetensorsFile(path)
        content = _read_pickle(path)
    except UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"{found[1]}, which could run code" if found else "more than tensors"
        raise CheckpointError(
            f"{path.name} is refused: it holds {what}. Nothing of it was run; "
            "weights are tensors and need no code, so do not trust this file"
        ) from error
    except (OSError, RuntimeError, SafetensorError, EOFError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {_first_line(error)}") from error

    weights = content.get("state_dict", content) if isinstance(content, dict) else content
    if not isinstance(weights, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in weights.items()
    ):
        raise CheckpointError(f"{path.name} holds no table of tensors by name")
    return weights


def _read_pickle(path: Path) -> object:
    with path.open("rb") as file:
        is_zip = file.read(2) == b"PK"  # only in this form can tensors stay on the disk
    return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
