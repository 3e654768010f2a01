"""Losses of a stage and their gradients; on a GPU as CUDA graphs."""

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from t2v.training.batches import to_device
from t2v.training.processor import autocast
from t2v.training.stage import LossFunction


Recording = tuple[torch.cuda.CUDAGraph, list[Tensor], dict[str, Tensor]]  # inputs and losses


class Gradients:
    """Computes the gradients of the optimiser's parameters and returns the losses.

    A step of our small networks runs thousands of small kernels. Launching them one by one on a GPU
    takes longer than running them, so they are recorded, once per structure of a batch.
    """

    def __init__(self, stage: LossFunction, optimiser: torch.optim.Optimizer, device: torch.device):
        self.stage = stage
        self.optimiser = optimiser
        self.device = device
        self.graphs: dict[str, Recording] = {}

    def __call__(self, batch: Any) -> dict[str, Tensor]:
        if self.device.type != "cuda":
            self.optimiser.zero_grad()
            return self._backward(to_device(batch, self.device))

        structure = str(pytree.tree_map_only(Tensor, lambda tensor: tensor.shape, batch))
        if structure not in self.graphs:
            self.graphs[structure] = self._record(to_device(batch, self.device))
        graph, inputs, losses = self.graphs[structure]
        for graph_input, tensor in zip(inputs, tensors_of(batch), strict=True):
            graph_input.copy_(tensor, non_blocking=True)
        # The graph accumulates into the gradient tensors that existed when it was recorded.
        self.optimiser.zero_grad(set_to_none=False)
        graph.replay()
        return {name: value.clone() for name, value in losses.items()}

    def _backward(self, batch: Any) -> dict[str, Tensor]:
        with autocast(self.device):
            losses = self.stage.losses(batch)
        losses["loss"].backward()
        return {name: value.detach() for name, value in losses.items()}

    def _record(self, batch: Any) -> Recording:
        current, warm_up = torch.cuda.current_stream(), torch.cuda.Stream()
        warm_up.wait_stream(current)
        with torch.cuda.stream(warm_up):
            for _ in range(3):  # kernels are chosen and buffers allocated at the first use
                self._backward(batch)
        current.wait_stream(warm_up)
        graph = torch.cuda.CUDAGraph()
        # Thread-local: another thread keeps fetching batches during the capture.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            losses = self._backward(batch)
        return graph, tensors_of(batch), losses


def tensors_of(batch: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor)]
