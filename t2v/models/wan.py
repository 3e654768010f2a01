"""Loads what models of Wan's family share, from diffusers' layout: UMT5, Wan's autoencoder.

Helios and SkyReels-V2 are of that family. The libraries' own `from_pretrained` needs one more
package to build a model without memory for random weights; the "meta" device does the same.
"""

from pathlib import Path

import torch
from diffusers.models import AutoencoderKLWan
from diffusers.models.modeling_utils import ModelMixin
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from t2v.errors import CheckpointError
from t2v.models.encoders import Umt5TextEncoder
from t2v.models.networks import from_config, read_json
from t2v.models.shards import load_shards
from t2v.models.video_autoencoder import VideoAutoencoder


MAX_TOKENS = 512  # of a prompt, as the weights were trained


def load_transformer(
    transformer: ModelMixin, folder: Path, dtype: torch.dtype, hint: str = ""
) -> None:
    """Loads the weights of a transformer, which may be on "meta", for inference.

    Args:
        dtype: what it computes in; some weights stay in float32, as the library keeps them.
        hint: what to do about a missing file: the end of a sentence.

    Raises:
        CheckpointError: files are missing or do not fit.
    """
    kept: set[str] = set(transformer._keep_in_fp32_modules or ())
    load_shards(
        transformer,
        folder,
        lambda key: torch.float32 if kept & set(key.split(".")) else dtype,
        hint,
    )
    transformer.requires_grad_(False).eval()


def load_text_encoder(folder: Path, dtype: torch.dtype, hint: str = "") -> Umt5TextEncoder:
    """Loads UMT5 and its tokenizer from their folders in `folder`.

    Raises:
        CheckpointError: files are missing or do not fit.
    """
    place = folder / "text_encoder"
    with torch.device("meta"):
        model = UMT5EncoderModel(UMT5Config(**read_json(place / "config.json")))
    load_shards(model, place, lambda _: dtype, hint)
    model.requires_grad_(False).eval()
    return Umt5TextEncoder(model, load_tokenizer(folder / "tokenizer"))


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Loads the tokenizer, cut to the length that the weights were trained with.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    try:
        tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"the tokenizer in {folder} cannot be read: {error}") from error
    tokenizer.model_max_length = min(tokenizer.model_max_length, MAX_TOKENS)
    return tokenizer


def load_autoencoder(folder: Path, hint: str = "") -> VideoAutoencoder:
    """Loads Wan's autoencoder, which computes in float32, as all authors run it.

    Raises:
        CheckpointError: files are missing or do not fit.
    """
    with torch.device("meta"):
        vae = from_config(AutoencoderKLWan, folder)
    load_shards(vae, folder, lambda _: torch.float32, hint)
    vae.requires_grad_(False).eval()
    return VideoAutoencoder(vae)
