"""Batches, drawn on CPUs: by separate processes next to a GPU, else by the training process."""

import os
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils.data import DataLoader, Dataset

from t2v.training.stage import BatchSource


class BatchOfStep(Dataset[tuple[int, Any]]):
    """Batches by the number of their step.

    The randomness of a step depends on that number alone, so a resumed run draws the same batches.
    """

    def __init__(self, source: BatchSource, seed: int, rank: int, batch_scale: float):
        self.source = source
        self.seed = [seed, rank, *source.name.encode()]
        self.batch_scale = batch_scale

    def __getitem__(self, step: int) -> tuple[int, Any]:
        """Draws a seed for all other randomness of the step, and the batch."""
        rng = np.random.default_rng([*self.seed, step])
        return int(rng.integers(2**62)), self.source.draw(rng, self.batch_scale)


def batches(
    source: BatchSource,
    steps: range,
    seed: int,
    rank: int,
    batch_scale: float,
    device: torch.device,
) -> DataLoader:
    """Loads the batches of `steps`, in their order, on the CPU.

    Args:
        batch_scale: batches that are drawn at once; below 1, a part of one.
    """
    has_gpu = device.type == "cuda"
    return DataLoader(
        BatchOfStep(source, seed, rank, batch_scale),
        batch_size=None,
        sampler=steps,
        num_workers=max(1, (os.cpu_count() or 1) - 1) if has_gpu else 0,
        multiprocessing_context="fork" if has_gpu else None,
        pin_memory=has_gpu,
    )


def scaled_size(batch_size: int, batch_scale: float) -> int:
    """How many items are drawn, at least 1."""
    return max(1, round(batch_size * batch_scale))


def to_device(batch: Any, device: torch.device) -> Any:
    """Moves all tensors of tuples and dictionaries."""
    return pytree.tree_map_only(Tensor, lambda tensor: tensor.to(device, non_blocking=True), batch)


def mean_of(values: Float[Tensor, "*b"], chosen: Bool[Tensor, "*b"]) -> Float[Tensor, ""]:
    """Mean of the chosen values; NaN if there are none. Does not synchronise with the device."""
    return torch.where(chosen, values, 0).sum() / chosen.sum()
