"""The image that an image-to-video model begins with, drawn from the prompt.

The paper's authors drew it with SDXL. Here it is any distilled Stable Diffusion model in
`first_image/` of the weights (SD-Turbo in the presets), without guidance.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers.models import AutoencoderKL, UNet2DConditionModel
from diffusers.schedulers import EulerDiscreteScheduler
from torch import Tensor, nn

from t2v.baselines.interface import Baseline, chunk_generator, to_frames
from t2v.baselines.parts import load_model, load_text_encoder, scheduler_config
from t2v.events import Frames
from t2v.media.images import resize
from t2v.models.encoders import OpenClipTextEncoder
from t2v.pipeline.conditioning import EncodedPrompts
from t2v.pipeline.denoising import finite_pixels
from t2v.settings.config import GenerationConfig
from t2v.settings.sizes import fit_area


NUM_STEPS = 4  # of a model that was distilled for 1 to 4
MULTIPLE = 64  # of which the sides of its images are


class TextToImage:
    """Draws one image of a prompt, at the model's own area in the proportions of the video."""

    def __init__(
        self,
        unet: UNet2DConditionModel,
        autoencoder: AutoencoderKL,
        text_encoder: OpenClipTextEncoder,
        schedule: dict[str, Any],
    ):
        self.unet = unet
        self.autoencoder = autoencoder
        self.text_encoder = text_encoder
        self._schedule = schedule

    @property
    def networks(self) -> dict[str, nn.Module]:
        return {
            "first_unet": self.unet,
            "first_autoencoder": self.autoencoder,
            "first_text_encoder": self.text_encoder.model,
        }

    def size_for(self, frame_size: tuple[int, int]) -> tuple[int, int]:
        """Height, width of the image for a video."""
        side = self.unet.config["sample_size"] * self._downsampling
        return fit_area(frame_size, (side, side), multiple=min(MULTIPLE, side))

    @property
    def _downsampling(self) -> int:
        return 2 ** (len(self.autoencoder.config["block_out_channels"]) - 1)

    def draw_prompt(self, baseline: Baseline, config: GenerationConfig) -> Frames:
        """Draws the image of a video's first prompt, as one frame.

        Args:
            baseline: that has these networks, and reads prompts with another text encoder.

        Raises:
            NotFiniteError: its pixels are no numbers.
        """
        baseline.use("first_text_encoder")
        prompts = EncodedPrompts(self.text_encoder.encode, config, guidance_scale=1)
        baseline.use("first_unet", "first_autoencoder")
        return self.draw(config, prompts.of_chunk(0), baseline.frame_size, baseline.device)

    def draw(
        self,
        config: GenerationConfig,
        prompt_embeds: Tensor,
        frame_size: tuple[int, int],
        device: torch.device,
    ) -> Frames:
        """Draws the image as one frame of the video's size.

        Args:
            prompt_embeds: (1, n, d) of this model's text encoder.

        Raises:
            NotFiniteError: its pixels are no numbers.
        """
        size = self.size_for(frame_size)
        sides = [side // self._downsampling for side in size]
        shape = (1, self.unet.config["in_channels"], *sides)
        noise = torch.randn(shape, generator=chunk_generator(config, 0, "first image"))
        scheduler = EulerDiscreteScheduler.from_config(self._schedule)
        scheduler.set_timesteps(NUM_STEPS, device=device)
        latents = noise.to(device) * scheduler.init_noise_sigma
        dtype = self.unet.dtype
        # Distilled models are sampled with the ancestral noise of their scheduler, if it has any.
        generator = chunk_generator(config, 0, "first image", "steps")
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, timestep).to(dtype)
            output = self.unet(scaled, timestep, prompt_embeds.to(dtype), return_dict=False)[0]
            step = scheduler.step(output.float(), timestep, latents, generator=generator)
            latents = step.prev_sample
        raw = latents / self.autoencoder.config["scaling_factor"]
        pixels = self.autoencoder.decode(raw.to(self.autoencoder.dtype)).sample
        with finite_pixels("initialization", 0):
            return resize(to_frames(pixels), frame_size)


def load_text_to_image(folder: Path, dtype: torch.dtype) -> TextToImage:
    """Loads the model in `folder`; its autoencoder computes in float32.

    Raises:
        CheckpointError: files are missing or do not fit.
    """
    return TextToImage(
        unet=load_model(UNet2DConditionModel, folder / "unet", dtype),
        autoencoder=load_model(AutoencoderKL, folder / "vae", torch.float32),
        text_encoder=load_text_encoder(OpenClipTextEncoder, folder, dtype),
        schedule=scheduler_config(folder / "scheduler"),
    )
