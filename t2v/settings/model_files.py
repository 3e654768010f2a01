"""Folders of models in the layout of diffusers: which files belong together, and which are missing.

    transformer/config.json  diffusion_pytorch_model.safetensors, or an index and its parts
    text_encoder/config.json model.safetensors, or an index and its parts
    tokenizer/tokenizer.json

Nothing here loads torch.
"""

import json
from pathlib import Path

from t2v.errors import CheckpointError


WEIGHTS_NAMES = ("diffusion_pytorch_model", "model")  # of diffusers and of transformers


def draws_image_first(folder: Path) -> bool:
    """Whether a stack in our own layout draws its first chunk from an image."""
    try:
        sizes = json.loads((folder / "stack.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # loading it says what is wrong
        return False
    return isinstance(sizes, dict) and sizes.get("image_first") is True


def weight_files(folder: Path) -> list[Path]:
    """The files of the weights of one model, whether or not they are there.

    Raises:
        CheckpointError: the index of a model in parts is damaged.
    """
    for name in WEIGHTS_NAMES:
        index = folder / f"{name}.safetensors.index.json"
        if not index.is_file():
            continue
        try:
            names = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{index} is damaged: {error}") from error
        # Only the names of files in this folder: an index is a file from somewhere else.
        return [folder / Path(str(part)).name for part in sorted(names)]
    singles = [folder / f"{name}.safetensors" for name in WEIGHTS_NAMES]
    return [next((single for single in singles if single.is_file()), singles[0])]


def missing_file(folder: Path, needed: tuple[str, ...]) -> str | None:
    """The first file that is not there, by its path in the folder; None if all are.

    Args:
        needed: files by their paths; of a `config.json`, the weights beside it as well.

    Raises:
        CheckpointError: the index of a model in parts is damaged.
    """
    for name in needed:
        path = folder / name
        files = [path]
        if path.name == "config.json":
            files += weight_files(path.parent)
        for file in files:
            if not file.is_file():
                return file.relative_to(folder).as_posix()
    return None
