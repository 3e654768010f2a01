"""Stage 1: the autoencoder, on single frames."""

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.nn.functional import max_pool2d

from t2v.models.autoencoder import FrameAutoencoder, to_pixels
from t2v.training.batches import mean_of, scaled_size
from t2v.training.networks import new_autoencoder
from t2v.training.stage import ParameterGroups
from t2v.worlds.world import NUM_TRAINING_FRAMES, World


FramesAndMasks = tuple[UInt8[Tensor, "n h w 3"], Bool[Tensor, "n h w"]]

BATCH = 32
KL_WEIGHT = 2e-4
NUM_STATISTICS_FRAMES = 1024
PEAK_SQUARED = 2.0**2  # pixels span [-1, 1]


class AutoencoderStage:
    """Absolute, squared and gradient error, weighted towards outlines, and a small KL loss."""

    name = "autoencoder"
    learning_rate = 1.5e-3
    last_rate = 0.02

    def __init__(self, world: World, num_steps: int, device: torch.device):
        self.world = world
        self.num_steps = num_steps
        self.device = device
        self.model = new_autoencoder(world)

    def parameter_groups(self) -> ParameterGroups:
        return [{"params": list(self.model.parameters())}]

    def draw(self, rng: np.random.Generator, batch_scale: float) -> FramesAndMasks:
        return random_frames(self.world, rng, scaled_size(BATCH, batch_scale))

    def losses(self, batch: Sequence[Tensor]) -> dict[str, Tensor]:
        frames, is_object = batch
        pixels = to_pixels(frames)
        posterior = self.model.posterior(pixels)
        error = self.model.reconstruct(posterior.sample()).float() - pixels

        weight = outline_weight(pixels) * (1 + self.world.object_weight * is_object[:, None])
        weight = weight / weight.mean()
        mse = error.square()
        gradients = sum(
            (difference * weight[..., : difference.shape[-2], : difference.shape[-1]]).mean()
            for difference in (error.diff(dim=-1).abs(), error.diff(dim=-2).abs())
        )
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        loss = (error.abs() * weight).mean() + 2 * (mse * weight).mean() + 0.5 * gradients
        parts = {"mse": mse.mean(), "object_mse": mean_of(mse.mean(dim=1), is_object), "kl": kl}
        return {"loss": loss + KL_WEIGHT * kl, **parts}

    def sheet(self, model: FrameAutoencoder) -> UInt8[np.ndarray, "h w 3"]:
        """Draws pairs of rows: frames, and their reconstructions."""
        frames, _ = random_frames(self.world, np.random.default_rng(1), 48)
        frames = frames.to(self.device)
        restored = model.reconstruct(model.posterior(to_pixels(frames)).mean)
        restored = ((restored + 1) * 127.5).clamp(0, 255).byte().movedim(1, -1)
        pairs = torch.stack([frames, restored]).cpu().numpy()
        return rearrange(pairs, "p (r c) h w d -> (r p h) (c w) d", c=12)


def random_frames(world: World, rng: np.random.Generator, count: int) -> FramesAndMasks:
    """Draws one frame of each of `count` new scenes, and masks of the objects' boxes."""
    scenes = [world.sample(rng) for _ in range(count)]
    times = rng.integers(0, NUM_TRAINING_FRAMES, (count, 1)).astype(float)
    frames = world.draw(scenes, times)[:, 0]
    left, top, right, bottom = np.moveaxis(world.boxes(scenes, times)[:, 0], -1, 0)[..., None]
    pixels = (np.arange(frames.shape[1]) + 0.5) / frames.shape[1]
    across = (pixels > left) & (pixels < right)
    down = (pixels > top) & (pixels < bottom)
    return frames, torch.from_numpy(down[:, :, None] & across[:, None])


def outline_weight(pixels: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    """4 near an edge, 1 elsewhere: flat areas are easy."""
    edge = torch.zeros_like(pixels[:, :1])
    for dim in (-1, -2):
        step = pixels.diff(dim=dim).abs().amax(dim=1, keepdim=True) > 0.15
        edge.narrow(dim, 0, step.shape[dim]).logical_or_(step)
    return 1 + 3 * max_pool2d(edge, 5, 1, 2)


@torch.no_grad()
def standardise(
    autoencoder: FrameAutoencoder, world: World, device: torch.device
) -> FrameAutoencoder:
    """Measures mean and standard deviation per latent channel and stores them in the config."""
    frames, _ = random_frames(world, np.random.default_rng(2), NUM_STATISTICS_FRAMES)
    raw = autoencoder.posterior(to_pixels(frames.to(device))).mean
    autoencoder.vae.register_to_config(
        latents_mean=raw.mean(dim=(0, 2, 3)).tolist(), latents_std=raw.std(dim=(0, 2, 3)).tolist()
    )
    return autoencoder


@torch.no_grad()
def psnr(autoencoder: FrameAutoencoder, world: World, device: torch.device) -> dict[str, float]:
    """PSNR in dB on held-out frames, of all pixels and of those in the objects' boxes."""
    frames, is_object = random_frames(world, np.random.default_rng(3), 256)
    pixels = to_pixels(frames.to(device))
    error = autoencoder.reconstruct(autoencoder.posterior(pixels).mean) - pixels
    mse = error.square().mean(dim=1)
    return {
        "psnr_db": float(-10 * torch.log10(mse.mean() / PEAK_SQUARED)),
        "object_psnr_db": float(-10 * torch.log10(mse[is_object.to(device)].mean() / PEAK_SQUARED)),
    }
