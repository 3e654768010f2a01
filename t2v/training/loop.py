"""One training loop for every stage: warm-up and cosine, EMA, log, checkpoints, sample sheets.

A killed stage continues from its last checkpoint when it is started again. Several processes may
train together (one thread each uses the cores of a busy CPU fastest): each draws its share of the
batch, and gradients are averaged.
"""

import json
import math
import time
from copy import deepcopy
from pathlib import Path
from typing import Generic

import imageio.v3 as imageio
import torch
import torch.distributed as dist
from torch import Tensor, nn
from tqdm import tqdm

from t2v.atomic import atomic_write
from t2v.training.batches import batches
from t2v.training.gradients import Gradients
from t2v.training.processor import autocast
from t2v.training.stage import M, Stage


AVERAGE_DECAY = 0.999  # of the moving average of the weights
WARM_UP_STEPS = 100
CHECKPOINT_SECONDS = 120.0
SHEET_SECONDS = 420.0
LOG_STEPS = 25


class Average(Generic[M]):
    """Exponential moving average of a model's weights, with a warm start."""

    def __init__(self, model: M):
        self.model = deepcopy(model).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, model: M, step: int) -> None:
        decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
        averages: list[Tensor] = list(self.model.parameters())
        values = [parameter.detach() for parameter in model.parameters()]
        torch._foreach_lerp_(averages, values, 1 - decay)
        for average, value in zip(self.model.buffers(), model.buffers(), strict=True):
            average.copy_(value)


def learning_rate_factor(step: int, num_steps: int, last: float) -> float:
    """Linear warm-up, flat for a third of the way, then a cosine from 1 to `last`."""
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    late = max(0.0, step / num_steps - 1 / 3) * 1.5
    return warm_up * (last + (1 - last) * 0.5 * (1 + math.cos(math.pi * min(late, 1.0))))


def run_stage(
    stage: Stage[M], folder: Path, device: torch.device, seed: int, batch_scale: float = 1.0
) -> M:
    """Trains the stage to its end, or on from its checkpoint, and returns the averaged model.

    Args:
        batch_scale: batches of the stage that every process draws at once; below 1, a part of one.

    Writes to `folder`: `<name>.pt` (checkpoint), `<name>.jsonl` (log), `<name>.png` (samples).
    """
    rank, world_size = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    folder.mkdir(parents=True, exist_ok=True)
    stage.model.to(device).train()
    optimiser = _optimiser_of(stage)
    trained = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    average = Average(stage.model)
    step = _resume(folder / f"{stage.name}.pt", stage.model, average, optimiser, device)
    gradients = Gradients(stage, optimiser, device)
    writer = _Writer(stage, average, optimiser, folder, device) if rank == 0 else None

    bar = tqdm(
        total=stage.num_steps, initial=step, desc=stage.name, mininterval=5, disable=rank > 0
    )
    steps = range(step, stage.num_steps)
    for step_seed, batch in batches(stage, steps, seed, rank, batch_scale, device):
        factor = learning_rate_factor(step, stage.num_steps, stage.last_rate)
        for group in optimiser.param_groups:
            group["lr"] = stage.learning_rate * factor * group.get("rate", 1.0)

        torch.manual_seed(step_seed)
        losses = gradients(batch)
        if world_size > 1:
            _average_gradients(trained, world_size)
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        step += 1
        average.update(stage.model, step)

        bar.update()
        if writer and (loss := writer.write(step, losses)) is not None:
            bar.set_postfix(loss=loss)
    bar.close()
    return average.model


def _optimiser_of(stage: Stage[M]) -> torch.optim.Optimizer:
    """Makes the optimiser, and freezes all parameters that are in none of its groups.

    Gradients of the others would never be cleared nor averaged over processes, and yet count when
    gradients are clipped.
    """
    optimiser = torch.optim.AdamW(
        stage.parameter_groups(),
        stage.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        fused=True,
    )
    stage.model.requires_grad_(False)
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            parameter.requires_grad_(True)
    return optimiser


class _Writer(Generic[M]):
    """Writes the log, checkpoints and sample sheets of a stage."""

    def __init__(
        self,
        stage: Stage[M],
        average: Average[M],
        optimiser: torch.optim.Optimizer,
        folder: Path,
        device: torch.device,
    ):
        self.stage = stage
        self.average = average
        self.optimiser = optimiser
        self.path = folder / stage.name
        self.device = device
        self.log: list[dict[str, Tensor]] = []
        self.last_checkpoint = self.last_sheet = time.monotonic()

    def write(self, step: int, losses: dict[str, Tensor]) -> float | None:
        """Writes what is due after a step; returns the mean loss if it was logged."""
        self.log.append(losses)
        is_last = step == self.stage.num_steps
        loss = self._write_log(step) if step % LOG_STEPS == 0 or is_last else None
        now = time.monotonic()
        if now - self.last_checkpoint > CHECKPOINT_SECONDS or is_last:
            path = self.path.with_suffix(".pt")
            _save(path, self.stage.model, self.average, self.optimiser, step)
            self.last_checkpoint = now
        if now - self.last_sheet > SHEET_SECONDS or is_last:
            with torch.no_grad(), autocast(self.device):
                imageio.imwrite(self.path.with_suffix(".png"), self.stage.sheet(self.average.model))
            self.last_sheet = time.monotonic()
        return loss

    def _write_log(self, step: int) -> float:
        entry = {"step": step, "time": round(time.time()), **_means(self.log)}
        with self.path.with_suffix(".jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")
        self.log = []
        return entry["loss"]


def _means(log: list[dict[str, Tensor]]) -> dict[str, float]:
    """Means of every loss, over the steps that had it."""
    means = {name: torch.stack([entry[name] for entry in log]).nanmean() for name in log[0]}
    return {name: round(float(mean), 5) for name, mean in means.items() if mean.isfinite()}


def _average_gradients(parameters: list[nn.Parameter], world_size: int) -> None:
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    parts = (flat / world_size).split([gradient.numel() for gradient in gradients])
    for parameter, gradient, part in zip(parameters, gradients, parts, strict=True):
        # In place: the fused AdamW pairs weights and gradients by their order in memory.
        parameter.grad = gradient.copy_(part.view(gradient.shape))


def _save(
    path: Path, model: M, average: Average[M], optimiser: torch.optim.Optimizer, step: int
) -> None:
    state = {
        "model": model.state_dict(),
        "average": average.model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
    }
    with atomic_write(path) as part:
        torch.save(state, part)


def _resume(
    path: Path,
    model: M,
    average: Average[M],
    optimiser: torch.optim.Optimizer,
    device: torch.device,
) -> int:
    """Restores a checkpoint, if there is one; returns the number of steps that it has seen."""
    if not path.is_file():
        return 0
    state = torch.load(path, map_location=device, weights_only=True)
    model.load_state_dict(state["model"])
    average.model.load_state_dict(state["average"])
    if "optimiser" in state:  # without it, the optimiser starts from its initial state
        optimiser.load_state_dict(state["optimiser"])
    return state["step"]
