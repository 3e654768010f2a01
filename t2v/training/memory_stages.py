"""Stages 5 to 7: CAM, APM, world. The denoiser learns one memory at a time.

The paper starts from a trained text-to-video model, freezes it for the CAM, and trains everything
but the temporal layers for CAM and APM together. Our base model is small and trained from scratch:
it keeps learning in every stage, from first chunks without memories in every batch. Until all parts
work together it is trained on the plain world only: 4,000 steps of images of the whole world gave
shapeless blobs.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from torch import Tensor
from torch.nn.functional import silu

from t2v.models.apm import AppearanceMixer
from t2v.pipeline.denoising import denoise, make_scheduler
from t2v.training.base_stages import NEW_LAYER_RATE
from t2v.training.batches import scaled_size, to_device
from t2v.training.clips import (
    FrozenEncoders,
    Rendered,
    draw_first_chunks,
    draw_images,
    draw_later_chunks,
)
from t2v.training.denoiser import Denoiser, split_by_name
from t2v.training.diffusion import DenoiserStage
from t2v.training.networks import CHUNKING, SCHEDULE, new_extractor
from t2v.training.stage import ParameterGroups


ALPHA_RATE = 15.0  # the APM's gates start at 0, where SiLU is flat: they need a faster rate
SHEET_WINDOWS = 6  # later chunks
SHEET_SHARE_OF_RETURNS = 0.5
SHEET_STEPS = 10  # of UniPC


class MemoryStage(DenoiserStage):
    """Chunks from the middle of videos, mixed with the batches of the earlier stages."""

    image_batch, image_weight = 16, 0.3  # keeps outlines crisp
    image_frames = CHUNKING.chunk_frames  # images are taken from this many first frames
    first_batch = 8
    later_batch = 8
    share_of_returns = 0.1
    with_anchor = False
    first_with_anchor = False  # the APM works on first chunks without being trained on them

    def draw(
        self, rng: np.random.Generator, batch_scale: float
    ) -> tuple[Rendered, Rendered, Rendered]:
        common = self.world, self.tokenizer, self.new_scene
        num_images, num_first, num_later = (
            scaled_size(size, batch_scale)
            for size in (self.image_batch, self.first_batch, self.later_batch)
        )
        images = draw_images(rng, num_images, *common, self.image_frames)
        first = draw_first_chunks(rng, num_first, *common)
        later = draw_later_chunks(rng, num_later, *common, self.share_of_returns)
        if not self.first_with_anchor:
            first = first._replace(anchors=None)
        return images, first, later if self.with_anchor else later._replace(anchors=None)

    def losses(self, batch: Sequence[Rendered]) -> dict[str, Tensor]:
        images, first = map(self.loss_of, map(self.encoders.encode, batch[:2]), ("image", "clip"))
        later = self.loss_of(self.encoders.encode(batch[2], with_cond_frames=True), "later")
        mixers = [mixer for mixer in self.model.unet.mixers if isinstance(mixer, AppearanceMixer)]
        gates = torch.stack([silu(mixer.alpha).abs() for mixer in mixers]).mean()
        loss = self.image_weight * images.pop("loss") + (first.pop("loss") + later.pop("loss")) / 2
        return {"loss": loss, **images, **first, **later, "gates": gates.detach()}

    def sheet(self, model: Denoiser) -> UInt8[np.ndarray, "h w 3"]:
        """Pairs of rows: a rendered chunk, and the model's with the same 8 conditioning frames."""
        rng = np.random.default_rng(9)
        drawn = draw_later_chunks(
            rng, SHEET_WINDOWS, self.world, self.tokenizer, self.new_scene, SHEET_SHARE_OF_RETURNS
        )
        clips = self.encoders.encode(to_device(drawn, self.encoders.device))
        text = self.encoders.text(clips.token_ids)
        encoded = model.extractor.encode_frames(self.encoders.decode_cond_frames(clips.latents))
        cam_text = model.extractor.prepare_text(text)
        tokens = model.anchor_tokens(clips.anchor_embeds) if self.with_anchor else None
        context = model.unet.prepare_text(text, tokens)

        def predict(latents: Tensor, timestep: Tensor) -> Tensor:
            cam = model.extractor(latents, timestep, cam_text, encoded)
            return model.unet(latents, timestep, context, cam)

        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(clips.latents.shape, generator=generator).to(self.encoders.device)
        scheduler = make_scheduler("unipc", SCHEDULE, SHEET_STEPS)
        *_, (latents, _) = denoise(predict, noise, scheduler, generator)
        both = torch.stack([clips.latents, latents], dim=1).flatten(0, 1)
        frames = np.stack([self.encoders.autoencoder.decode(latent[None]) for latent in both])
        return rearrange(frames[:, ::2], "b f h w d -> (b h) (f w) d")


class CamStage(MemoryStage):
    """Short-term memory: adds extractor and injectors; the base is trained further."""

    name = "cam"
    learning_rate = 6e-4
    last_rate = 0.3  # the next stage continues from here

    def __init__(self, model: Denoiser, encoders: FrozenEncoders, num_steps: int):
        # A copy of the UNet's encoder as it is trained so far.
        model.extractor = new_extractor(model.unet)
        super().__init__(model, encoders, num_steps)

    def parameter_groups(self) -> ParameterGroups:
        new, others = split_by_name(self.model.unet, ("injector",))
        frame_encoder, copied = split_by_name(self.model.extractor, ("frame_encoder",))
        new, others = new + frame_encoder, others + copied
        return [{"params": others}, {"params": new, "rate": NEW_LAYER_RATE}]


class ApmStage(MemoryStage):
    """Long-term memory: adds the APM, on many windows that need it."""

    name = "apm"
    learning_rate = 5e-4
    share_of_returns = 0.3
    with_anchor = True

    def parameter_groups(self) -> ParameterGroups:
        gates, others = split_by_name(self.model, (".alpha",))
        return [{"params": others}, {"params": gates, "rate": ALPHA_RATE, "weight_decay": 0.0}]


class WorldStage(ApmStage):
    """The whole world: more shapes and colours, patterns, pans, two objects."""

    name = "world"
    learning_rate = 4e-4
    image_batch, image_weight = 32, 0.4  # new shapes are learned from images first
    image_frames = 1  # the pipeline draws only the first frame alone
    powers: ClassVar = {
        "image": 1.5,
        "clip": 0.7,
    }  # noisier: high noise decides place and direction
    in_plain_world = False
