"""Benchmark: what a step of every stage of training costs here, and what one hour buys.

    python -m benchmarks.training
    python -m benchmarks.training --world storybook --only images | tail -1 | jq .

A table for people, then one line of JSON. On CPUs one process with one thread takes its part of
every batch, as each of the recipe's processes does side by side; averaging gradients is left out.
Networks are untrained, which costs the same.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Iterator

import numpy as np
import torch

from t2v.settings.presets import named_preset
from t2v.training.autoencoder import AutoencoderStage, standardise
from t2v.training.clips import FrozenEncoders
from t2v.training.denoiser import Denoiser
from t2v.training.encoders import EncodersStage
from t2v.training.gradients import Gradients
from t2v.training.probe import ProbeStage
from t2v.training.processes import num_training_processes
from t2v.training.processor import keep_freed_memory, multiplies_bfloat16
from t2v.training.recipe import (
    DIFFUSION_STAGES,
    GPU_BATCHES,
    GPU_BATCHES_OF_ENCODERS,
    STEPS,
    training_steps,
)
from t2v.training.refiner import RefinerStage
from t2v.training.stage import Stage
from t2v.worlds import find_world
from t2v.worlds.world import World


WARM_UP = 2  # steps that are not counted: what is chosen, recorded or allocated when first needed


def new_stages(world: World, device: torch.device) -> Iterator[Stage]:
    """Every stage of the recipe, in its order, with untrained networks."""
    autoencoder = AutoencoderStage(world, 1, device)
    yield autoencoder
    yield ProbeStage(world, 1, device)
    clip = EncodersStage(world, 1, device)
    yield clip
    networks = (autoencoder.model, clip.model.text, clip.model.image)
    for network in networks:
        network.to(device).eval().requires_grad_(False)
    standardise(autoencoder.model, world, device)
    encoders = FrozenEncoders(*networks, device, world)
    for stage in DIFFUSION_STAGES.values():
        yield stage(Denoiser(world).to(device), encoders, 1)
    yield RefinerStage(encoders, 1, named_preset(world.name).refiner)


def measure(
    stage: Stage, device: torch.device, batch_scale: float, num_steps: int
) -> dict[str, float]:
    """Medians over `num_steps` steps: seconds for drawing a batch, and for all that follows."""
    stage.model.to(device).train()
    groups = stage.parameter_groups()
    optimiser = torch.optim.AdamW(groups, 1e-6, fused=True)
    gradients = Gradients(stage, optimiser, device)
    # Other programs take the processor away, but not from this clock; a GPU has its own.
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    drawing, learning = [], []
    for step in range(WARM_UP + num_steps):
        started = clock()
        batch = stage.draw(np.random.default_rng(step), batch_scale)
        drawn = clock()
        gradients(batch)
        optimiser.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        drawing.append(drawn - started)
        learning.append(clock() - drawn)
    return {
        "drawing": statistics.median(drawing[WARM_UP:]),
        "learning": statistics.median(learning[WARM_UP:]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world", default="shapes")
    parser.add_argument("--only", nargs="*", choices=list(STEPS), default=list(STEPS))
    parser.add_argument("--steps", type=int, default=5, help="that are measured, of every stage")
    options = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    has_gpu = device.type == "cuda"
    processes = num_training_processes(None)
    if not has_gpu:
        torch.set_num_threads(1)
    keep_freed_memory()
    recipe, _ = training_steps([], None)

    print(f"{'stage':14}{'drawing':>9}{'learning':>10}{'steps an hour':>15}{'recipe, hours':>15}")
    rows = {}
    for stage in new_stages(find_world(options.world), device):
        if stage.name not in options.only:
            continue
        gpu_batches = GPU_BATCHES_OF_ENCODERS if stage.name == "encoders" else GPU_BATCHES
        batch_scale = gpu_batches if has_gpu else 1 / processes
        row = measure(stage, device, batch_scale, options.steps)
        # With a GPU, other processes draw.
        seconds = row["learning"] + (0 if has_gpu else row["drawing"])
        row |= {"steps_an_hour": 3600 / seconds, "hours": recipe[stage.name] * seconds / 3600}
        rows[stage.name] = row
        print(f"{stage.name:14}{row['drawing']:8.3f}s{row['learning']:9.3f}s"
              f"{row['steps_an_hour']:15.0f}{row['hours']:15.2f}", flush=True)  # fmt: skip
    result = {
        "world": options.world,
        "stages": rows,
        "hours": sum(row["hours"] for row in rows.values()),
        "device": torch.cuda.get_device_name() if has_gpu else platform.machine(),
        "bfloat16": multiplies_bfloat16(device),
        "processes": processes,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }
    print(f"all of them: {result['hours']:.1f} hours with {processes} processes")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
