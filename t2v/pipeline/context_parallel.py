"""Context parallel: several GPUs share every step of Helios, each with a part of the tokens.

Each GPU has a process of its own, started by torchrun, with all weights. All of them draw the same
video from the same noise, and the first one writes it. diffusers splits the tokens between the
layers of a block, and exchanges them in self-attention (Ulysses).
"""

import atexit
from math import ceil
from typing import Any

import torch
import torch.distributed as dist
from diffusers.models import ContextParallelConfig, HeliosTransformer3DModel

from t2v.errors import ConfigError
from t2v.pipeline.helios_stack import HISTORY_SIZES, HeliosStack
from t2v.settings.processes import local_rank, num_processes


def check_gpus(device: torch.device) -> None:
    """Checks that every process of this machine has a GPU.

    Raises:
        ConfigError: there are too few.
    """
    count = torch.cuda.device_count() if device.type == "cuda" else 0
    if local_rank() >= count:
        raise ConfigError(
            f"--context-parallel needs a GPU for each process, and {count} of {num_processes()} "
            "are there"
        )


def join_processes(device: torch.device) -> None:
    """Connects this process with the others, and gives it its GPU.

    Raises:
        ConfigError: there is none for it.
    """
    check_gpus(device)
    if device.type == "cuda":
        torch.cuda.set_device(local_rank())
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    atexit.register(dist.destroy_process_group)


def share_steps(stack: HeliosStack) -> None:
    """Lets the connected processes share the steps of a stack's transformer.

    Raises:
        ConfigError: heads or tokens cannot be shared out among so many.
    """
    transformer, count = stack.transformer, num_processes()
    shared = {transformer.config["num_attention_heads"], *tokens_of_levels(stack)}
    if any(number % count for number in shared):
        height, width = stack.frame_size
        raise ConfigError(
            f"frames of {height} x {width} cannot be shared out among {count} processes: take "
            "another size or number (the preset's own size goes with 2 and 4)"
        )
    transformer.enable_parallelism(
        config=ContextParallelConfig(ulysses_degree=count), cp_plan=plan_of(transformer)
    )


def plan_of(transformer: HeliosTransformer3DModel) -> dict[str, Any]:
    """Diffusers' plan, which names 40 blocks, for the blocks that there are: splits by layer."""
    plan = transformer._cp_plan or {}
    blocks = {f"blocks.{number}" for number in range(len(transformer.blocks))} | {"blocks.*"}
    return {name: part for name, part in plan.items() if name.rpartition(".")[0] in blocks}


def tokens_of_levels(stack: HeliosStack) -> set[int]:
    """Tokens that attention gets at every level: of the chunk alone, and with its history."""
    _, height, width = stack.latent_shape()
    frames, rows, columns = stack.transformer.config["patch_size"]
    far, middle, near = HISTORY_SIZES
    history = sum(
        ceil(length / (frames * scale))
        * ceil(height / (rows * scale))
        * ceil(width / (columns * scale))
        for length, scale in ((1 + near, 1), (middle, 2), (far, 4))
    )
    chunks = {
        stack.chunk_latents // frames * ((height >> level) // rows) * ((width >> level) // columns)
        for level in range(stack.num_levels)
    }
    return chunks | {tokens + history for tokens in chunks}
