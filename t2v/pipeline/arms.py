"""A stack with another way to condition chunks: made untrained, saved, and loaded.

An arm's folder holds what differs from the weights that it began with, as 8-bit weights, and a
record of its training (`arm.json`).
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from t2v.atomic import atomic_write
from t2v.errors import CheckpointError
from t2v.models.cam import FeatureExtractor
from t2v.models.checkpoints import MAX_FILE_BYTES, check_fit, read_weights, write_weights
from t2v.models.known_frames import KnownFrames, MaskedFrames, NoFrames, RepeatedFrame
from t2v.models.networks import read_json
from t2v.models.streaming_unet import StreamingUNet
from t2v.models.video_unet import ENCODER_PARTS
from t2v.pipeline.stack import Stack
from t2v.settings.conditionings import RECORD, Conditioning, arm_folder, find_conditioning
from t2v.settings.presets import Preset
from t2v.weight_hashes import hash_weights


KNOWN_FRAMES = {
    "latents": KnownFrames,
    "masked": MaskedFrames,
    "none": NoFrames,
    "repeated": RepeatedFrame,
}
INJECTOR = "injector"  # in the names of a UNet's parameters


def with_conditioning(stack: Stack, conditioning: Conditioning) -> Stack:
    """The stack with new, untrained conditioning: it draws as without any."""
    config = dict(stack.unet.config) | {"injector": conditioning.injector}
    config.pop("_use_default_values", None)  # it would win over the injector
    unet = StreamingUNet.from_config(config)
    assert isinstance(unet, StreamingUNet)
    kept = {
        name: tensor for name, tensor in stack.unet.state_dict().items() if INJECTOR not in name
    }
    more = unet.num_known_channels
    kept["conv_in.weight"] = pad(kept["conv_in.weight"], (0, 0, 0, 0, 0, more))
    unet.load_state_dict(kept, strict=False)
    nn.Module.to(unet, stack.unet.device, stack.unet.dtype).eval()  # diffusers' own `to` warns
    if conditioning.extractor in KNOWN_FRAMES:
        known_frames = KNOWN_FRAMES[conditioning.extractor](stack.autoencoder)
        return replace(stack, unet=unet, extractor=known_frames.eval())
    assert isinstance(stack.extractor, FeatureExtractor)
    extractor = FeatureExtractor(
        unet, stack.extractor.frame_encoder.channels, conditioning.extractor != "blind"
    )
    return replace(stack, unet=unet, extractor=extractor.eval())


def conditioning_parts(stack: Stack) -> tuple[nn.Module, ...]:
    """What is trained for the conditioning frames.

    Of a network that concatenates, its own first half, of which an extractor is a copy: both kinds
    then learn with about as many parameters.
    """
    if concatenates(stack):
        parts = (getattr(stack.unet, name) for name in ENCODER_PARTS)
        return tuple(part for part in parts if part is not None)
    children = stack.unet.named_children()
    injectors = (child for name, child in children if INJECTOR in name)
    return stack.extractor, *injectors


def concatenates(stack: Stack) -> bool:
    """Whether the base model reads known frames beside the noisy latents, without injectors."""
    return isinstance(stack.unet, StreamingUNet) and stack.unet.num_known_channels > 0


def save_arm(
    stack: Stack, base: Stack, preset: Preset, folder: Path, record: dict[str, Any]
) -> None:
    """Writes what differs from the base, and the record, last: an arm without it is not trained.

    Args:
        base: the stack of `preset` that the arm began with.
        record: what the training was; the name of the conditioning as "arm".
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    write_weights(differing(stack, base), folder, torch.int8, max_file_bytes=MAX_FILE_BYTES)
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    record = record | {"megabytes": round(size / 1e6, 1), "base": base_of(preset)}
    with atomic_write(folder / RECORD) as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def differing(stack: Stack, base: Stack) -> Iterator[tuple[str, Tensor]]:
    """Weights by name: all of the extractor, and of the UNet those that the base has not."""
    before, new = base.unet.state_dict(), new_weights(stack)
    for name, tensor in stack.unet.state_dict().items():
        if name in new or not torch.equal(tensor, before[name]):
            yield f"unet.{name}", tensor
    for name, tensor in stack.extractor.state_dict().items():
        yield f"extractor.{name}", tensor


def new_weights(arm: Stack) -> set[str]:
    """Names of the UNet's weights that an arm never shares with its base."""
    names = {name for name in arm.unet.state_dict() if INJECTOR in name}
    return names | {"conv_in.weight"} if concatenates(arm) else names


def load_arm(stack: Stack, preset: Preset, name: str) -> Stack:
    """The stack of the preset with the conditioning of that name, as it was trained.

    Raises:
        CheckpointError: the weights are missing, damaged, of another conditioning, or began with
            others than the preset's.
    """
    folder = arm_folder(name)
    record = read_record(folder)
    if record["arm"] != name:
        raise CheckpointError(f"{folder} has the weights of {record['arm']!r}, not of {name}")
    if record.get("base") != base_of(preset):
        raise CheckpointError(
            f"{folder} was trained on other weights than those of {preset.name}; "
            f"`longtake train --arm {name}` trains it again"
        )
    arm = with_conditioning(stack, find_conditioning(name))
    networks: dict[str, nn.Module] = {"unet": arm.unet, "extractor": arm.extractor}
    weights = read_weights(folder)
    for part, network in networks.items():
        known = network.state_dict()
        own = {
            key.removeprefix(f"{part}."): tensor
            for key, tensor in weights.items()
            if key.startswith(f"{part}.")
        }
        if part == "unet":
            known = {key: known[key] for key in known.keys() & (own.keys() | new_weights(arm))}
        check_fit(own, known, f"{folder} does not fit arm {name}")
        network.load_state_dict(own, strict=False)
        network.requires_grad_(False).eval()
    return arm


def read_record(folder: Path) -> dict[str, Any]:
    """What an arm is, and how it was trained.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    record = read_json(folder / RECORD)
    if not isinstance(record, dict) or "arm" not in record:
        raise CheckpointError(f"{folder / RECORD} is damaged: it names no arm")
    return record


def base_of(preset: Preset) -> dict[str, str]:
    """Hashes of the weights that arms begin with."""
    hashes = hash_weights(preset.weights_folder)
    return {name: digest for name, digest in hashes.items() if name.startswith("unet/")}
