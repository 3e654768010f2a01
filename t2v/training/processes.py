"""The processes that train: one on a GPU, one per core on CPUs."""

import os
import tempfile
import threading

import torch
import torch.distributed as dist
import torch.multiprocessing

from t2v.training.export import export
from t2v.training.options import MAX_PROCESSES, check_processes
from t2v.training.processor import keep_freed_memory
from t2v.training.recipe import SEED, Recipe, Training
from t2v.worlds import find_world


def num_training_processes(requested: int | None) -> int:
    """Number of processes that train: as requested, else one per core, or one on a GPU.

    Raises:
        ConfigError: it is below one, or too high to share a batch.
    """
    if requested is None:
        return 1 if torch.cuda.is_available() else min(os.cpu_count() or 1, MAX_PROCESSES)
    check_processes(requested)
    return requested


def train(training: Training, num_processes: int) -> None:
    """Runs all stages up to the last one asked for, and writes the weights.

    Args:
        num_processes: that train together, each with one thread; 1 on a GPU.
    """
    if num_processes == 1:
        _run_stages(0, 1, training, None)
        return
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(
            _run_stages,
            args=(num_processes, training, f"file://{folder}/rendezvous"),
            nprocs=num_processes,
        )


def _run_stages(rank: int, num_processes: int, training: Training, rendezvous: str | None) -> None:
    """Runs all stages in one of the processes that train together."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    keep_freed_memory()
    if num_processes > 1:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        torch.set_num_threads(1)
        dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=num_processes)
    torch.manual_seed(SEED)  # initial weights; everything else is seeded by its step
    recipe = Recipe(training, find_world(training.world), device, num_processes)
    recipe.train()
    if rank == 0:
        export(recipe.world, training.out, recipe.networks, recipe.tokenizer, recipe.quality)
    if num_processes > 1:
        dist.destroy_process_group()


def _end_with_parent() -> None:
    """Ends this process when the command is killed."""
    if parent := torch.multiprocessing.parent_process():
        parent.join()
    os._exit(1)
