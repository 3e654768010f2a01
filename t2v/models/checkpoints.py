"""Weights on the disk: reads and writes them as safetensors, one file or a folder of files.

Weights load completely or not at all: names and shapes are compared before the model changes.
"""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from t2v.errors import CheckpointError
from t2v.models.quantized_files import dequantize, quantize


MAX_FILE_BYTES = 16 * 2**20
MAX_NAMED_KEYS = 5  # per kind of misfit, in an error message


def load_weights(model: nn.Module, path: Path) -> None:
    """Loads weights written by `save_weights`: one safetensors file or a folder of them.

    Raises:
        CheckpointError: they are missing, unreadable, no numbers, or do not fit; the model was not
            changed.
    """
    weights = read_weights(path)
    check_fit(weights, model.state_dict(), f"{path} does not fit {type(model).__name__}")
    _assign(model, weights)


def read_weights(path: Path) -> dict[str, Tensor]:
    """Reads all tensors of a safetensors file or of a folder of them.

    Raises:
        CheckpointError: they are missing, unreadable or no numbers.
    """
    files = sorted(path.glob("*.safetensors")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise CheckpointError(f"no weights at {path}; docs/weights.md says how to get them")
    weights: dict[str, Tensor] = {}
    for file in files:
        try:
            tensors = dequantize(load_file(file))
        except (SafetensorError, OSError, CheckpointError) as error:
            raise CheckpointError(f"{file} cannot be read: {error}") from error
        check_finite(tensors, file)
        weights |= tensors
    return weights


def count_weights(folder: Path) -> int:
    """Counts the numbers in a folder of safetensors files, from their headers.

    Raises:
        CheckpointError: a file cannot be read.
    """
    count = 0
    for file in folder.glob("*.safetensors"):
        try:
            with safe_open(file, framework="pt") as tensors:
                keys = list(tensors.keys())
                count += sum(math.prod(tensors.get_slice(key).get_shape()) for key in keys)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{file} cannot be read: {error}") from error
    return count


def save_weights(model: nn.Module, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Writes the weights as files of at most 16 MB, which every file host takes.

    Args:
        dtype: what floating-point weights are stored as; the model's own by default; int8 is
            `quantized_files`.
    """
    write_weights(model.state_dict().items(), folder, dtype, max_file_bytes=MAX_FILE_BYTES)


def quantize_weights(model: nn.Module) -> None:
    """Rounds a model's weights to what a file of 8-bit weights will hold."""
    weights = model.state_dict()
    for key, weight in weights.items():
        weight.copy_(dequantize(quantize(key, weight))[key])


def write_weights(
    weights: Iterable[tuple[str, Tensor]],
    folder: Path,
    dtype: torch.dtype | None = None,
    *,
    max_file_bytes: int,
) -> None:
    """Writes tensors by name as `load_weights` reads them. Holds one file's tensors at a time.

    Args:
        dtype: what floating-point weights are stored as; their own by default; int8 is
            `quantized_files`.
        max_file_bytes: of one file; only a single larger tensor makes a larger one.

    Raises:
        CheckpointError: a tensor has values that `dtype` cannot hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.safetensors"):
        old.unlink()
    shard: dict[str, Tensor] = {}
    num_bytes = num_files = 0
    for key, tensor in weights:
        stored = _stored(key, tensor, dtype)
        stored_bytes = sum(part.nbytes for part in stored.values())
        if shard and num_bytes + stored_bytes > max_file_bytes:
            save_file(shard, folder / f"{num_files:03d}.safetensors")
            shard, num_bytes, num_files = {}, 0, num_files + 1
        shard |= stored
        num_bytes += stored_bytes
    save_file(shard, folder / f"{num_files:03d}.safetensors")


def _stored(key: str, tensor: Tensor, dtype: torch.dtype | None) -> dict[str, Tensor]:
    """The tensors of a file that hold one weight."""
    if dtype == torch.int8:
        parts = quantize(key, tensor.detach().cpu())
    else:
        parts = {key: tensor.to("cpu", dtype if tensor.is_floating_point() else None)}
    parts = {name: part.contiguous() for name, part in parts.items()}
    for part in parts.values():
        is_changed = part.dtype != tensor.dtype
        if is_changed and not part.isfinite().all() and tensor.isfinite().all():
            raise CheckpointError(f"{key} has values that {part.dtype} cannot hold; use bfloat16")
    return parts


def check_finite(weights: Mapping[str, Tensor], file: Path) -> None:
    """Refuses weights with which every frame would be black.

    Raises:
        CheckpointError: names the tensors that hold NaN or infinity.
    """
    # A sum is NaN or infinite if a value is, and takes a tenth of the time of looking at each; as
    # it may also overflow, it only says where to look.
    keys = [
        key
        for key, tensor in weights.items()
        if tensor.is_floating_point()
        and not tensor.sum(dtype=torch.float32).isfinite()
        and not tensor.isfinite().all()
    ]
    if keys:
        raise CheckpointError(
            f"{file} is damaged: values that are no numbers (NaN or infinite) in "
            f"{_list('of its tensors', keys)}"
        )


def check_fit(
    weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], complaint: str
) -> None:
    """Compares names and shapes; reads no values.

    Raises:
        CheckpointError: begins with `complaint`, and names every kind of misfit.
    """
    misfits = {
        "missing": sorted(expected.keys() - weights.keys()),
        "unexpected": sorted(weights.keys() - expected.keys()),
        "of the wrong shape": [
            f"{key} {list(weights[key].shape)} instead of {list(expected[key].shape)}"
            for key in sorted(expected.keys() & weights.keys())
            if weights[key].shape != expected[key].shape
        ],
    }
    if any(misfits.values()):
        raise CheckpointError(
            f"{complaint}: " + "; ".join(_list(*item) for item in misfits.items())
        )


def _list(kind: str, keys: list[str]) -> str:
    named = ", ".join(keys[:MAX_NAMED_KEYS]) + (", ..." if len(keys) > MAX_NAMED_KEYS else "")
    return f"{len(keys)} keys {kind}" + (f" ({named})" if keys else "")


def _assign(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copies weights into the model, in its own dtypes. A model on "meta" gets its memory here."""
    own = model.state_dict()
    # Copies, because tensors of a file may be badly aligned, and the file may be deleted.
    weights = {key: tensor.to(own[key].dtype, copy=True) for key, tensor in weights.items()}
    is_meta = any(tensor.is_meta for tensor in own.values())
    model.load_state_dict(weights, assign=is_meta)
