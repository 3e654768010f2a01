"""What the training loop asks of a stage."""

from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import UInt8
from torch import Tensor, nn


M = TypeVar("M", bound=nn.Module)
ParameterGroups = list[dict[str, Any]]  # as torch's optimisers take them


@runtime_checkable
class BatchSource(Protocol):
    """Draws batches on the CPU."""

    name: str

    def draw(self, rng: np.random.Generator, batch_scale: float) -> Any:
        """Draws tensors on the CPU, in tuples and dictionaries.

        Args:
            batch_scale: batches that are drawn at once; below 1, a part of one.
        """
        ...


@runtime_checkable
class LossFunction(Protocol):
    """Computes the losses of a batch."""

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Computes the entry "loss", which is minimised, and others, which are logged.

        The batch is on the device, and its tuples have become lists.
        """
        ...


@runtime_checkable
class Stage(BatchSource, LossFunction, Protocol[M]):
    """One stage of the recipe: a model, its batches and its losses."""

    num_steps: int
    learning_rate: float
    last_rate: float  # share of the learning rate that is left at the end
    model: M  # everything that is trained and everything that is saved

    def parameter_groups(self) -> ParameterGroups:
        """Groups for the optimiser; `rate` in a group multiplies the learning rate."""
        ...

    def sheet(self, model: M) -> UInt8[np.ndarray, "h w 3"]:
        """Draws a picture of samples, made with the averaged weights."""
        ...
