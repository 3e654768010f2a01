"""Settings of the processor for training: bfloat16 where it is fast, and memory that is kept."""

import ctypes

import torch


# Of the C library's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST_INT = 2**31 - 1


def autocast(device: torch.device) -> torch.autocast:
    """Computes in bfloat16 where the hardware multiplies it, else in float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bfloat16(device))


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster than float32: on GPUs, and with AVX-512 BF16 or AMX.

    Other processors emulate it: a step of the autoencoder took 6.0 s instead of 0.7 s with AVX2.
    """
    if device.type != "cpu":
        return True
    if (
        torch.backends.cpu.get_cpu_capability() != "AVX512"
    ):  # or switched off by ATEN_CPU_CAPABILITY
        return False
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def keep_freed_memory() -> None:
    """Makes glibc keep the memory of large tensors for the next step, in this process.

    By default it returns the memory to the kernel at every step: a third of the training time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
