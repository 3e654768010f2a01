"""The bundled weights learn the richer world: `python next/grow.py WORK OUT`, after the patches.

Autoencoder, encoders, probe and denoiser are done (WORK has them). What is left: guidance and the
refiner. Killed, it goes on where it was. Trains on two CPU cores, or on a GPU with four times the
batch.
"""

import json
import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing
from torch import nn

from t2v.presets import named_preset
from t2v.training import autoencoder, clips, encoders, probe, recipe
from t2v.training.diffusion import Denoiser
from t2v.training.distillation import GuidanceStage
from t2v.training.loop import run_stage
from t2v.training.networks import new_autoencoder
from t2v.training.refiner import RefinerStage


OLD = Path(__file__).parents[1] / "assets" / "shapes"
STEPS = {"guidance": 500, "refiner": 600}
HIGH_NOISE = {"image": 2.0, "clip": 0.6}  # where direction is decided


class FirstsGuidanceStage(GuidanceStage):
    """Guidance, and more of it where direction is decided."""

    first_batch, later_batch = 12, 4
    powers = HIGH_NOISE


def grow(rank, num_processes, work, out, rendezvous):
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    share = recipe.GPU_SHARE if device.type == "cuda" else 1 / num_processes
    if num_processes > 1:
        torch.set_num_threads(1)
        dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=num_processes)
    torch.manual_seed(recipe.SEED)
    run = partial(run_stage, folder=work, device=device, seed=recipe.SEED, share=share)

    def kept(model: nn.Module, name: str) -> nn.Module:
        state = torch.load(work / f"{name}.pt", map_location="cpu", weights_only=True)
        model.load_state_dict(state["average"])
        return model.to(device).eval().requires_grad_(False)

    vae = kept(new_autoencoder(), "autoencoder")
    config = json.loads((OLD / "autoencoder" / "config.json").read_text())
    # The grown one is held to the old one's latents.
    vae.vae.register_to_config(**{name: config[name] for name in ("latents_mean", "latents_std")})
    clip = kept(encoders.SmallCLIP(), "encoders")
    judge = kept(probe.Probe(), "probe")
    denoiser = kept(Denoiser(), "firsts")
    teachers = clips.Teachers(vae, clip.text, clip.image, device)
    denoiser = run(FirstsGuidanceStage(denoiser, teachers, STEPS["guidance"]))
    refiner = run(RefinerStage(teachers, STEPS["refiner"], named_preset("shapes").refiner))
    if rank == 0:
        quality = {
            "autoencoder": {"psnr_db": autoencoder.psnr(vae, device)},
            "encoders": encoders.recall(clip, device),
            "probe": probe.accuracy(judge, device),
        }
        modules = {
            "autoencoder": vae.vae, "text_encoder": clip.text.model,
            "image_encoder": clip.image.model, "unet": denoiser.unet,
            "extractor": denoiser.extractor, "anchor_tokens": denoiser.anchor_tokens,
            "refiner": refiner, "probe": judge,
        }  # fmt: skip
        recipe.export(out, modules, clip.text.tokenizer, quality)


if __name__ == "__main__":
    os.environ |= {"MALLOC_MMAP_THRESHOLD_": "2000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}
    work, out = map(Path, sys.argv[1:3])
    if torch.cuda.is_available():
        grow(0, 1, work, out, None)
    else:
        with tempfile.TemporaryDirectory() as folder:
            args = (2, work, out, f"file://{folder}/rendezvous")
            torch.multiprocessing.spawn(grow, args=args, nprocs=2)
