"""Losses of a stage and their gradients; on a GPU as CUDA graphs."""

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from t2v.training.batches import to_device


class Gradients:
    """Fills the gradients of the optimiser's parameters; returns the losses.

    A network as small as ours is thousands of small kernels a step. On a GPU launching them one by
    one takes longer than running them, so they are recorded, once for each form of batch.
    """

    def __init__(self, stage, optimiser: torch.optim.Optimizer, device: torch.device):
        self.stage = stage
        self.optimiser = optimiser
        self.device = device
        self.graphs = {}

    def __call__(self, batch: Any) -> dict[str, Tensor]:
        if self.device.type != "cuda":
            self.optimiser.zero_grad()
            return self._backward(to_device(batch, self.device))

        form = str(pytree.tree_map_only(Tensor, lambda tensor: tensor.shape, batch))
        if form not in self.graphs:
            self.graphs[form] = self._record(to_device(batch, self.device))
        graph, places, losses = self.graphs[form]
        for place, tensor in zip(places, tensors_of(batch), strict=True):
            place.copy_(tensor, non_blocking=True)
        # The graph adds to the gradients that were there when it was recorded.
        self.optimiser.zero_grad(set_to_none=False)
        graph.replay()
        return {name: value.clone() for name, value in losses.items()}

    def _backward(self, batch: Any) -> dict[str, Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16):
            losses = self.stage.losses(batch)
        losses["loss"].backward()
        return {name: value.detach() for name, value in losses.items()}

    def _record(self, batch: Any) -> tuple[torch.cuda.CUDAGraph, list[Tensor], dict[str, Tensor]]:
        current, aside = torch.cuda.current_stream(), torch.cuda.Stream()
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            for _ in range(3):  # what is chosen, made or cached when it is first needed
                self._backward(batch)
        current.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        # Only this thread may not wait for the GPU: another one goes on fetching batches.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            losses = self._backward(batch)
        return graph, tensors_of(batch), losses


def tensors_of(batch: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor)]
