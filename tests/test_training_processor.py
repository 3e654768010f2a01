"""Settings of the processor for training."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from t2v.training import processor
from t2v.training.gradients import Gradients
from t2v.training.processor import autocast, multiplies_bfloat16


CPU = torch.device("cpu")
LARGE_TENSORS = """
import sys, torch
from t2v.training.processor import keep_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1])

if sys.argv[1] == "keep":
    keep_freed_memory()
before = resident()
tensors = [torch.ones(2**24 + i) for i in range(5)]
held = resident()
del tensors
print((resident() - before) / (held - before))
"""


class DtypeStage:
    """Records the precision in which its network computed."""

    def __init__(self):
        self.model = nn.Linear(3, 2)
        self.seen = []

    def losses(self, batch):
        output = self.model(batch)
        self.seen.append(output.dtype)
        return {"loss": output.float().square().mean()}


@pytest.mark.parametrize(
    "capability, avx512_bf16, amx, dtype",
    [
        ("AVX512", False, False, torch.float32),
        ("AVX512", True, False, torch.bfloat16),
        ("AVX512", False, True, torch.bfloat16),
        ("AVX2", True, True, torch.float32),  # by ATEN_CPU_CAPABILITY
    ],
)
def test_a_processor_without_bfloat16_computes_in_float32(
    monkeypatch, capability, avx512_bf16, amx, dtype
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    stage = DtypeStage()
    optimiser = torch.optim.SGD(stage.model.parameters(), 0.1)
    Gradients(stage, optimiser, CPU)(torch.ones(5, 3))
    assert stage.seen == [dtype]
    with autocast(CPU):
        assert stage.model(torch.ones(5, 3)).dtype == dtype


def test_gpus_compute_in_bfloat16(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert multiplies_bfloat16(torch.device("cuda"))


def test_autocast_follows_multiplies_bfloat16(monkeypatch):
    for answer, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(processor, "multiplies_bfloat16", lambda device, answer=answer: answer)
        with autocast(CPU):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator")
def test_large_tensors_keep_their_memory():
    def share_kept(argument):
        command = [sys.executable, "-c", LARGE_TENSORS, argument]
        return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    if share_kept("return") > 0.5:
        pytest.skip("freed memory is kept here in any case")
    assert share_kept("keep") > 0.9
