"""Stages 3 and 4: single images, then clips. The denoiser has no memories yet."""

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from torch import Tensor

from t2v.models.autoencoder import to_pixels
from t2v.training.batches import scaled_size
from t2v.training.clips import FrozenEncoders, Rendered, draw_first_chunks, draw_images
from t2v.training.denoiser import Denoiser, pooled_captions, split_by_name
from t2v.training.diffusion import DenoiserStage
from t2v.training.networks import CHUNKING
from t2v.training.probe import Probe
from t2v.training.stage import ParameterGroups
from t2v.worlds.world import UNSAID


TEMPORAL_LAYERS = (
    "temp_convs",
    "temp_attentions",
    "transformer_in",
    "frame_embedding",
    "place_embedding",
)
NEW_LAYER_RATE = 2.0  # layers that a stage adds learn faster than the others
SHEET_CLIPS = 12
HELD_OUT_SCENES = 77  # seed; training seeds are lists


class ImagesStage(DenoiserStage):
    """Single frames first: a frame of a clip costs sixteen times as much to learn from."""

    name = "images"
    learning_rate = 1e-3
    batch_size = 32

    def __init__(self, model: Denoiser, encoders: FrozenEncoders, num_steps: int):
        super().__init__(model, encoders, num_steps)
        if model.unet.frame_embedding is not None:
            model.unet.frame_embedding.whiten_text(pooled_captions(encoders))

    def draw(self, rng: np.random.Generator, batch_scale: float) -> Rendered:
        count = scaled_size(self.batch_size, batch_scale)
        return draw_images(rng, count, self.world, self.tokenizer, self.new_scene)

    def losses(self, batch: Rendered) -> dict[str, Tensor]:
        return self.loss_of(self.encoders.encode(batch), "image")

    def sheet(self, model: Denoiser) -> UInt8[np.ndarray, "h w 3"]:
        frames = self.sample(model, list(self.world.sheet_captions) * 2, num_frames=1)
        return rearrange(frames, "(r c) f h w d -> (r h) (f c w) d", c=12)


@torch.no_grad()
def image_adherence(
    stage: ImagesStage, model: Denoiser, probe: Probe, count: int = 128
) -> dict[str, float]:
    """Shares of held-out captions whose image shows, by the probe, what they state."""
    rng, world = np.random.default_rng(HELD_OUT_SCENES), stage.world
    scenes = [stage.new_scene(rng) for _ in range(count)]
    hits: dict[str, list[bool]] = {name: [] for name in world.measured}
    for start in range(0, count, stage.batch_size):
        some = scenes[start : start + stage.batch_size]
        frames = stage.sample(model, [scene.caption for scene in some], num_frames=1)[:, 0]
        answers = probe(to_pixels(torch.from_numpy(frames).to(stage.encoders.device)))
        for name, values in hits.items():
            classes = answers[name].argmax(1).tolist()
            for scene, number in zip(some, classes, strict=True):
                if (stated := world.caption_value(scene, name)) != UNSAID:
                    values.append(world.probe_classes[name][number] == stated)
    return {name: float(np.mean(values)) for name, values in hits.items()}


class ClipsStage(DenoiserStage):
    """First chunks of videos teach motion. Single frames still teach where objects are and when."""

    name = "clips"
    learning_rate = 8e-4
    batch_size = 8
    image_batch_size = 48

    def parameter_groups(self) -> ParameterGroups:
        temporal, others = split_by_name(self.model.unet, TEMPORAL_LAYERS)
        return [{"params": others}, {"params": temporal, "rate": NEW_LAYER_RATE}]

    def draw(self, rng: np.random.Generator, batch_scale: float) -> tuple[Rendered, Rendered]:
        common = self.world, self.tokenizer, self.new_scene
        images = draw_images(rng, scaled_size(self.image_batch_size, batch_scale), *common)
        clips = draw_first_chunks(rng, scaled_size(self.batch_size, batch_scale), *common)
        return images, clips._replace(anchors=None)

    def losses(self, batch: Sequence[Rendered]) -> dict[str, Tensor]:
        images, clips = map(self.loss_of, map(self.encoders.encode, batch), ("image", "clip"))
        loss = images.pop("loss") + clips.pop("loss")
        return {"loss": loss, **images, **clips}

    def sheet(self, model: Denoiser) -> UInt8[np.ndarray, "h w 3"]:
        captions = list(self.world.sheet_captions)[:SHEET_CLIPS]
        frames = self.sample(model, captions, CHUNKING.chunk_frames)[:, ::2]
        return rearrange(frames, "b f h w d -> (b h) (f w) d")
