"""One training loop for every stage: warm-up and cosine, EMA, log, checkpoints, sample sheets.

A stage can be killed at any moment; started again, it goes on from its last checkpoint. Several
processes may train together (one thread each is the fastest way to use the cores of a busy CPU):
every one draws its share of the batch, and gradients are averaged.
"""

import json
import math
import time
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import imageio.v3 as imageio
import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import UInt8
from torch import Tensor, nn
from tqdm import tqdm

from t2v.atomic import atomic_write
from t2v.training.batches import batches
from t2v.training.gradients import Gradients


WARM_UP_STEPS = 100
CHECKPOINT_SECONDS = 120.0
SHEET_SECONDS = 420.0
LOG_STEPS = 25


@runtime_checkable
class Stage(Protocol):
    """What the loop needs to know of a stage."""

    name: str
    num_steps: int
    learning_rate: float
    last_rate: float  # share of the learning rate that is left at the end
    model: nn.Module  # everything that is trained and everything that is saved

    def parameter_groups(self) -> list[dict]:
        """For the optimiser; `rate` in a group multiplies the learning rate."""
        ...

    def draw(self, rng: np.random.Generator, share: float) -> Any:
        """Draws a share of a batch: tensors on the CPU, in tuples and dictionaries."""
        ...

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """The entry "loss" is minimised, the others are logged. The batch is on the device."""
        ...

    def sheet(self, model: nn.Module) -> UInt8[np.ndarray, "h w 3"]:
        """A picture for people, made with the averaged weights."""
        ...


class Average:
    """Exponential moving average of a model's weights, with a warm start."""

    def __init__(self, model: nn.Module, decay: float = 0.999):
        self.model = deepcopy(model).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int):
        decay = min(self.decay, (1 + step) / (10 + step))
        averages, values = list(self.model.parameters()), list(model.parameters())
        torch._foreach_lerp_(averages, [v.detach() for v in values], 1 - decay)
        for average, value in zip(self.model.buffers(), model.buffers(), strict=True):
            average.copy_(value)


def learning_rate_factor(step: int, num_steps: int, last: float) -> float:
    """Linear warm-up, flat for a third of the way, then a cosine from 1 to `last`."""
    warm_up = min(1.0, (step + 1) / WARM_UP_STEPS)
    late = max(0.0, step / num_steps - 1 / 3) * 1.5
    return warm_up * (last + (1 - last) * 0.5 * (1 + math.cos(math.pi * min(late, 1.0))))


def run_stage(
    stage: Stage, folder: Path, device: torch.device, seed: int, share: float = 1.0
) -> nn.Module:
    """Trains the stage to its end, or from where it was left, and returns the averaged model.

    Args:
        share: of the stage's batch that every process draws; above 1, several batches.

    Writes to `folder`: `<name>.pt` (checkpoint), `<name>.jsonl` (log), `<name>.png` (samples).
    """
    rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
    folder.mkdir(parents=True, exist_ok=True)
    stage.model.to(device).train()
    optimiser = torch.optim.AdamW(
        stage.parameter_groups(),
        stage.learning_rate,
        betas=(0.9, 0.99),
        weight_decay=0.01,
        fused=True,
    )
    # What is in no group rests. Gradients there would never be cleared nor shared between
    # processes, and yet count when gradients are clipped.
    trained = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    stage.model.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
    average = Average(stage.model)
    step = _resume(folder / f"{stage.name}.pt", stage.model, average, optimiser, device)

    gradients = Gradients(stage, optimiser, device)

    last_checkpoint = last_sheet = time.monotonic()
    log: list[dict[str, Tensor]] = []
    bar = tqdm(
        total=stage.num_steps, initial=step, desc=stage.name, mininterval=5, disable=rank > 0
    )
    for step_seed, batch in batches(stage, range(step, stage.num_steps), seed, rank, share, device):
        factor = learning_rate_factor(step, stage.num_steps, stage.last_rate)
        for group in optimiser.param_groups:
            group["lr"] = stage.learning_rate * factor * group.get("rate", 1.0)

        torch.manual_seed(step_seed)
        losses = gradients(batch)
        if world > 1:
            _average_gradients(trained, world)
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        step += 1
        average.update(stage.model, step)

        if rank > 0:
            continue
        bar.update()
        log.append(losses)
        if step % LOG_STEPS == 0 or step == stage.num_steps:
            entry = {"step": step, "time": round(time.time()), **_means(log)}
            with (folder / f"{stage.name}.jsonl").open("a") as file:
                file.write(json.dumps(entry) + "\n")
            bar.set_postfix(loss=entry["loss"])
            log = []
        now = time.monotonic()
        if now - last_checkpoint > CHECKPOINT_SECONDS or step == stage.num_steps:
            _save(folder / f"{stage.name}.pt", stage.model, average, optimiser, step)
            last_checkpoint = now
        if now - last_sheet > SHEET_SECONDS or step == stage.num_steps:
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
                imageio.imwrite(folder / f"{stage.name}.png", stage.sheet(average.model))
            last_sheet = time.monotonic()
    bar.close()
    return average.model


def _means(log: list[dict[str, Tensor]]) -> dict[str, float]:
    """Of every loss, over the steps that had it."""
    means = {name: torch.stack([entry[name] for entry in log]).nanmean() for name in log[0]}
    return {name: round(float(mean), 5) for name, mean in means.items() if mean.isfinite()}


def _average_gradients(parameters: list[nn.Parameter], world: int):
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    parts = (flat / world).split([gradient.numel() for gradient in gradients])
    for parameter, gradient, part in zip(parameters, gradients, parts, strict=True):
        # Into the old places: AdamW pairs the numbers of weight and gradient as they lie in memory.
        parameter.grad = gradient.copy_(part.view(gradient.shape))


def _save(path: Path, model: nn.Module, average: Average, optimiser, step: int):
    state = {
        "model": model.state_dict(),
        "average": average.model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
    }
    with atomic_write(path) as part:
        torch.save(state, part)


def _resume(path: Path, model: nn.Module, average: Average, optimiser, device) -> int:
    if not path.is_file():
        return 0
    state = torch.load(path, map_location=device, weights_only=True)
    model.load_state_dict(state["model"])
    average.model.load_state_dict(state["average"])
    if "optimiser" in state:  # else it begins anew
        optimiser.load_state_dict(state["optimiser"])
    return state["step"]
