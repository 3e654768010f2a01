"""Loads large models in the layout of diffusers, file by file, without a second copy in memory."""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from t2v.errors import CheckpointError
from t2v.models.checkpoints import check_finite, check_fit
from t2v.settings.model_files import weight_files


def load_shards(
    model: nn.Module, folder: Path, dtype_of: Callable[[str], torch.dtype], hint: str = ""
) -> None:
    """Loads the weights of one model, which may be on "meta".

    Names and shapes of all files are compared before the model changes.

    Args:
        dtype_of: what a weight is kept in, by its name.
        hint: what to do about a missing file: the end of a sentence.

    Raises:
        CheckpointError: a file is missing or unreadable, or the weights do not fit; or they are no
            numbers, and of the model only a part is loaded.
    """
    files = weight_files(folder)
    for file in files:
        if not file.is_file():
            raise CheckpointError(f"{folder.name}/{file.name} is missing{hint}")
    found: dict[str, Tensor] = {}
    for file in files:
        found |= _read(file, only_shapes=True)
    # A weight that stands for another is stored once.
    tied = {key: tied_to for key, tied_to in _tied(model).items() if key not in found}
    expected = {key: value for key, value in model.state_dict().items() if key not in tied}
    check_fit(found, expected, f"{folder} does not fit {type(model).__name__}")
    for file in files:
        read = _read(file)
        check_finite(read, file)
        weights = {key: tensor.to(dtype_of(key), copy=True) for key, tensor in read.items()}
        model.load_state_dict(weights, strict=False, assign=True)
    for key, tied_to in tied.items():
        owner, _, name = key.rpartition(".")
        setattr(model.get_submodule(owner), name, model.get_parameter(tied_to))


def _read(file: Path, only_shapes: bool = False) -> dict[str, Tensor]:
    try:
        with safe_open(file, framework="pt") as tensors:
            keys = list(tensors.keys())
            if not only_shapes:
                return {key: tensors.get_tensor(key) for key in keys}
            shapes = {key: tensors.get_slice(key).get_shape() for key in keys}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error
    return {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}


def _tied(model: nn.Module) -> dict[str, str]:
    tied = getattr(model, "_tied_weights_keys", None)
    return dict(tied) if isinstance(tied, dict) else {}
