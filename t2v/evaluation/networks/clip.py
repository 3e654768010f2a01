"""CLIP score: how well frames fit their prompt, by a CLIP in a local folder.

The paper does not name its CLIP, so the report names ours. The encoders of the paper's own stack
are no whole CLIP: its checkpoint lacks the last layer of the text half (layers 0 to 22 of 24).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from t2v.errors import CheckpointError
from t2v.evaluation.metrics.clip_score import clip_score
from t2v.evaluation.metrics.measurement import Measurement
from t2v.evaluation.networks.loading import check_exists, load_tensors
from t2v.models.encoders import CLIP_MEAN, CLIP_STD
from t2v.weights.safe_load import read_tensors


CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
SOURCE = (
    "it is a folder in OpenCLIP's form, as `hf download "
    "laion/CLIP-ViT-H-14-laion2B-s32B-b79K --local-dir DIR` makes it"
)
BATCH = 16  # frames


class ClipScore:
    """Scores videos with the CLIP in a folder: `open_clip_config.json` and its weights."""

    def __init__(self, folder: Path, device: torch.device | str = "cpu"):
        """Loads CLIP; all files are checked before anything is built.

        Raises:
            CheckpointError: a file is missing, damaged or does not fit, or the model needs more
                than these files.
        """
        weights = find_clip(folder)
        model, preprocess = _read_config(folder / CONFIG)
        tensors = read_tensors(weights)

        from open_clip import CLIP, SimpleTokenizer

        self.name = folder.name
        self._device = torch.device(device)
        self._model = CLIP(**model)
        load_tensors(self._model, tensors, weights)
        self._model.to(self._device)
        self._tokenizer = SimpleTokenizer(context_length=self._model.context_length)
        self._mean = preprocess.get("mean", CLIP_MEAN)
        self._std = preprocess.get("std", CLIP_STD)

    def measure(self, frames: UInt8[np.ndarray, "f h w 3"], prompt: str) -> Measurement:
        """Mean cosine of prompt and frames x 100; see `clip_score`."""
        return clip_score(self.text_embedding(prompt), self.image_embeddings(frames))

    @torch.inference_mode()
    def text_embedding(self, prompt: str) -> Float[np.ndarray, " d"]:
        """Of one prompt; what is beyond CLIP's 77 tokens is cut off."""
        tokens = self._tokenizer([prompt]).to(self._device)
        return self._model.encode_text(tokens)[0].float().cpu().numpy()

    @torch.inference_mode()
    def image_embeddings(self, frames: UInt8[np.ndarray, "f h w 3"]) -> Float[np.ndarray, "f d"]:
        """Of the middle square of every frame, as CLIP was trained."""
        parts = [
            self._model.encode_image(self._pixels(frames[start : start + BATCH]))
            for start in range(0, len(frames), BATCH)
        ]
        if not parts:
            return np.empty((0, self._model.visual.output_dim), np.float32)
        return torch.cat(parts).float().cpu().numpy()

    def _pixels(self, frames: np.ndarray) -> torch.Tensor:
        from torchvision.transforms import InterpolationMode
        from torchvision.transforms.functional import center_crop, normalize, resize

        [height, width] = self._model.visual.image_size
        pixels = torch.tensor(np.asarray(frames), device=self._device)
        pixels = pixels.permute(0, 3, 1, 2).float() / 255
        pixels = resize(pixels, min(height, width), InterpolationMode.BICUBIC, antialias=True)
        pixels = center_crop(pixels.clamp(0, 1), [height, width])
        return normalize(pixels, list(self._mean), list(self._std))


def find_clip(folder: Path) -> Path:
    """The file of weights in the folder of a CLIP.

    Raises:
        CheckpointError: it is not there, or its description is not.
    """
    check_exists(folder / CONFIG, "the CLIP score", SOURCE)
    files = [folder / name for name in WEIGHTS]
    weights = next((file for file in files if file.is_file()), files[0])
    check_exists(weights, "the CLIP score", SOURCE)
    return weights


def _read_config(file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        model, preprocess = config["model_cfg"], config.get("preprocess_cfg", {})
        needs = [
            key for key in ("hf_model_name", "hf_tokenizer_name") if model["text_cfg"].get(key)
        ]
        needs += ["timm_model_name"] if model["vision_cfg"].get("timm_model_name") else []
        needs += ["custom_text"] if model.get("custom_text") else []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file} is no description of a CLIP of OpenCLIP") from error
    if needs:
        raise CheckpointError(
            f"{file} describes a CLIP that needs other libraries ({', '.join(needs)}); "
            "take one with OpenCLIP's own towers, such as ViT-H-14 or ViT-B-32"
        )
    return model, preprocess
