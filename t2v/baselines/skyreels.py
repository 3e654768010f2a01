"""SkyReels-V2 Diffusion Forcing (Chen et al., 2025; arXiv 2504.13074): noise of each latent's own.

A network that was trained with another noise level for each latent in time continues a video
without any further part: the last frames are encoded, and stay (nearly) clean while the latents
after them are denoised. As in the authors' code for long videos, each chunk is decoded, and the
next one encodes its last frames again. All new latents have the same noise level (the authors'
synchronous mode).
"""

from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models import SkyReelsV2Transformer3DModel
from diffusers.schedulers import UniPCMultistepScheduler
from torch import Tensor

from t2v.baselines.interface import Continuing, chunk_generator
from t2v.baselines.parts import scheduler_config
from t2v.events import Frames
from t2v.models.encoders import Umt5TextEncoder
from t2v.models.networks import from_config
from t2v.models.video_autoencoder import VideoAutoencoder
from t2v.models.wan import load_autoencoder, load_text_encoder, load_transformer
from t2v.pipeline.conditioning import EncodedPrompts
from t2v.pipeline.denoising import Step
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset


# The authors' settings for long videos from text.
FLOW_SHIFT = 8.0  # of the noise levels: larger is more steps with much noise
CONTEXT_TIMESTEP = 20  # noise of known latents, of 1000 (`addnoise_condition`): joins are smoother
LOW_FPS = 16  # videos were trained as "16 frames a second" (0), or more (1)


class SkyReels(Continuing):
    """Runs the networks of the library's SkyReelsV2DiffusionForcingPipeline."""

    step_bytes = 28_000
    decoding_bytes = 1_330_000

    def __init__(
        self,
        preset: Preset,
        transformer: SkyReelsV2Transformer3DModel,
        autoencoder: VideoAutoencoder,
        text_encoder: Umt5TextEncoder,
        schedule: dict[str, Any],
    ):
        networks = {
            "transformer": transformer,
            "umt5": text_encoder.model,
            "autoencoder": autoencoder.vae,
        }
        super().__init__(preset, networks, text_encoder)
        self.transformer = transformer
        self.autoencoder = autoencoder
        self.schedule = schedule | {"flow_shift": FLOW_SHIFT}

    @property
    def downsampling(self) -> int:
        return self.autoencoder.downsampling

    def num_latents(self, num_frames: int) -> int:
        return self.autoencoder.num_latents(num_frames)

    def encode_prompts(self, config: GenerationConfig) -> EncodedPrompts:
        self.use("umt5")
        return EncodedPrompts(self.text_encoder.encode, config, config.guidance_scale)

    def draw(
        self,
        config: GenerationConfig,
        index: int,
        prompt_embeds: Tensor,
        known: Frames | None,
    ) -> Iterator[Step]:
        noise = self.noise(config, index, self.transformer.config["in_channels"])
        context = noise[:, :, :0] if known is None else self.encode_context(known)
        num_known = context.shape[2]
        new = noise[:, :, num_known:]
        texts = prompt_embeds.to(self.transformer.dtype).split(1)  # one, or two with guidance
        self.use("transformer")
        scheduler: Any = UniPCMultistepScheduler.from_config(self.schedule)
        scheduler.set_timesteps(config.num_inference_steps, device=self.device)
        generator = chunk_generator(config, index, "context")
        for timestep in scheduler.timesteps:
            seen = torch.cat([noised(context, generator), new], dim=2)
            times = timestep.repeat(1, seen.shape[2])
            times[:, :num_known] = CONTEXT_TIMESTEP
            flows = [self.predict(seen, times, text)[:, :, num_known:] for text in texts]
            flow = flows[0]
            if len(flows) == 2:
                flow = torch.lerp(flow, flows[1], config.guidance_scale)
            new = scheduler.step(flow, timestep, new).prev_sample
            x0 = scheduler.model_outputs[-1]
            yield Step(torch.cat([context, new], dim=2), torch.cat([context, x0], dim=2))

    def encode_context(self, known: Frames) -> Tensor:
        """Latents (1, c, n, h, w) of the frames that a chunk continues."""
        return self.autoencoder.encode(torch.from_numpy(known.copy())[None].to(self.device))

    def predict(self, latents: Tensor, times: Tensor, text: Tensor) -> Tensor:
        """The flow from clean latents to noise, of latents (1, c, f, h, w).

        Args:
            times: timestep (1, f) of each latent in time.
            text: (1, n, d).
        """
        dtype = self.transformer.dtype
        output = self.transformer(
            latents.to(dtype),
            times,
            text,
            enable_diffusion_forcing=True,
            fps=[int(self.fps != LOW_FPS)],
            return_dict=False,
        )
        return output[0].float()

    def encode(self, frames: Tensor) -> Tensor:
        return self.autoencoder.encode(frames[:, None])[:, :, 0]

    def decode(self, latents: Tensor) -> Frames:
        return self.autoencoder.decode(latents)


def noised(context: Tensor, generator: torch.Generator) -> Tensor:
    """Known latents with the noise of CONTEXT_TIMESTEP, which is new in every step."""
    share = CONTEXT_TIMESTEP / 1000
    noise = torch.randn(context.shape, generator=generator).to(context.device)
    return (1 - share) * context + share * noise


def load_skyreels(preset: Preset, dtype: torch.dtype) -> SkyReels:
    """Loads the networks on the host; the autoencoder computes in float32.

    Raises:
        CheckpointError: files are missing or do not fit.
    """
    folder = preset.weights_folder
    with torch.device("meta"):
        transformer = from_config(SkyReelsV2Transformer3DModel, folder / "transformer")
    # Frequencies of positions, the only values that weight files do not hold.
    config = transformer.config
    transformer.rope = type(transformer.rope)(
        config["attention_head_dim"], config["patch_size"], config["rope_max_seq_len"]
    )
    load_transformer(transformer, folder / "transformer", dtype)
    return SkyReels(
        preset,
        transformer,
        load_autoencoder(folder / "vae"),
        load_text_encoder(folder, dtype),
        scheduler_config(folder / "scheduler"),
    )
