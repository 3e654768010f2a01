"""Stage 1: the autoencoder, on single frames."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from t2v.models.autoencoder import FrameAutoencoder, to_pixels
from t2v.training.batches import part
from t2v.training.drawing import draw
from t2v.training.networks import new_autoencoder
from t2v.training.world import sample_scene


BATCH = 32
KL_WEIGHT = 2e-4
NUM_STATISTICS_FRAMES = 1024


class AutoencoderStage:
    """Absolute, squared and gradient error, weighted towards outlines; a faint pull to N(0, 1)."""

    name = "autoencoder"
    learning_rate = 1.5e-3
    last_rate = 0.02

    def __init__(self, num_steps: int, device: torch.device):
        self.num_steps = num_steps
        self.device = device
        self.model = new_autoencoder()

    def parameter_groups(self) -> list[dict]:
        return [{"params": list(self.model.parameters())}]

    def draw(self, rng: np.random.Generator, share: float) -> UInt8[Tensor, "n h w 3"]:
        return random_frames(rng, part(BATCH, share))

    def losses(self, frames: UInt8[Tensor, "n h w 3"]) -> dict[str, Tensor]:
        pixels = to_pixels(frames)
        posterior = self.model.posterior(pixels)
        error = self.model.reconstruct(posterior.sample()).float() - pixels

        weight = outline_weight(pixels)
        mse = error.square()
        gradients = sum((d * w[..., : d.shape[-2], : d.shape[-1]]).mean() for d, w in (
            (error.diff(dim=-1).abs(), weight), (error.diff(dim=-2).abs(), weight)
        ))  # fmt: skip
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        loss = (error.abs() * weight).mean() + 2 * (mse * weight).mean() + 0.5 * gradients
        return {"loss": loss + KL_WEIGHT * kl, "mse": mse.mean(), "kl": kl}

    def sheet(self, model: FrameAutoencoder) -> UInt8[np.ndarray, "h w 3"]:
        """Pairs of rows: frames, and what is left of them."""
        frames = random_frames(np.random.default_rng(1), 48).to(self.device)
        restored = model.reconstruct(model.posterior(to_pixels(frames)).mean)
        restored = ((restored + 1) * 127.5).clamp(0, 255).byte().movedim(1, -1)
        pairs = torch.stack([frames, restored]).view(2, 4, 12, 64, 64, 3)
        return pairs.permute(1, 0, 3, 2, 4, 5).reshape(8 * 64, 12 * 64, 3).cpu().numpy()


def random_frames(rng: np.random.Generator, count: int) -> UInt8[Tensor, "n h w 3"]:
    """One frame each of `count` new scenes, at any time of their lives."""
    scenes = [sample_scene(rng) for _ in range(count)]
    return draw(scenes, rng.integers(0, 200, (count, 1)).astype(float))[:, 0]


def outline_weight(pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    """4 near an edge, 1 elsewhere, scaled to a mean of 1: flat areas are easy anyway."""
    edge = torch.zeros_like(pixels[:, :1])
    for dim in (-1, -2):
        step = pixels.diff(dim=dim).abs().amax(dim=1, keepdim=True) > 0.15
        edge.narrow(dim, 0, step.shape[dim]).logical_or_(step)
    weight = 1 + 3 * max_pool2d(edge, 5, 1, 2)
    return weight / weight.mean()


@torch.no_grad()
def standardise(autoencoder: FrameAutoencoder, device: torch.device) -> FrameAutoencoder:
    """Measures mean and standard deviation per latent channel and stores them in the config."""
    frames = random_frames(np.random.default_rng(2), NUM_STATISTICS_FRAMES).to(device)
    raw = autoencoder.posterior(to_pixels(frames)).mean
    autoencoder.vae.register_to_config(
        latents_mean=raw.mean(dim=(0, 2, 3)).tolist(), latents_std=raw.std(dim=(0, 2, 3)).tolist()
    )
    return autoencoder


def psnr(autoencoder: nn.Module, device: torch.device) -> float:
    """Decibel on held-out frames, peak 255."""
    pixels = to_pixels(random_frames(np.random.default_rng(3), 256).to(device))
    with torch.no_grad():
        error = autoencoder.reconstruct(autoencoder.posterior(pixels).mean) - pixels
    return float(-10 * torch.log10(error.square().mean() / 4))
