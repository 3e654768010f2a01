"""FramePack F1 (Zhang & Agrawala, 2025; arXiv 2504.12626): sections that continue packed latents.

A text-to-image model draws the first image from the prompt. Each chunk is 9 latents, 36 frames,
denoised together after the first latent and the last 19 of the video, in larger patches the older
they are. So its work and its memory do not grow.

Only the F1 weights run here, forward in time ("vanilla" sampling). Those of the paper draw the end
of a video first ("inverted anti-drifting"), against drift: their first frames come last, so that
nothing can be shown before all is drawn, and a video cannot be extended.
"""

from collections.abc import Iterator
from math import log
from typing import Any

import numpy as np
import torch
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video_framepack import calculate_shift
from diffusers.schedulers import FlowMatchEulerDiscreteScheduler
from einops import rearrange
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn.functional import pad

from t2v.baselines.interface import Remembering, chunk_generator, to_frames
from t2v.baselines.text_to_image import TextToImage
from t2v.events import Frames, LatentMemory
from t2v.models.autoencoder import to_pixels
from t2v.models.encoders import TextEncoder
from t2v.pipeline.conditioning import EncodedPrompts
from t2v.pipeline.denoising import Step
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset


# Latents of the past that a chunk sees, the oldest first: in patches of 4 x 8 x 8, of 2 x 4 x 4,
# and of 1 x 2 x 2 as its own. How the weights were trained.
HISTORY_SIZES = (16, 2, 1)
MAX_SHIFT = log(7)  # of the noise schedule
MAX_TOKENS = 256  # of a prompt, with the end of the text


