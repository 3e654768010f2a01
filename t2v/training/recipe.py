"""`python -m t2v train --out assets/shapes`: from nothing to the weights of the `shapes` stack.

renderer -> autoencoder -> small CLIP -> images -> clips -> CAM -> APM -> world -> guidance ->
refiner -> probe. Every stage leaves `<work>/<stage>.pt`, `.jsonl` (log) and `.png` (samples);
killed, it goes on where it was.
"""

import json
import os
import tempfile
import threading
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing
from torch import nn

from t2v.checkpoints import save_weights
from t2v.errors import ConfigError
from t2v.presets import named_preset
from t2v.training.autoencoder import AutoencoderStage, psnr, standardise
from t2v.training.clips import Teachers
from t2v.training.diffusion import (
    ApmStage,
    CamStage,
    ClipsStage,
    Denoiser,
    ImagesStage,
    WorldStage,
)
from t2v.training.distillation import GuidanceStage
from t2v.training.encoders import EncodersStage, recall
from t2v.training.loop import run_stage
from t2v.training.networks import SIZES
from t2v.training.probe import ProbeStage, accuracy
from t2v.training.refiner import RefinerStage


# Steps of every stage, on a GPU.
STEPS = {
    "autoencoder": 1900,
    "encoders": 900,
    "images": 1400,
    "clips": 625,
    "cam": 300,
    "apm": 475,
    "world": 1500,
    "guidance": 560,
    "refiner": 1700,
    "probe": 2000,
}
DIFFUSION_STAGES = {
    "images": ImagesStage,
    "clips": ClipsStage,
    "cam": CamStage,
    "apm": ApmStage,
    "world": WorldStage,
    "guidance": GuidanceStage,
}
SEED = 0
GPU_SHARE = 4.0  # batches a step: an H200 takes 152 ms for four of the world's, 257 ms for eight
GPU_SHARE_OF_ENCODERS = 2.0  # more captions than CPUs can write beside it
MORE_ON_CPUS = 2  # times the steps of the diffusion stages, which take one batch there
MAX_PROCESSES = 4  # every one takes its share of every batch, and the smallest has 4 clips


def train(out: Path, work: Path, steps: dict[str, int], num_processes: int, until: str) -> None:
    """Runs all stages up to `until` and writes the weights to `out`.

    Args:
        steps: of each stage.
        num_processes: that train together, each with one thread; 1 on a GPU.
    """
    if num_processes == 1:
        _run_stages(0, 1, out, work, steps, until, None)
        return
    # Read by the C library when a process starts. It else gives large tensors back to the kernel
    # and asks for them again at every step: a third of the time.
    os.environ |= {"MALLOC_MMAP_THRESHOLD_": "2000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(
            _run_stages,
            args=(num_processes, out, work, steps, until, f"file://{folder}/rendezvous"),
            nprocs=num_processes,
        )


def _run_stages(
    rank: int, world: int, out: Path, work: Path, steps: dict, until: str, rendezvous: str | None
):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if world > 1:
        threading.Thread(target=_end_with_parent, daemon=True).start()
        torch.set_num_threads(1)
        dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=world)
    torch.manual_seed(SEED)  # first weights; everything else is seeded by its step
    names = list(STEPS)
    wanted = names[: names.index(until) + 1]
    quality = {}

    def run(stage, gpu_share: float = GPU_SHARE) -> nn.Module:
        share = gpu_share if device.type == "cuda" else 1 / world
        return run_stage(stage, work, device, SEED, share)

    autoencoder = run(AutoencoderStage(steps["autoencoder"], device)).eval()
    standardise(autoencoder, device)
    quality["autoencoder"] = {"psnr_db": psnr(autoencoder, device)}
    modules = {"autoencoder": autoencoder.vae}
    if "encoders" in wanted:
        clip = run(EncodersStage(steps["encoders"], device), GPU_SHARE_OF_ENCODERS).eval()
        quality["encoders"] = recall(clip, device)
        modules |= {"text_encoder": clip.text.model, "image_encoder": clip.image.model}

    stages = [name for name in DIFFUSION_STAGES if name in wanted]
    if stages:
        teachers = Teachers(autoencoder, clip.text, clip.image, device)
        denoiser = Denoiser().to(device)
        for name in stages:
            denoiser = run(DIFFUSION_STAGES[name](denoiser, teachers, steps[name]))
        modules |= {
            "unet": denoiser.unet,
            "extractor": denoiser.extractor,
            "anchor_tokens": denoiser.anchor_tokens,
        }
    if "refiner" in wanted:
        settings = named_preset("shapes").refiner
        modules["refiner"] = run(RefinerStage(teachers, steps["refiner"], settings))
    if "probe" in wanted:
        probe = run(ProbeStage(steps["probe"], device)).eval()
        quality["probe"] = accuracy(probe, device)
        modules["probe"] = probe
    if rank == 0:
        export(out, modules, clip.text.tokenizer if "encoders" in wanted else None, quality)
    if world > 1:
        dist.destroy_process_group()


def _end_with_parent():
    """Nobody goes on training after the command was killed."""
    torch.multiprocessing.parent_process().join()
    os._exit(1)


def export(out: Path, modules: dict[str, nn.Module], tokenizer, quality: dict) -> None:
    """Half-precision safetensors, a folder a network, with the config to build it again."""
    for name, module in modules.items():
        save_weights(module, out / name, torch.float16)
        if hasattr(module, "config"):
            config = module.config
            values = config.to_dict() if hasattr(config, "to_dict") else dict(config)
            # On loading, diffusers puts its defaults in the place of all that is listed there,
            # even of what was measured afterwards: the scale of the latents.
            values.pop("_use_default_values", None)
            text = json.dumps(values, indent=1, default=str, sort_keys=True)
            (out / name / "config.json").write_text(text + "\n")
    if tokenizer is not None:
        tokenizer.save_pretrained(out / "tokenizer")
    (out / "stack.json").write_text(json.dumps(SIZES, indent=1) + "\n")
    (out / "quality.json").write_text(json.dumps(quality, indent=1) + "\n")


def num_training_processes(asked: int | None) -> int:
    """How many processes train: as asked for, else one a core, or a single one on a GPU.

    Raises:
        ConfigError: fewer than one, or more than can share a batch.
    """
    if asked is None:
        return 1 if torch.cuda.is_available() else min(os.cpu_count() or 1, MAX_PROCESSES)
    if not 1 <= asked <= MAX_PROCESSES:
        raise ConfigError(f"--processes must be from 1 to {MAX_PROCESSES}, got {asked}")
    return asked


def training_steps(changes: list[str], until: str | None) -> tuple[dict[str, int], str]:
    """Checks what was asked for on the command line.

    Raises:
        ConfigError: a stage is unknown, or a number of steps is no positive whole number.
    """
    until = until or list(STEPS)[-1]
    more = 1 if torch.cuda.is_available() else MORE_ON_CPUS
    steps = {name: n * more if name in DIFFUSION_STAGES else n for name, n in STEPS.items()}
    for change in changes:
        name, _, number = change.partition("=")
        if name not in STEPS or not number.isdecimal() or int(number) < 1:
            raise ConfigError(
                f"--steps takes STAGE=N with N from 1 and a stage of {', '.join(STEPS)}, "
                f"got {change!r}"
            )
        steps[name] = int(number)
    if until not in STEPS:
        raise ConfigError(f"--until must be one of {', '.join(STEPS)}, got {until!r}")
    return steps, until
