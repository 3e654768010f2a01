"""Refiners, rewritten for our RefinerUNet: ModelScope's MS-Vid2Vid-XL, which is the paper's, and
zeroscope_v2_XL, which has the same graph in diffusers' form.

Only their UNets are needed. Their text encoder is the one of the base stack, and the autoencoder
(of the paper's: Stable Diffusion 2.1's, in a pickle that holds code) has the latents of the base
stack's.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from t2v.checkpoints import check_fit, modelscope_names, write_weights
from t2v.models.refiner_unet import RefinerUNet
from t2v.weights.modelscope import MAX_FILE_BYTES, UNET, convert_stock_unet, write_configs
from t2v.weights.pickles import read_tensors


CONFIG = UNET | {"downsample_padding": [2, 1], "crop_upsampled_rows": True}


def convert_refiner(
    files: Mapping[str, Path], folder: Path, dtype: str = "float16", config: dict = CONFIG
) -> None:
    """Writes what `load_refiner` reads into an empty folder.

    Args:
        files: by use, as in `presets/modelscope.toml`.
        config: other sizes than the paper's.

    Raises:
        CheckpointError: the file is refused or damaged, or does not fit; it names the misfits.
    """
    with torch.device("meta"):
        unet = RefinerUNet.from_config(config)
    weights = _Squeezed(read_tensors(files["refiner"]))
    names = modelscope_names(unet)
    expected = {names[ours]: tensor for ours, tensor in unet.state_dict().items()}
    check_fit(weights, expected, "the checkpoint does not fit the refiner")
    write_configs(folder.parent, {folder.name: config})
    parts = ((ours, weights[theirs]) for ours, theirs in names.items())
    write_weights(parts, folder, getattr(torch, dtype), max_file_bytes=MAX_FILE_BYTES)


def convert_stock_refiner(
    files: Mapping[str, Path], folder: Path, dtype: str = "float16", config: dict = UNET
) -> None:
    """The same for a refiner that is a UNet3DConditionModel of diffusers.

    Raises:
        CheckpointError: the file is refused or damaged, or does not fit; it names the misfits.
    """
    with torch.device("meta"):
        unet = RefinerUNet.from_config(config)
    weights = read_tensors(files["refiner_unet"])
    convert_stock_unet(weights, unet, folder, getattr(torch, dtype))
    write_configs(folder.parent, {folder.name: config})


class _Squeezed(Mapping):
    """Convolutions with kernel 1 over time as the linear layers that they are."""

    def __init__(self, weights: Mapping[str, Tensor]):
        self._weights = weights

    def __getitem__(self, key: str) -> Tensor:
        tensor = self._weights[key]
        return tensor.squeeze(-1) if tensor.ndim == 3 else tensor

    def __iter__(self):
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)
