"""SparseCtrl (Guo et al., 2023; arXiv 2311.16933) on AnimateDiff: known frames steer a video.

The first chunk is AnimateDiff's, from text alone. Every later chunk sees the last frames of the
video as conditions of its own first frames, encoded, with a mask that says which frames are known.
"""

from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models import (
    AutoencoderKL,
    MotionAdapter,
    SparseControlNetModel,
    UNet2DConditionModel,
    UNetMotionModel,
)
from torch import Tensor

from t2v.baselines.framewise import Framewise
from t2v.baselines.interface import Continuing
from t2v.baselines.parts import load_model, load_text_encoder, scheduler_config
from t2v.errors import CheckpointError
from t2v.events import Frames
from t2v.models.encoders import OpenClipTextEncoder, TextEncoder
from t2v.pipeline.denoising import Step
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset


# AnimateDiff's sampler, where it differs from that of the image model.
ANIMATEDIFF = {
    "beta_schedule": "linear",
    "clip_sample": False,
    "timestep_spacing": "linspace",
    "steps_offset": 1,
}


class SparseCtrl(Framewise, Continuing):
    """Runs the networks that the library's AnimateDiffSparseControlNetPipeline has."""

    together = (("unet", "controlnet"),)
    step_bytes = 44_000
    decoding_bytes = 400_000

    def __init__(
        self,
        preset: Preset,
        unet: UNetMotionModel,
        controlnet: SparseControlNetModel,
        vae: AutoencoderKL,
        text_encoder: TextEncoder,
        schedule: dict[str, Any],
    ):
        networks = {"unet": unet, "controlnet": controlnet}
        super().__init__(preset, networks, vae, text_encoder, schedule | ANIMATEDIFF)
        self.unet = unet
        self.controlnet = controlnet

    def draw(
        self,
        config: GenerationConfig,
        index: int,
        prompt_embeds: Tensor,
        known: Frames | None,
    ) -> Iterator[Step]:
        dtype, num_frames = self.unet.dtype, self.chunking.chunk_frames
        # The library's networks see a batch of frames.
        text = prompt_embeds.to(dtype).repeat_interleave(num_frames, dim=0)
        control = None if known is None else self.control(config, index, known)
        self.use("unet", "controlnet")

        def predict(latents: Tensor, timestep: Tensor) -> Tensor:
            latents = latents.to(dtype)
            residuals = {}
            if control is not None:
                down, mid = self.controlnet(
                    latents, timestep, encoder_hidden_states=text, return_dict=False, **control
                )
                residuals = {
                    "down_block_additional_residuals": down,
                    "mid_block_additional_residual": mid,
                }
            return self.unet(latents, timestep, text, return_dict=False, **residuals)[0]

        return self.sample(
            config, predict, self.noise(config, index, self.unet.config["in_channels"])
        )

    def control(self, config: GenerationConfig, index: int, known: Frames) -> dict[str, Tensor]:
        """The known frames' latents, zeros after them, and the mask of known frames."""
        latents = self.sample_latents(config, index, known).to(self.controlnet.dtype)
        shape = (*latents.shape[:2], self.chunking.chunk_frames, *latents.shape[3:])
        condition = latents.new_zeros(shape)
        condition[:, :, : len(known)] = latents
        mask = torch.zeros_like(condition[:, :1])
        mask[:, :, : len(known)] = 1
        return {"controlnet_cond": condition, "conditioning_mask": mask}


def load_sparsectrl(preset: Preset, dtype: torch.dtype) -> SparseCtrl:
    """Loads the networks on the host; the autoencoder computes in float32.

    Raises:
        CheckpointError: files are missing or do not fit, or the control reads pixels (sketches).
    """
    folder = preset.weights_folder
    controlnet = load_model(SparseControlNetModel, folder / "controlnet", dtype)
    if not controlnet.config["use_simplified_condition_embedding"]:
        raise CheckpointError(f"{folder / 'controlnet'} is not the SparseCtrl that reads frames")
    return SparseCtrl(
        preset,
        unet=load_animatediff(preset, dtype)[0],
        controlnet=controlnet,
        vae=load_model(AutoencoderKL, folder / "vae", torch.float32),
        text_encoder=load_text_encoder(OpenClipTextEncoder, folder, dtype),
        schedule=scheduler_config(folder / "scheduler"),
    )


def load_animatediff(preset: Preset, dtype: torch.dtype) -> tuple[UNetMotionModel, MotionAdapter]:
    """Stable Diffusion's UNet with AnimateDiff's motion modules, and these alone.

    Raises:
        CheckpointError: files are missing or do not fit.
    """
    folder = preset.weights_folder
    unet = load_model(UNet2DConditionModel, folder / "unet", dtype)
    adapter = load_model(MotionAdapter, folder / "motion_adapter", dtype)
    try:
        joined = UNetMotionModel.from_unet2d(unet, adapter)
    except (ValueError, RuntimeError) as error:
        raise CheckpointError(f"the motion adapter in {folder} does not fit: {error}") from error
    return joined.requires_grad_(False).eval(), adapter
