"""Batches of the diffusion stages: rendered videos, and their latents."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from t2v.models.autoencoder import FrameAutoencoder, to_pixels
from t2v.models.encoders import ImageEncoder, TextEncoder
from t2v.settings.chunking import PAPER_CHUNKING
from t2v.worlds.world import Scene, World


CHUNK_FRAMES, NUM_COND_FRAMES = PAPER_CHUNKING.chunk_frames, PAPER_CHUNKING.overlap
LAST_START = 220  # windows begin in the first half minute of a video
MIN_FRAMES_AFTER_RETURN = 2
SceneSampler = Callable[[np.random.Generator], Scene]


class Rendered(NamedTuple):
    """A batch of rendered frames. `numbers`: frame numbers within a chunk, of single frames."""

    frames: UInt8[Tensor, "b f H W 3"]
    token_ids: Int[Tensor, "b n"]
    numbers: Int[Tensor, " b"] | None = None
    anchors: UInt8[Tensor, "b H W 3"] | None = None


@dataclass(frozen=True, slots=True)
class Clips:
    """A batch of inputs of the denoiser.

    Conditioning frames are the first 8 of `latents`, decoded to pixels in [-1, 1].
    """

    latents: Float[Tensor, "b c f h w"]
    token_ids: Int[Tensor, "b n"]
    numbers: Int[Tensor, " b"] | None = None
    cond_frames: Float[Tensor, "b k 3 H W"] | None = None
    anchor_embeds: Float[Tensor, "b d"] | None = None

    def __len__(self) -> int:
        return len(self.latents)


@dataclass(frozen=True, slots=True)
class FrozenEncoders:
    """Networks of the earlier stages. They encode pixels and captions, and learn no more."""

    autoencoder: FrameAutoencoder
    text: TextEncoder
    image: ImageEncoder
    device: torch.device
    world: World

    @torch.no_grad()
    def encode(self, rendered: Rendered, with_cond_frames: bool = False) -> Clips:
        """Encodes a batch in the precision of the app."""
        frames, token_ids, numbers, anchors = rendered
        with torch.autocast(self.device.type, enabled=False):
            latents = self.autoencoder.encode(frames)
            cond_frames = self.decode_cond_frames(latents) if with_cond_frames else None
            anchor_embeds = None if anchors is None else self.image(to_pixels(anchors))
        return Clips(latents, token_ids, numbers, cond_frames, anchor_embeds)

    @torch.no_grad()
    def decode_cond_frames(self, latents: Float[Tensor, "b c f h w"]) -> Float[Tensor, "b k 3 H W"]:
        """Decodes the first 8 frames: the app's conditioning frames are decoded too."""
        with torch.autocast(self.device.type, enabled=False):
            raw = self.autoencoder.raw(latents[:, :, :NUM_COND_FRAMES])
            decoded = self.autoencoder.reconstruct(raw).clamp(-1, 1)
        return rearrange(decoded, "(b k) c H W -> b k c H W", b=len(latents))


def token_ids(tokenizer: PreTrainedTokenizerFast, scenes: list[Scene]) -> Int[Tensor, "b n"]:
    captions = [scene.caption for scene in scenes]
    batch = tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt")
    return batch.input_ids


def draw_images(
    rng: np.random.Generator,
    count: int,
    world: World,
    tokenizer: PreTrainedTokenizerFast,
    sample: SceneSampler,
    num_frames: int = CHUNK_FRAMES,
) -> Rendered:
    """Draws single frames (f = 1) from the first `num_frames`, with their numbers."""
    scenes = [sample(rng) for _ in range(count)]
    numbers = rng.integers(num_frames, size=count)
    frames = world.draw(scenes, numbers[:, None].astype(float))
    return Rendered(frames, token_ids(tokenizer, scenes), numbers=torch.from_numpy(numbers))


def draw_first_chunks(
    rng: np.random.Generator,
    count: int,
    world: World,
    tokenizer: PreTrainedTokenizerFast,
    sample: SceneSampler,
) -> Rendered:
    """Draws the first 16 frames of videos, for the Initialization Stage."""
    scenes = [sample(rng) for _ in range(count)]
    times = np.tile(np.arange(float(CHUNK_FRAMES)), (count, 1))
    frames = world.draw(scenes, times)
    return Rendered(frames, token_ids(tokenizer, scenes), anchors=frames[:, 0])


def draw_later_chunks(
    rng: np.random.Generator,
    count: int,
    world: World,
    tokenizer: PreTrainedTokenizerFast,
    sample: SceneSampler,
    share_of_returns: float,
) -> Rendered:
    """Draws chunks from the middle of videos.

    Args:
        share_of_returns: of chunks in which an object comes back after 8 hidden frames, so that
            only the anchor frame shows its look.
    """
    windows = [
        sample_window(rng, sample, is_return=rng.random() < share_of_returns) for _ in range(count)
    ]
    scenes = [scene for scene, _ in windows]
    starts = np.array([start for _, start in windows], dtype=float)
    # The anchor is frame 0, or any frame of the first chunk that shows the object.
    first = np.arange(float(CHUNK_FRAMES))
    anchors = np.array(
        [rng.choice([0.0, *first[scene.plainly_visible(first)]]) for scene in scenes]
    )
    times = np.concatenate([starts[:, None] + np.arange(CHUNK_FRAMES), anchors[:, None]], axis=1)
    frames = world.draw(scenes, times)
    return Rendered(
        frames[:, :CHUNK_FRAMES], token_ids(tokenizer, scenes), anchors=frames[:, CHUNK_FRAMES]
    )


def sample_window(
    rng: np.random.Generator, sample: SceneSampler, *, is_return: bool
) -> tuple[Scene, int]:
    """Draws a scene and the frame at which a chunk of it begins."""
    if not is_return:
        return sample(rng), int(rng.integers(PAPER_CHUNKING.new_frames, LAST_START))
    while True:  # many scenes have no returns
        scene = sample(rng)
        if starts := returns(scene):
            return scene, int(rng.choice(starts))


def returns(scene: Scene) -> list[int]:
    """Start frames of chunks whose 8 conditioning frames hide the object, which then comes back.

    A scene of two objects has none: the other object stays in the picture.
    """
    if scene.companion:
        return []
    times = np.arange(LAST_START + CHUNK_FRAMES, dtype=float)
    hidden = sliding_window_view(scene.hidden(times), CHUNK_FRAMES)[:, :NUM_COND_FRAMES]
    seen = sliding_window_view(scene.plainly_visible(times), CHUNK_FRAMES)[:, NUM_COND_FRAMES:]
    is_return = hidden.all(axis=1) & (seen.sum(axis=1) >= MIN_FRAMES_AFTER_RETURN)
    return np.flatnonzero(is_return).tolist()
