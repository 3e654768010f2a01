"""The processes that torchrun has started for one video; without it there is one."""

import os


def num_processes() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """The number of this process among those of its machine, from 0."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_first() -> bool:
    """Whether this process writes what all of them make."""
    return os.environ.get("RANK", "0") == "0"
