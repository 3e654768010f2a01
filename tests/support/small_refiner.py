"""A small refiner with random weights, and refiners whose network is a formula."""

from dataclasses import replace

import numpy as np
import torch

from t2v.events import Chunk
from t2v.models.attention import TextContext
from t2v.models.video_unet import VideoUNet
from t2v.pipeline.refinement import refine
from t2v.pipeline.sdedit import training_sigmas
from t2v.pipeline.stack import Refiner
from t2v.settings.chunking import PAPER_CHUNKING
from t2v.settings.config import GenerationConfig, RefinerSettings
from tests.support.small_stack import STOCK_CONFIG, new_autoencoder, new_text_encoder, randomize


SETTINGS = RefinerSettings(
    frame_size=(36, 52),
    display_size=(72, 104),
    num_inference_steps=3,
    start_timestep=599,
    chunk_frames=24,
    overlap=8,
    guidance_scale=1.0,
    schedule="logsnr_cosine_interp",
)
BLENDINGS = ("causal", "joint", "shared_noise", "independent")


def new_refiner(**settings):
    """All networks, with random weights; attention at the lower resolution only."""
    unet = randomize(
        VideoUNet(
            **STOCK_CONFIG
            | {
                "down_block_types": ("DownBlock3D", "CrossAttnDownBlock3D"),
                "up_block_types": ("CrossAttnUpBlock3D", "UpBlock3D"),
            }
        )
    )
    return Refiner(
        name="small",
        unet=unet.requires_grad_(False),
        autoencoder=randomize(new_autoencoder(), seed=5).requires_grad_(False),
        text_encoder=randomize(new_text_encoder(), seed=3).requires_grad_(False),
        settings=replace(SETTINGS, **settings),
        sigmas=training_sigmas(SETTINGS.schedule, {}),
    )


class PixelRefiner(Refiner):
    """Latents are the pixels in [-1, 1], and `network(latents, timestep)` predicts x0."""

    def __init__(self, network, **settings):
        fields = {
            "name": "pixels",
            "unet": self,
            "autoencoder": self,
            "text_encoder": self,
            "settings": replace(SETTINGS, **{"prediction_type": "sample"} | settings),
            "sigmas": training_sigmas(SETTINGS.schedule, {}),
            "preview_chunking": PAPER_CHUNKING,
            "offloader": None,
            "network": network,
            "num_calls": 0,
            "num_encoded": 0,
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    dtype = torch.float32
    device = torch.device("cpu")

    def use(self, name):
        pass

    def refined_size(self, size):
        return size

    def latent_shape(self, size):
        return (3, *size)

    def encode(self, frames):
        if isinstance(frames[0], str):
            return torch.zeros(len(frames), 1, 1)
        object.__setattr__(self, "num_encoded", self.num_encoded + len(frames))
        return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 127.5 - 1

    def decode(self, latents, size):
        return to_frames(latents)

    def prepare_text(self, prompt_embeds):
        return TextContext({})

    def __call__(self, latents, timestep, text):
        object.__setattr__(self, "num_calls", self.num_calls + 1)
        return self.network(latents, timestep)


def to_frames(latents):
    pixels = latents[0].permute(1, 2, 3, 0)
    return ((pixels + 1) * 127.5).round().clamp(0, 255).byte().numpy()


def config(**settings):
    return GenerationConfig(**{"prompt": "a red star", "seed": 7} | settings)


def some_frames(num_frames, height=4, width=6):
    """Black and white pixels at random: no two frames are the same."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 2, (num_frames, height, width, 3), np.uint8) * 255


def in_pieces(frames, first=16, then=8):
    """As the pipeline delivers them: a chunk of 16, then 8 at a time."""
    yield frames[:first]
    for start in range(first, len(frames), then):
        yield frames[start : start + then]


def refined_chunks(refiner, frames, **settings):
    events = refine(refiner, config(**settings), in_pieces(frames))
    return [event for event in events if isinstance(event, Chunk)]


def refined_video(refiner, frames, **settings):
    return np.concatenate([c.frames for c in refined_chunks(refiner, frames, **settings)])


class CountingSource:
    """Gives out frames as the pipeline does, and knows how many were asked for."""

    def __init__(self, frames):
        self.frames = frames
        self.num_given = 0

    def __iter__(self):
        for piece in in_pieces(self.frames):
            self.num_given += len(piece)
            yield piece
