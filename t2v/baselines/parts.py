"""Loads single models of a baseline from diffusers' layout, by the libraries' own loaders.

They know old names of weights. They only warn about weights that are missing, which is refused
here.
"""

from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers.models.modeling_utils import ModelMixin
from torch import nn
from transformers import CLIPImageProcessor, CLIPTextModel, CLIPTokenizer

from t2v.errors import CheckpointError
from t2v.models.encoders import TextEncoder
from t2v.models.networks import from_config, read_json
from t2v.models.shards import load_shards


Model = TypeVar("Model", bound=nn.Module)
Large = TypeVar("Large", bound=ModelMixin)
Text = TypeVar("Text", bound=TextEncoder)
# Indices that old files hold, and that models compute by themselves now.
COMPUTED = "position_ids"


def load_model(kind: type[Model], folder: Path, dtype: torch.dtype) -> Model:
    """Loads a model of diffusers or transformers for inference.

    Raises:
        CheckpointError: its files are missing or damaged, or do not fit together.
    """
    places = {"local_files_only": True, "use_safetensors": True, "output_loading_info": True}
    loader: Any = kind
    try:
        if issubclass(kind, ModelMixin):
            model, info = loader.from_pretrained(
                folder, torch_dtype=dtype, low_cpu_mem_usage=False, **places
            )
        else:
            model, info = loader.from_pretrained(folder, dtype=dtype, **places)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{folder} cannot be loaded: {reason}") from error
    for what in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        names = sorted(str(name) for name in info[what] if COMPUTED not in str(name))
        if names:
            fault = what.removesuffix("_keys")
            raise CheckpointError(
                f"{folder} does not fit {kind.__name__}: {len(names)} {fault} weights, "
                f"for example {names[0]}"
            )
    model.requires_grad_(False).eval()
    return model


def load_large_model(kind: type[Large], folder: Path, dtype: torch.dtype) -> Large:
    """Loads a large model of diffusers file by file, without random weights before.

    Raises:
        CheckpointError: its files are missing or damaged, or do not fit together.
    """
    builder: Any = kind  # a ConfigMixin as well
    with torch.device("meta"):
        model: Large = from_config(builder, folder)
    load_shards(model, folder, lambda _: dtype)
    model.requires_grad_(False).eval()
    return model


def load_text_encoder(kind: type[Text], folder: Path, dtype: torch.dtype, number: str = "") -> Text:
    """Loads CLIP's text model and its tokenizer.

    Args:
        kind: how the embeddings of the text model are read.
        number: "_2" where it is the second text encoder in the folder.

    Raises:
        CheckpointError: files are missing or damaged.
    """
    model = load_model(CLIPTextModel, folder / f"text_encoder{number}", dtype)
    place = folder / f"tokenizer{number}"
    try:
        tokenizer = CLIPTokenizer.from_pretrained(place, local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"the tokenizer in {place} cannot be read: {error}") from error
    return kind(model, tokenizer)


def load_image_processor(folder: Path) -> CLIPImageProcessor:
    """How pictures are prepared for CLIP.

    Raises:
        CheckpointError: its description is missing or damaged.
    """
    return CLIPImageProcessor(**read_json(folder / "preprocessor_config.json"))


def scheduler_config(folder: Path) -> dict[str, Any]:
    """The noise schedule of the training.

    Raises:
        CheckpointError: its description is missing or damaged.
    """
    return read_json(folder / "scheduler_config.json")
