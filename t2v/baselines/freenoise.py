"""FreeNoise (Qiu et al., 2023; arXiv 2310.15169) on AnimateDiff: the whole video at once.

Windows of 16 frames, 4 apart, share the temporal attention, and later noise repeats earlier noise
in another order. Nothing was trained for it. Every frame depends on all others, so nothing can be
shown before the last denoising step, and memory grows with the length.
"""

from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models import AutoencoderKL
from diffusers.pipelines.animatediff import AnimateDiffPipeline
from diffusers.schedulers import DDIMScheduler
from torch import Tensor

from t2v.baselines.framewise import Framewise
from t2v.baselines.interface import WholeVideo, chunk_generator
from t2v.baselines.parts import load_model, load_text_encoder, scheduler_config
from t2v.baselines.sparsectrl import ANIMATEDIFF, load_animatediff
from t2v.models.encoders import OpenClipTextEncoder
from t2v.pipeline.conditioning import EncodedPrompts
from t2v.pipeline.denoising import Step
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset


STRIDE = 4  # frames between windows
WHOLE_NOTICE = (
    "This method draws the whole video at once: frames appear after the last step, and a longer "
    "video is another one."
)


class FreeNoise(Framewise, WholeVideo):
    """Runs the library's AnimateDiffPipeline, its FreeNoise switched on, by its helpers."""

    step_bytes = 36_000
    decoding_bytes = 400_000

    # The parts of the pipeline, an AnimateDiffPipeline, have no types.
    def __init__(self, preset: Preset, pipeline: Any, encoder: OpenClipTextEncoder):
        networks = {"unet": pipeline.unet}
        schedule = dict(pipeline.scheduler.config)
        super().__init__(preset, networks, pipeline.vae, encoder, schedule)
        self.pipeline = pipeline
        self.notices = (WHOLE_NOTICE,)
        dtype = pipeline.unet.dtype
        pipeline.enable_free_noise(
            context_length=self.chunking.chunk_frames,
            context_stride=STRIDE,
            weighting_scheme="pyramid",
            noise_type="shuffle_context",
        )
        # The library makes new blocks, in the precision of the autoencoder.
        pipeline.unet.to(dtype).requires_grad_(False).eval()
        pipeline.register_modules(motion_adapter=None)  # the network has its weights

    def draw_all(self, config: GenerationConfig, prompts: EncodedPrompts) -> Iterator[Step]:
        unet, chunking = self.pipeline.unet, self.chunking
        num_frames = chunking.num_frames(config.num_chunks)
        # One text a frame, in the order of the network's batch: a whole video without, one with.
        per_frame = [prompts.of_chunk(chunking.chunk_at(frame)) for frame in range(num_frames)]
        text = torch.stack(per_frame, dim=1).flatten(0, 1).to(unet.dtype)
        noise = self.pipeline.prepare_latents(
            1,
            unet.config["in_channels"],
            num_frames,
            *self.frame_size,
            torch.float32,
            self.device,
            chunk_generator(config, 0),
        )
        self.use("unet")

        def predict(latents: Tensor, timestep: Tensor) -> Tensor:
            return unet(latents.to(unet.dtype), timestep, text, return_dict=False)[0]

        return self.sample(config, predict, noise / self.pipeline.scheduler.init_noise_sigma)


def load_freenoise(preset: Preset, dtype: torch.dtype) -> FreeNoise:
    """Loads the networks on the host; the autoencoder computes in float32.

    Raises:
        CheckpointError: files are missing or do not fit.
    """
    folder = preset.weights_folder
    unet, adapter = load_animatediff(preset, dtype)
    encoder = load_text_encoder(OpenClipTextEncoder, folder, dtype)
    schedule = scheduler_config(folder / "scheduler") | ANIMATEDIFF
    pipeline = AnimateDiffPipeline(
        vae=load_model(AutoencoderKL, folder / "vae", torch.float32),
        text_encoder=encoder.model,
        tokenizer=encoder.tokenizer,
        unet=unet,
        motion_adapter=adapter,
        scheduler=DDIMScheduler.from_config(schedule),
    )
    return FreeNoise(preset, pipeline, encoder)
