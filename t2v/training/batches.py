"""Batches, drawn on CPUs: beside a GPU by processes of their own, else by the one that trains."""

import os
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils.data import DataLoader, Dataset


class BatchOfStep(Dataset):
    """Batches by the number of their step.

    Randomness of a step depends on that number alone, so that a resumed run draws the same.
    """

    def __init__(self, stage, seed: int, rank: int, share: float):
        self.stage = stage
        self.seed = [seed, rank, *stage.name.encode()]
        self.share = share

    def __getitem__(self, step: int) -> tuple[int, Any]:
        """A seed for all other randomness of the step, and the batch."""
        rng = np.random.default_rng([*self.seed, step])
        return int(rng.integers(2**62)), self.stage.draw(rng, self.share)


def batches(
    stage, steps: range, seed: int, rank: int, share: float, device: torch.device
) -> DataLoader:
    """The batches of `steps`, in their order, on the CPU.

    Args:
        share: of a batch that is drawn; above 1, several.
    """
    workers = {}
    if device.type == "cuda":
        workers = {
            "num_workers": max(1, (os.cpu_count() or 1) - 1),
            "multiprocessing_context": "fork",
            "pin_memory": True,
        }
    return DataLoader(
        BatchOfStep(stage, seed, rank, share), batch_size=None, sampler=steps, **workers
    )


def part(count: int, share: float) -> int:
    """So many of a batch; at least one."""
    return max(1, round(count * share))


def to_device(batch: Any, device: torch.device) -> Any:
    """Moves all tensors of tuples and dictionaries."""
    return pytree.tree_map_only(Tensor, lambda tensor: tensor.to(device, non_blocking=True), batch)


def mean_of(values: Float[Tensor, " b"], chosen: Bool[Tensor, " b"]) -> Float[Tensor, ""]:
    """Mean of the chosen values; NaN where there are none. Nothing waits for how many they are."""
    return torch.where(chosen, values, 0).sum() / chosen.sum()
