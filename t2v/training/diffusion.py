"""The diffusion loss that the stages of the denoiser and of the refiner share."""

from typing import ClassVar, Generic, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from t2v.pipeline.denoising import denoise, guided, make_scheduler
from t2v.training.batches import mean_of
from t2v.training.clips import Clips, FrozenEncoders
from t2v.training.denoiser import Denoiser
from t2v.training.networks import FRAME_SIZE, NUM_TRAIN_TIMESTEPS, SCHEDULE
from t2v.training.stage import M, ParameterGroups
from t2v.worlds.world import Scene


TEXT_DROP = 0.1
ANCHOR_DROP = 0.1
HIGH_NOISE = 0.6  # share of the timesteps; the loss above it is logged apart
SAMPLE_STEPS = 12  # of UniPC
SAMPLE_GUIDANCE_SCALE = 3.0
COND_NOISE = 0.08  # of conditioning frames in [-1, 1]: generated ones are never as clean


class Noised(NamedTuple):
    """A noised batch: what the network gets, and the v that made it."""

    latents: Float[Tensor, "b c f h w"]
    timesteps: Tensor
    text: Float[Tensor, "b n d"]
    memories: dict[str, Tensor]  # conditioning frames, anchor embeddings, frame numbers
    velocity: Float[Tensor, "b c f h w"]


class DiffusionStage(Generic[M]):
    """The v-prediction loss (Salimans & Ho, 2022)."""

    last_rate = 0.02
    num_timesteps = NUM_TRAIN_TIMESTEPS  # the stage trains on timesteps from 0 to here
    # Timesteps are uniform to this power, by the label of the loss. The schedule is made for clips:
    # noise that hides half of a clip hides all of a single frame.
    powers: ClassVar[dict[str, float]] = {"image": 2.0}
    in_plain_world: ClassVar[bool] = True

    def __init__(self, model: M, encoders: FrozenEncoders, num_steps: int):
        self.model = model
        self.encoders = encoders
        self.world = encoders.world
        self.tokenizer = encoders.text.tokenizer
        self.num_steps = num_steps
        scheduler = make_scheduler("ddim", SCHEDULE, 10)
        self.alphas_cumprod = scheduler.alphas_cumprod.to(encoders.device)
        with torch.no_grad():
            grey = torch.zeros(1, 3, FRAME_SIZE, FRAME_SIZE, device=encoders.device)
            self.null_embed = encoders.image(grey)
        self.null_ids = encoders.text.tokenize([""]).to(encoders.device)

    def new_scene(self, rng: np.random.Generator) -> Scene:
        return self.world.sample_plain(rng) if self.in_plain_world else self.world.sample(rng)

    def loss_of(self, clips: Clips, label: str) -> dict[str, Tensor]:
        """Computes the loss, and its parts at high and low noise under the name `label`."""
        noised = self._add_noise(clips, label)
        output = self.model(noised.latents, noised.timesteps, noised.text, **noised.memories)
        target = self.target(noised)

        error = (output.float() - target).square().mean(dim=(1, 2, 3, 4))
        high = noised.timesteps > HIGH_NOISE * self.num_timesteps
        parts = {f"{label}_high": mean_of(error, high), f"{label}_low": mean_of(error, ~high)}
        return {"loss": error.mean(), **parts}

    def _add_noise(self, clips: Clips, label: str) -> Noised:
        b, device = len(clips), self.encoders.device
        uniform = torch.rand(b, device=device)
        timesteps = (self.num_timesteps * uniform ** self.powers.get(label, 1.0)).long()
        alpha_bar = self.alphas_cumprod[timesteps].view(-1, 1, 1, 1, 1)
        signal, noise_level = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        noise = torch.randn_like(clips.latents)
        latents = signal * clips.latents + noise_level * noise
        velocity = signal * noise - noise_level * clips.latents

        is_dropped = torch.rand(b, 1, device=device) < TEXT_DROP
        text = self.encoders.text(torch.where(is_dropped, self.null_ids, clips.token_ids))
        memories = {} if clips.numbers is None else {"numbers": clips.numbers}
        if clips.cond_frames is not None:
            level = torch.rand(b, 1, 1, 1, 1, device=device) * COND_NOISE
            noise = torch.randn_like(clips.cond_frames)
            memories["cond_frames"] = clips.cond_frames + level * noise
        if clips.anchor_embeds is not None:
            is_dropped = torch.rand(b, 1, device=device) < ANCHOR_DROP
            memories["anchor_embeds"] = torch.where(
                is_dropped, self.null_embed, clips.anchor_embeds
            )
        return Noised(latents, timesteps, text, memories, velocity)

    def target(self, noised: Noised) -> Tensor:
        """The output that the network is trained towards."""
        return noised.velocity


class DenoiserStage(DiffusionStage[Denoiser]):
    """A stage of the denoiser."""

    def parameter_groups(self) -> ParameterGroups:
        return [{"params": list(self.model.unet.parameters())}]

    @torch.no_grad()
    def sample(
        self, model: Denoiser, captions: list[str], num_frames: int
    ) -> UInt8[np.ndarray, "b f h w 3"]:
        """Draws frames from text alone."""
        ids = self.encoders.text.tokenize(["", *captions]).to(self.encoders.device)
        embeds = self.encoders.text(ids)
        prompts = torch.cat([embeds[:1].expand(len(captions), -1, -1), embeds[1:]])
        text = model.unet.prepare_text(prompts)
        generator = torch.Generator().manual_seed(0)
        side = FRAME_SIZE // self.encoders.autoencoder.downsampling
        shape = (len(captions), self.world.latent_channels, num_frames, side, side)
        noise = torch.randn(shape, generator=generator)

        def predict(latents: Tensor, timestep: Tensor) -> Tensor:
            return model.unet(latents, timestep, text)

        scheduler = make_scheduler("unipc", SCHEDULE, SAMPLE_STEPS)
        noise = noise.to(self.encoders.device)
        *_, (latents, _) = denoise(
            guided(predict, SAMPLE_GUIDANCE_SCALE), noise, scheduler, generator
        )
        return np.stack([self.encoders.autoencoder.decode(latent[None]) for latent in latents])
