"""Stage 9: the refiner, trained on the same world in 176 x 176 pixels.

It is never trained on previews. SDEdit covers their faults with noise, so the refiner only has to
denoise sharp videos from that noise level down.
"""

import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from t2v.events import Chunk
from t2v.models.video_unet import VideoUNet
from t2v.pipeline.refinement import refine
from t2v.pipeline.sdedit import training_sigmas
from t2v.pipeline.stack import Refiner
from t2v.settings.config import GenerationConfig, RefinerSettings
from t2v.training.batches import scaled_size
from t2v.training.clips import LAST_START, FrozenEncoders, Rendered, token_ids
from t2v.training.denoiser import without_dropout
from t2v.training.diffusion import DiffusionStage
from t2v.training.networks import CHUNKING, REFINED_SIZE, SCHEDULE, new_refiner
from t2v.training.stage import ParameterGroups


CLIP_FRAMES = 8  # edges are local: a third of the 24 frames of a refined chunk is enough
SHEET_SCENES = 6


class RefinerStage(DiffusionStage[VideoUNet]):
    """The v-prediction loss from timestep 0 to twice the timestep that SDEdit starts at."""

    name = "refiner"
    learning_rate = 1e-3
    batch_size = 4

    def __init__(self, encoders: FrozenEncoders, num_steps: int, settings: RefinerSettings):
        super().__init__(without_dropout(new_refiner(encoders.world)), encoders, num_steps)
        self.settings = settings
        self.num_timesteps = 2 * settings.start_timestep  # with a margin for other starts

    def parameter_groups(self) -> ParameterGroups:
        return [{"params": list(self.model.parameters())}]

    def draw(self, rng: np.random.Generator, batch_scale: float) -> Rendered:
        """Draws 8 consecutive frames from any part of a video, at the refiner's size."""
        count = scaled_size(self.batch_size, batch_scale)
        scenes = [self.world.sample(rng) for _ in range(count)]
        times = rng.integers(LAST_START, size=(count, 1)) + np.arange(float(CLIP_FRAMES))
        frames = self.world.draw(scenes, times, REFINED_SIZE)
        return Rendered(frames, token_ids(self.tokenizer, scenes))

    def losses(self, batch: Rendered) -> dict[str, Tensor]:
        return self.loss_of(self.encoders.encode(batch), "sharp")

    def sheet(self, model: VideoUNet) -> UInt8[np.ndarray, "h w 3"]:
        """Columns: scenes. Rows: upscaled, refined, and the same frame rendered sharp."""
        rng = np.random.default_rng(7)
        refiner = Refiner(
            name="training",
            unet=model,
            autoencoder=self.encoders.autoencoder,
            text_encoder=self.encoders.text,
            settings=self.settings,
            sigmas=training_sigmas("stack", SCHEDULE),
        )
        columns = []
        for seed in range(SHEET_SCENES):
            scene = self.world.sample(rng)
            times = np.arange(float(CHUNKING.chunk_frames))[None]
            sharp = self.world.draw([scene], times, REFINED_SIZE)[0, -4].numpy()
            # Like a preview: encoded and decoded at the size of previews.
            frames = self.world.draw([scene], times).to(self.encoders.device)
            preview = self.encoders.autoencoder.decode(self.encoders.autoencoder.encode(frames))
            config = GenerationConfig(prompt=scene.caption, seed=seed)
            events = refine(refiner, config, [preview])
            refined = np.concatenate([event.frames for event in events if isinstance(event, Chunk)])
            columns.append(np.concatenate([upscale(preview)[-4], refined[-4], sharp]))
        return np.concatenate(columns, axis=1)


def upscale(frames: UInt8[np.ndarray, "f h w 3"]) -> UInt8[np.ndarray, "f H W 3"]:
    """Resizes to the refiner's size, bicubic."""
    pixels = rearrange(torch.from_numpy(frames), "f h w c -> f c h w").float()
    pixels = interpolate(pixels, (REFINED_SIZE, REFINED_SIZE), mode="bicubic", antialias=True)
    return rearrange(pixels.round().clamp(0, 255).byte(), "f c h w -> f h w c").numpy()
