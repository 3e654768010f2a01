"""What I2VGen-XL and AnimateDiff have in common: text at every step, frames encoded one by one."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from diffusers.models import AutoencoderKL
from diffusers.schedulers import DDIMScheduler
from torch import Tensor, nn

from t2v.baselines.interface import Baseline, chunk_generator
from t2v.events import Frames
from t2v.models.autoencoder import FrameAutoencoder, to_pixels
from t2v.models.encoders import TextEncoder
from t2v.pipeline.conditioning import EncodedPrompts
from t2v.pipeline.denoising import Step
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset


class Framewise(Baseline):
    """A baseline with Stable Diffusion's autoencoder, sampled by DDIM without new noise (eta 0)."""

    def __init__(
        self,
        preset: Preset,
        networks: Mapping[str, nn.Module],
        vae: AutoencoderKL,
        text_encoder: TextEncoder,
        schedule: dict[str, Any],
    ):
        everything = {**networks, "autoencoder": vae, "text_encoder": text_encoder.model}
        super().__init__(preset, everything, text_encoder)
        self.autoencoder = FrameAutoencoder(vae)
        self.schedule = schedule

    @property
    def downsampling(self) -> int:
        return self.autoencoder.downsampling

    def encode_prompts(self, config: GenerationConfig) -> EncodedPrompts:
        self.use("text_encoder")
        return EncodedPrompts(self.text_encoder.encode, config, config.guidance_scale)

    def encode(self, frames: Tensor) -> Tensor:
        return self.autoencoder.encode(frames[:, None])[:, :, 0]

    def decode(self, latents: Tensor) -> Frames:
        return self.autoencoder.decode(latents)

    def sample_latents(self, config: GenerationConfig, index: int, frames: Frames) -> Tensor:
        """Latents (1, c, f, h, w) of frames, drawn from their posterior as the library does it."""
        generator = chunk_generator(config, index, "frames")
        posterior = self.autoencoder.posterior(
            to_pixels(torch.from_numpy(frames.copy())).to(self.device)
        )
        latents = posterior.sample(generator) * self.autoencoder.vae.config["scaling_factor"]
        return latents.float().movedim(0, 1)[None]

    def sample(
        self, config: GenerationConfig, predict: Callable[[Tensor, Tensor], Tensor], noise: Tensor
    ) -> Iterator[Step]:
        """Yields latents after every denoising step.

        Args:
            predict: takes latents, once or (with guidance) twice, and a timestep.
        """
        scheduler = DDIMScheduler.from_config(self.schedule)
        scheduler.set_timesteps(config.num_inference_steps, device=self.device)
        is_guided = config.guidance_scale > 1
        latents = noise * scheduler.init_noise_sigma
        for timestep in scheduler.timesteps:
            seen = torch.cat([latents] * (1 + is_guided))
            output = predict(scheduler.scale_model_input(seen, timestep), timestep).float()
            if is_guided:
                uncond, cond = output.chunk(2)
                output = uncond + config.guidance_scale * (cond - uncond)
            step = scheduler.step(output, timestep, latents)
            latents = step.prev_sample
            yield Step(latents, step.pred_original_sample)
