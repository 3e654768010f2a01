"""Converts refiners: ModelScope's MS-Vid2Vid-XL, which is the paper's, and zeroscope_v2_XL.

The second has the same graph in diffusers' form. Only the UNets are needed: the base stack has the
same text encoder, and an autoencoder with the same latents (the paper's refiner has that of Stable
Diffusion 2.1, in a pickle that contains code).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from t2v.models.checkpoints import check_fit, write_weights
from t2v.models.video_unet import VideoUNet
from t2v.weights.convert import MAX_CONVERTED_BYTES, UNET, convert_stock_unet, write_configs
from t2v.weights.key_names import modelscope_names
from t2v.weights.safe_load import read_tensors


CONFIG = UNET | {"downsample_padding": [2, 1], "crop_upsampled_rows": True}


def convert_refiner(
    files: Mapping[str, Path], folder: Path, dtype: str = "float16", config: dict[str, Any] = CONFIG
) -> None:
    """Writes what `load_refiner` reads into an empty folder.

    Args:
        files: by use, as in `presets/modelscope.toml`.
        dtype: of the stored weights.
        config: for other sizes than the paper's.

    Raises:
        CheckpointError: the file is refused or damaged, or does not fit.
    """
    unet = _build_unet(config)
    weights = _Squeezed(read_tensors(files["refiner"]))
    names = modelscope_names(unet)
    expected = {names[ours]: tensor for ours, tensor in unet.state_dict().items()}
    check_fit(weights, expected, "the checkpoint does not fit the refiner")
    write_configs(folder.parent, {folder.name: config})
    parts = ((ours, weights[theirs]) for ours, theirs in names.items())
    write_weights(parts, folder, getattr(torch, dtype), max_file_bytes=MAX_CONVERTED_BYTES)


def convert_stock_refiner(
    files: Mapping[str, Path], folder: Path, dtype: str = "float16", config: dict[str, Any] = UNET
) -> None:
    """Does the same for a refiner that is a UNet3DConditionModel of diffusers.

    Raises:
        CheckpointError: the file is refused or damaged, or does not fit.
    """
    unet = _build_unet(config)
    weights = read_tensors(files["refiner_unet"])
    convert_stock_unet(weights, unet, folder, getattr(torch, dtype))
    write_configs(folder.parent, {folder.name: config})


def _build_unet(config: dict[str, Any]) -> VideoUNet:
    with torch.device("meta"):
        unet = VideoUNet.from_config(config)
    assert isinstance(unet, VideoUNet)
    return unet


class _Squeezed(Mapping[str, Tensor]):
    """Reads convolutions with kernel 1 over time as the linear layers that diffusers has."""

    def __init__(self, weights: Mapping[str, Tensor]):
        self._weights = weights

    def __getitem__(self, key: str) -> Tensor:
        tensor = self._weights[key]
        return tensor.squeeze(-1) if tensor.ndim == 3 else tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)
