"""The bundled weights learn the richer world: `python next/grow.py WORK OUT`, after the patches.

Autoencoder and encoders go on from the bundled ones, held to what those say of the plain world, so
that the denoiser goes on, too. Then the last stages of the recipe. Killed, it goes on where it was.
"""

import json
import os
import sys
import tempfile
import threading
from copy import deepcopy
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing
from safetensors.torch import load_file
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, PreTrainedTokenizerFast

from t2v.checkpoints import load_weights
from t2v.models.autoencoder import to_pixels
from t2v.models.encoders import TextEncoder
from t2v.presets import find_preset
from t2v.training import autoencoder, clips, encoders, probe, recipe
from t2v.training.diffusion import Denoiser, WorldStage
from t2v.training.distillation import GuidanceStage
from t2v.training.loop import run_stage
from t2v.training.networks import new_autoencoder
from t2v.training.refiner import RefinerStage
from t2v.training.world import sample_plain_scene


OLD = Path(__file__).parents[1] / "assets" / "shapes"
OLD_TOKENS, NEW_TOKENS = 24, 28  # of a text
STEPS = {"autoencoder": 500, "encoders": 550, "world": 2000, "guidance": 350, "refiner": 300}
SHARE_OF_PLAIN = 4  # every fourth frame
HELD = 2.0, 5.0  # how strongly text and images are held


def plain_frames(rng, count, device):
    scenes = [sample_plain_scene(rng) for _ in range(count)]
    times = rng.integers(0, 200, (count, 1)).astype(float)
    return scenes, autoencoder.draw(scenes, times, device=device)[:, 0]


class GrownAutoencoder(autoencoder.AutoencoderStage):
    learning_rate = 5e-4

    def __init__(self, num_steps, device):
        super().__init__(num_steps, device)
        self.model = old_autoencoder()
        self.old = deepcopy(self.model).eval().requires_grad_(False)

    def batch(self, rng, num_processes):
        count = autoencoder.BATCH // num_processes
        plain = count // SHARE_OF_PLAIN
        whole = autoencoder.random_frames(rng, count - plain, self.device)
        return to_pixels(torch.cat([whole, plain_frames(rng, plain, self.device)[1]]))

    def losses(self, pixels):
        losses = super().losses(pixels)
        plain = pixels[-(len(pixels) // SHARE_OF_PLAIN) :]
        spread = torch.tensor(self.model.vae.config.latents_std)[:, None, None]
        now, before = (model.posterior(plain).mean.float() for model in (self.model, self.old))
        held = ((now - before) / spread).square().mean()
        return {**losses, "loss": losses["loss"] + held, "held": held}


class GrownEncoders(encoders.EncodersStage):
    learning_rate = 5e-4

    def __init__(self, num_steps, device):
        super().__init__(num_steps, device)
        load_weights(self.model.image.model, OLD / "image_encoder")
        self.old_image = deepcopy(self.model.image).eval().requires_grad_(False)
        self.old_text = old_text_encoder()
        widen_text_encoder(self.old_text, self.model.text)

    def batch(self, rng, num_processes):
        plain = plain_frames(rng, encoders.BATCH // num_processes, self.device)
        return super().batch(rng, num_processes), *plain

    def losses(self, batch):
        whole, scenes, frames = batch
        losses, pixels = super().losses(whole), to_pixels(frames)
        with torch.no_grad():
            text = self.old_text.encode([scene.caption for scene in scenes]).float()
            padding = text[:, -1:].expand(-1, NEW_TOKENS - OLD_TOKENS, -1)
            text, image = torch.cat([text, padding], dim=1), self.old_image(pixels).float()
        now = self.model.text(self._tokenize(scenes)).float(), self.model.image(pixels).float()
        held = [
            (new - old).square().mean() / old.var()
            for new, old in zip(now, (text, image), strict=True)
        ]
        loss = losses["loss"] + HELD[0] * held[0] + HELD[1] * held[1]
        return {**losses, "loss": loss, "held_text": held[0], "held_image": held[1]}


def old_autoencoder():
    result = new_autoencoder()
    load_weights(result.vae, OLD / "autoencoder")
    config = json.loads((OLD / "autoencoder" / "config.json").read_text())
    statistics = {name: config[name] for name in ("latents_mean", "latents_std")}
    result.vae.register_to_config(**statistics)
    return result


def old_text_encoder():
    model = CLIPTextModelWithProjection(CLIPTextConfig.from_pretrained(OLD / "text_encoder"))
    load_weights(model, OLD / "text_encoder")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(OLD / "tokenizer")
    return TextEncoder(model, tokenizer).eval().requires_grad_(False)


@torch.no_grad()
def widen_text_encoder(old: TextEncoder, new: TextEncoder) -> None:
    """Known words keep their embeddings, new ones get random ones like them."""
    state, words = new.model.state_dict(), old.tokenizer.get_vocab()
    for key, value in old.model.state_dict().items():
        if state[key].shape == value.shape:
            state[key].copy_(value)
        elif "token_embedding" in key:
            for word, i in new.tokenizer.get_vocab().items():
                random = value.mean(0) + torch.randn_like(value[0]) * value.std(0)
                state[key][i] = value[words[word]] if word in words else random
        elif "position_embedding" in key:
            state[key][: len(value)], state[key][len(value) :] = value, value[-1]
    new.model.load_state_dict(state)


@torch.no_grad()
def old_denoiser() -> Denoiser:
    """Its mixers hear four more tokens, at first as if they were nothing."""
    denoiser, old = Denoiser(), {}
    for path in (OLD / "unet").glob("*.safetensors"):
        old |= load_file(path)
    state = denoiser.unet.state_dict()
    for key, value in old.items():
        target, n, more = state[key], OLD_TOKENS, NEW_TOKENS - OLD_TOKENS
        if target.shape == value.shape:
            target.copy_(value)
        elif key.endswith("bias"):
            target[:n], target[n:] = value, value[-1]
        else:
            target.zero_()
            target[:n, :n], target[:n, n + more :] = value[:, :n], value[:, n:]
            target[n:] = target[n - 1]
    denoiser.unet.load_state_dict(state)
    load_weights(denoiser.extractor, OLD / "extractor")
    load_weights(denoiser.anchor_tokens, OLD / "anchor_tokens")
    return denoiser


def grow(rank, num_processes, work, out, rendezvous):
    device = torch.device("cpu")
    threading.Thread(target=recipe._end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=num_processes)
    torch.manual_seed(recipe.SEED)

    def run(stage):
        return run_stage(stage, work, device, recipe.SEED)

    vae = run(GrownAutoencoder(STEPS["autoencoder"], device)).eval()
    clip = run(GrownEncoders(STEPS["encoders"], device)).eval()
    teachers = clips.Teachers(vae, clip.text, clip.image, device)
    denoiser = run(WorldStage(old_denoiser(), teachers, STEPS["world"]))
    denoiser = run(GuidanceStage(denoiser, teachers, STEPS["guidance"]))
    refining = RefinerStage(teachers, STEPS["refiner"], find_preset("shapes").refiner)
    load_weights(refining.model, OLD / "refiner")
    refiner = run(refining)
    judge = run(probe.ProbeStage(recipe.STEPS["probe"], device)).eval()
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
    with tempfile.TemporaryDirectory() as folder:
        args = (2, work, out, f"file://{folder}/rendezvous")
        torch.multiprocessing.spawn(grow, args=args, nprocs=2)
