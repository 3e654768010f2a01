"""Export of trained networks: the folder of weights that a preset names."""

import json
from pathlib import Path

import torch
from diffusers.configuration_utils import ConfigMixin
from torch import nn
from transformers import PreTrainedTokenizerFast

from t2v.models.checkpoints import save_weights
from t2v.training.networks import SIZES
from t2v.worlds.world import World


Quality = dict[str, dict[str, float]]  # measures of each network, by its stage


def export(
    world: World,
    out: Path,
    networks: dict[str, nn.Module],
    tokenizer: PreTrainedTokenizerFast | None,
    quality: Quality,
) -> None:
    """Writes 8-bit safetensors and a config for every network, in a folder each."""
    for name, network in networks.items():
        write_network(network, out / name)
    if tokenizer is not None:
        tokenizer.save_pretrained(out / "tokenizer")
    sizes = SIZES | {"world": world.name}
    (out / "stack.json").write_text(json.dumps(sizes, indent=1) + "\n")
    (out / "quality.json").write_text(json.dumps(quality, indent=1) + "\n")


def write_network(network: nn.Module, folder: Path) -> None:
    """Writes 8-bit weights, and the config of a network that has one."""
    save_weights(network, folder, torch.int8)
    config = getattr(network, "config", None)
    if config is None:
        return
    values = config.to_dict() if hasattr(config, "to_dict") else dict(config)
    # On loading, diffusers replaces the values listed there by its defaults, including the scale
    # of the latents, which is measured after the network is made.
    values.pop("_use_default_values", None)
    if isinstance(network, ConfigMixin):
        values["_class_name"] = type(network).__name__
    text = json.dumps(values, indent=1, default=str, sort_keys=True)
    (folder / "config.json").write_text(text + "\n")
