"""Stable Video Diffusion (Blattmann et al., 2023; arXiv 2311.15127): an image begins to move.

It reads no text. A text-to-image model draws the first image from the prompt; every later chunk
begins with the last frame of the one before, which is the only thing that it knows of the video.
"""

from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
from diffusers.pipelines.stable_video_diffusion import StableVideoDiffusionPipeline
from diffusers.schedulers import EulerDiscreteScheduler
from einops import rearrange
from PIL import Image
from torch import Tensor
from transformers import CLIPVisionModelWithProjection

from t2v.baselines.interface import Continuing, chunk_generator, to_frames
from t2v.baselines.parts import load_image_processor, load_model, scheduler_config
from t2v.baselines.text_to_image import TextToImage, load_text_to_image
from t2v.events import Frames
from t2v.media.images import Picture
from t2v.models.autoencoder import to_pixels
from t2v.pipeline.conditioning import EncodedPrompts
from t2v.pipeline.denoising import Step
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset


# The library's defaults, which are the authors'.
MOTION_BUCKET = 127
IMAGE_NOISE = 0.02  # how much noise is added to the image
FIRST_GUIDANCE = 1.0  # of the first frame; it grows to `guidance_scale` at the last
DECODED_TOGETHER = 4  # frames: 9 GB at 576 x 1024; all 25 would need six times as much
TEXT_NOTICE = (
    "The prompt chooses the first image alone: this model reads no text, and every further chunk "
    "continues the last frame."
)


class Svd(Continuing):
    """Runs the networks of a StableVideoDiffusionPipeline, by its helpers."""

    reads_text = False
    step_bytes = 37_000
    decoding_bytes = 1_060_000

    def __init__(
        self,
        preset: Preset,
        pipeline: Any,  # a StableVideoDiffusionPipeline, whose parts have no types
        schedule: dict[str, Any],
        first_image: TextToImage,
    ):
        networks = {
            "unet": pipeline.unet,
            "autoencoder": pipeline.vae,
            "image_encoder": pipeline.image_encoder,
            **first_image.networks,
        }
        super().__init__(preset, networks, first_image.text_encoder)
        self.pipeline = pipeline
        self.first_image = first_image
        self.notices = (TEXT_NOTICE,)
        self._schedule = schedule

    @property
    def downsampling(self) -> int:
        return self.pipeline.vae_scale_factor

    def encode_prompts(self, config: GenerationConfig) -> EncodedPrompts:
        self.use("first_text_encoder")
        return EncodedPrompts(self.text_encoder.encode, config, guidance_scale=1)

    def first_frames(
        self, config: GenerationConfig, prompt_embeds: Tensor, image: Frames | None
    ) -> Frames:
        if image is not None:
            return image
        self.use("first_unet", "first_autoencoder")
        return self.first_image.draw(config, prompt_embeds, self.frame_size, self.device)

    def draw(
        self,
        config: GenerationConfig,
        index: int,
        prompt_embeds: Tensor,  # noqa: ARG002 - it reads no text
        known: Frames | None,
    ) -> Iterator[Step]:
        assert known is not None
        conditions = self.read_image(config, index, known[-1])
        self.use("unet")
        unet, is_guided = self.pipeline.unet, config.guidance_scale > 1
        scheduler = EulerDiscreteScheduler.from_config(self._schedule)
        scheduler.set_timesteps(config.num_inference_steps, device=self.device)
        noise = self.noise(config, index, unet.config["out_channels"])
        latents = rearrange(noise, "b c f h w -> b f c h w") * scheduler.init_noise_sigma
        num_frames = self.chunking.chunk_frames
        scales = torch.linspace(FIRST_GUIDANCE, config.guidance_scale, num_frames)
        scales = scales.to(self.device).view(1, -1, 1, 1, 1)
        image_latents = conditions.pop("image_latents")
        for timestep in scheduler.timesteps:
            scaled = scheduler.scale_model_input(latents, timestep)
            scaled = torch.cat([scaled] * len(image_latents)).to(unet.dtype)
            seen = torch.cat([scaled, image_latents], dim=2)
            output = unet(seen, timestep, return_dict=False, **conditions)[0].float()
            if is_guided:
                uncond, cond = output.chunk(2)
                output = uncond + scales * (cond - uncond)
            step = scheduler.step(output, timestep, latents)
            latents = step.prev_sample
            yield Step(
                rearrange(latents, "b f c h w -> b c f h w"),
                rearrange(step.pred_original_sample, "b f c h w -> b c f h w"),
            )

    def read_image(self, config: GenerationConfig, index: int, frame: Picture) -> dict[str, Tensor]:
        """What the network is told of the image; with guidance, after nothing (zeros)."""
        pipeline, dtype = self.pipeline, self.pipeline.unet.dtype
        is_guided = config.guidance_scale > 1
        self.use("image_encoder")
        embeds = pipeline._encode_image(Image.fromarray(frame), self.device, 1, is_guided)
        pixels = to_pixels(torch.from_numpy(frame)[None])
        noise = torch.randn(pixels.shape, generator=chunk_generator(config, index, "image"))
        noisy = pixels + IMAGE_NOISE * noise
        latents = pipeline._encode_vae_image(noisy, self.device, 1, is_guided)
        # The network was trained with the number of frames a second minus one.
        ids = pipeline._get_add_time_ids(
            self.fps - 1, MOTION_BUCKET, IMAGE_NOISE, dtype, 1, 1, is_guided
        )
        num_frames = self.chunking.chunk_frames
        return {
            "encoder_hidden_states": embeds.to(dtype),
            "added_time_ids": ids.to(self.device),
            "image_latents": latents.to(dtype)[:, None].repeat(1, num_frames, 1, 1, 1),
        }

    def encode(self, frames: Tensor) -> Tensor:
        vae = self.pipeline.vae
        return vae.encode(to_pixels(frames)).latent_dist.mode() * vae.config["scaling_factor"]

    def decode(self, latents: Tensor) -> Frames:
        frames_first = rearrange(latents.float(), "b c f h w -> b f c h w")
        pixels = self.pipeline.decode_latents(frames_first, latents.shape[2], DECODED_TOGETHER)
        return to_frames(rearrange(pixels, "1 c f h w -> f c h w"))


def load_svd(preset: Preset, dtype: torch.dtype) -> Svd:
    """Loads the networks on the host; autoencoders compute in float32.

    Raises:
        CheckpointError: files are missing or do not fit.
    """
    folder = preset.weights_folder
    schedule = scheduler_config(folder / "scheduler")
    pipeline = StableVideoDiffusionPipeline(
        vae=load_model(AutoencoderKLTemporalDecoder, folder / "vae", torch.float32),
        image_encoder=load_model(CLIPVisionModelWithProjection, folder / "image_encoder", dtype),
        unet=load_model(UNetSpatioTemporalConditionModel, folder / "unet", dtype),
        scheduler=EulerDiscreteScheduler.from_config(schedule),
        feature_extractor=load_image_processor(folder / "feature_extractor"),
    )
    return Svd(preset, pipeline, schedule, load_text_to_image(folder / "first_image", dtype))