class FramePack(Remembering):
    """Runs the networks of a HunyuanVideoFramepackPipeline, by its helpers."""

    reads_negative = False  # distilled: the scale of guidance is an input of the network
    together = (("llama", "clip"),)
    step_bytes = 38_500  # at the preset's size: texts and image are not proportional to it
    decoding_bytes = 900_000

    def __init__(
        self,
        preset: Preset,
        pipeline: Any,  # a HunyuanVideoFramepackPipeline, whose parts have no types
        text_encoder: TextEncoder,
        schedule: dict[str, Any],
        first_image: TextToImage,
    ):
        networks = {
            "transformer": pipeline.transformer,
            "autoencoder": pipeline.vae,
            "image_encoder": pipeline.image_encoder,
            "llama": pipeline.text_encoder,
            "clip": pipeline.text_encoder_2,
            **first_image.networks,
        }
        super().__init__(preset, networks, text_encoder)
        self.pipeline = pipeline
        self.first_image = first_image
        self._schedule = schedule

    @property
    def downsampling(self) -> int:
        return self.pipeline.vae_scale_factor_spatial

    def num_latents(self, num_frames: int) -> int:
        return num_frames // self.pipeline.vae_scale_factor_temporal

    def encode_prompts(self, config: GenerationConfig) -> EncodedPrompts:
        self.use("llama", "clip")
        return EncodedPrompts(self.encode_text, config, guidance_scale=1)

    def encode_text(self, prompts: list[str]) -> Float[Tensor, "b n d"]:
        """CLIP's embedding of each prompt, filled up with zeros; Llama's tokens, then zeros."""
        tokens, pooled, mask = self.pipeline.encode_prompt(
            prompts, device=self.device, max_sequence_length=MAX_TOKENS
        )
        summary = pad(pooled, (0, tokens.shape[2] - pooled.shape[1]))
        return torch.cat([summary[:, None], tokens * mask[..., None]], dim=1)

    def begin(self, config: GenerationConfig, image: Frames | None) -> LatentMemory:
        first = self.first_image.draw_prompt(self, config) if image is None else image
        return self.memory_of(config, first)

    def memory_of(self, config: GenerationConfig, frames: Frames) -> LatentMemory:
        """Encodes frames; what the video had not begun with is 0."""
        pixels = rearrange(to_pixels(torch.from_numpy(frames.copy())), "f c H W -> 1 c f H W")
        posterior = self.pipeline.vae.encode(pixels.to(self.device)).latent_dist
        latents = posterior.sample(chunk_generator(config, 0, "frames")).float().cpu().numpy()
        latents *= self.pipeline.vae.config["scaling_factor"]
        unknown = np.zeros_like(latents[:, :, :1]).repeat(sum(HISTORY_SIZES), axis=2)
        history = np.concatenate([unknown, latents], axis=2)[:, :, -sum(HISTORY_SIZES) :]
        return LatentMemory(history, latents[:, :, :1], frames[0])

    def draw(
        self, config: GenerationConfig, index: int, prompt_embeds: Tensor, memory: LatentMemory
    ) -> Iterator[Step]:
        conditions = self.conditions(config, prompt_embeds, memory)
        self.use("transformer")
        transformer = self.pipeline.transformer
        latents = self.noise(config, index, transformer.config["in_channels"])
        scheduler = self.new_scheduler(config.num_inference_steps, latents)
        for timestep, sigma in zip(scheduler.timesteps, scheduler.sigmas, strict=False):
            flow = transformer(
                hidden_states=latents.to(transformer.dtype),
                timestep=timestep.expand(1),
                return_dict=False,
                **conditions,
            )[0].float()
            x0 = latents - sigma * flow
            latents = scheduler.step(flow, timestep, latents, return_dict=False)[0]
            yield Step(latents, x0)

    def conditions(
        self, config: GenerationConfig, prompt_embeds: Tensor, memory: LatentMemory
    ) -> dict[str, Tensor]:
        """What the network is told: the texts, the first image, and latents with their times.

        The first latent is at time 0, the history follows, the chunk itself comes last.
        """
        dtype = self.pipeline.transformer.dtype
        history, anchor = (
            torch.from_numpy(latents).to(self.device, dtype)
            for latents in (memory.history, memory.anchor)
        )
        far, middle, last = history.split(HISTORY_SIZES, dim=2)
        sizes = (1, *HISTORY_SIZES, self.latents_together)
        first, *times, chunk = torch.arange(sum(sizes)).split(sizes)
        summary, tokens = prompt_embeds[:, 0], prompt_embeds[:, 1:]
        summary_dim = self.pipeline.transformer.config["pooled_projection_dim"]
        return {
            "encoder_hidden_states": tokens.to(dtype),
            "encoder_attention_mask": tokens.any(dim=2).to(dtype),
            "pooled_projections": summary[:, :summary_dim].to(dtype),
            "image_embeds": self.embed_image(memory).to(dtype),
            "guidance": torch.tensor([1000 * config.guidance_scale]).to(self.device, dtype),
            "latents_clean": torch.cat([anchor, last], dim=2),
            "latents_history_2x": middle,
            "latents_history_4x": far,
            "indices_latents": chunk,
            "indices_latents_clean": torch.cat([first, times[2]]),
            "indices_latents_history_2x": times[1],
            "indices_latents_history_4x": times[0],
        }

    def embed_image(self, memory: LatentMemory) -> Float[Tensor, "1 n d"]:
        """SigLIP's tokens of the first image."""
        assert memory.image is not None
        self.use("image_encoder")
        image = self.pipeline.video_processor.preprocess(Image.fromarray(memory.image))
        return self.pipeline.encode_image(image, device=self.device)

    def new_scheduler(self, num_steps: int, latents: Tensor) -> Any:
        """A scheduler, ready to step; more latents need more noise, where it is dynamic."""
        scheduler = FlowMatchEulerDiscreteScheduler.from_config(self._schedule)
        num_tokens = latents[0, 0].numel() / self.pipeline.transformer.config["patch_size"] ** 2
        names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
        shift = calculate_shift(num_tokens, *(scheduler.config[name] for name in names))
        sigmas = np.linspace(1, 0, num_steps + 1)[:-1]
        scheduler.set_timesteps(sigmas=sigmas, device=self.device, mu=min(shift, MAX_SHIFT))
        return scheduler

    def remember(self, memory: LatentMemory, latents: Tensor) -> LatentMemory:
        joined = np.concatenate([memory.history, latents.cpu().numpy()], axis=2)
        return LatentMemory(joined[:, :, -sum(HISTORY_SIZES) :], memory.anchor, memory.image)

    def new_frames(self, memory: LatentMemory, index: int) -> Frames:
        """Decodes the new latents after as many known ones, of which they are a continuation.

        The library also fades from the last frames to their second decoding, of the same latents.
        Frames that have left are final here.
        """
        num_latents = self.latents_together + (self.latents_together if index else 1)
        latents = torch.from_numpy(memory.history[:, :, -num_latents:]).to(self.device)
        frames = self.decode(latents)
        return frames[-self.chunking.new_frames :] if index else frames

    def encode(self, frames: Tensor) -> Tensor:
        vae = self.pipeline.vae
        latents = vae.encode(to_pixels(frames)[:, :, None]).latent_dist.mode()
        return latents[:, :, 0] * vae.config["scaling_factor"]

    def decode(self, latents: Tensor) -> Frames:
        vae = self.pipeline.vae
        pixels = vae.decode(latents / vae.config["scaling_factor"], return_dict=False)[0]
        return to_frames(rearrange(pixels, "1 c f h w -> f c h w"))
