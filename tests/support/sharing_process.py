"""One of several processes that share the steps of a Helios on the CPU; torchrun's part is played.

    python -m tests.support.sharing_process WORDS...

diffusers counts accelerators, of which a CPU has none: that there is one for each process is all
that is not real. The words are those of `longtake`.
"""

import sys

import torch

from t2v import cli
from t2v.pipeline import context_parallel


if __name__ == "__main__":
    torch.accelerator.device_count = lambda: 1
    context_parallel.check_gpus = lambda device: None
    sys.exit(cli.main(sys.argv[1:]))
