"""What the diffusion stages see: latents of rendered videos, drawn as training goes on."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from t2v.config import CHUNK_FRAMES, NUM_COND_FRAMES, NUM_NEW_FRAMES
from t2v.models.autoencoder import FrameAutoencoder, to_pixels
from t2v.models.encoders import ImageEncoder, TextEncoder
from t2v.training.drawing import draw
from t2v.training.world import Scene, sample_scene


LAST_START = 220  # windows begin in the first half minute of a video
MIN_FRAMES_AFTER_RETURN = 2
SceneSampler = Callable[[np.random.Generator], Scene]


@dataclass(frozen=True, slots=True)
class Clips:
    """A batch. Conditioning frames show the first 8 frames of `latents`; single frames (f = 1) have
    their numbers in a chunk."""

    latents: Float[Tensor, "b c f h w"]
    token_ids: Int[Tensor, "b n"]
    cond_frames: UInt8[Tensor, "b k H W 3"] | None = None
    anchor_embeds: Float[Tensor, "b d"] | None = None
    numbers: Int[Tensor, " b"] | None = None

    def __len__(self) -> int:
        return len(self.latents)

    def without_anchor(self) -> "Clips":
        return replace(self, anchor_embeds=None)


@dataclass(frozen=True, slots=True)
class Teachers:
    """Networks of the stages before, which turn pixels and words into what diffusion sees."""

    autoencoder: FrameAutoencoder
    text: TextEncoder
    image: ImageEncoder
    device: torch.device

    def tokenize(self, scenes: list[Scene]) -> Int[Tensor, "b n"]:
        return self.text.tokenize([scene.caption for scene in scenes]).to(self.device)


@torch.no_grad()
def draw_images(
    rng: np.random.Generator, teachers: Teachers, count: int, sample: SceneSampler
) -> Clips:
    """Single frames (f = 1) of first chunks, with their numbers: where things are when."""
    scenes = [sample(rng) for _ in range(count)]
    numbers = rng.integers(CHUNK_FRAMES, size=count)
    frames = draw(scenes, numbers[:, None].astype(float), device=teachers.device)
    return Clips(
        teachers.autoencoder.encode(frames),
        teachers.tokenize(scenes),
        numbers=torch.from_numpy(numbers).to(teachers.device),
    )


@torch.no_grad()
def draw_first_chunks(
    rng: np.random.Generator, teachers: Teachers, count: int, sample: SceneSampler
) -> Clips:
    """The first 16 frames of videos: what the Initialization Stage has to draw from the first."""
    scenes = [sample(rng) for _ in range(count)]
    times = np.tile(np.arange(float(CHUNK_FRAMES)), (count, 1))
    frames = draw(scenes, times, device=teachers.device)
    return Clips(
        teachers.autoencoder.encode(frames),
        teachers.tokenize(scenes),
        anchor_embeds=teachers.image(to_pixels(frames[:, 0])),
    )


@torch.no_grad()
def draw_later_chunks(
    rng: np.random.Generator,
    teachers: Teachers,
    count: int,
    sample: SceneSampler,
    share_of_returns: float,
) -> Clips:
    """Chunks from the middle of videos, with both memories.

    Args:
        share_of_returns: how many show an object coming back after 8 hidden frames, so that only
            the anchor frame knows what it looks like.
    """
    windows = [sample_window(rng, rng.random() < share_of_returns, sample) for _ in range(count)]
    scenes = [scene for scene, _ in windows]
    starts = np.array([start for _, start in windows], dtype=float)
    # The anchor is frame 0, or any other of the first chunk in which the object is seen.
    first = np.arange(float(CHUNK_FRAMES))
    anchors = np.array(
        [rng.choice([0.0, *first[scene.plainly_visible(first)]]) for scene in scenes]
    )
    times = np.concatenate([starts[:, None] + np.arange(CHUNK_FRAMES), anchors[:, None]], axis=1)
    frames = draw(scenes, times, device=teachers.device)

    latents = teachers.autoencoder.encode(frames[:, :CHUNK_FRAMES])
    # Conditioning frames as they are when the app runs: decoded, not rendered.
    decoded = [teachers.autoencoder.decode(latent[None, :, :NUM_COND_FRAMES]) for latent in latents]
    return Clips(
        latents,
        teachers.tokenize(scenes),
        torch.from_numpy(np.stack(decoded)).to(teachers.device),
        teachers.image(to_pixels(frames[:, -1])),
    )


def sample_window(
    rng: np.random.Generator, is_return: bool, sample: SceneSampler = sample_scene
) -> tuple[Scene, int]:
    """A scene and the frame at which a chunk of it begins."""
    if not is_return:
        return sample(rng), int(rng.integers(NUM_NEW_FRAMES, LAST_START))
    while True:  # many scenes have no returns
        scene = sample(rng)
        if starts := returns(scene):
            return scene, int(rng.choice(starts))


def returns(scene: Scene) -> list[int]:
    """Frames at which a chunk can begin whose 8 conditioning frames do not show the object.

    None where another object is seen in its stead.
    """
    if scene.companion:
        return []
    times = np.arange(LAST_START + CHUNK_FRAMES, dtype=float)
    hidden = sliding_window_view(scene.hidden(times), CHUNK_FRAMES)[:, :NUM_COND_FRAMES]
    seen = sliding_window_view(scene.plainly_visible(times), CHUNK_FRAMES)[:, NUM_COND_FRAMES:]
    is_return = hidden.all(axis=1) & (seen.sum(axis=1) >= MIN_FRAMES_AFTER_RETURN)
    return np.flatnonzero(is_return).tolist()


class Pool:
    """Clips that are used a few times before fresh ones take their places.

    Drawing and encoding a clip costs a fifth of training on it; in a pool that is shared.

    Args:
        make: draws clips: (rng, count) -> Clips.
        size: how many are kept.
        uses: of a clip, on average.
    """

    def __init__(self, make: Callable[[np.random.Generator, int], Clips], size: int, uses: int):
        self.make = make
        self.size = size
        self.uses = uses
        self.num_filled = 0
        self.places: dict[str, Tensor] = {}

    def batch(self, rng: np.random.Generator, count: int) -> Clips:
        # While places are free all of the batch is new: training need not wait for a full pool.
        is_full = self.num_filled + count > self.size
        fresh = _tensors(self.make(rng, max(1, count // self.uses) if is_full else count))
        num_fresh = len(fresh["latents"])
        if not self.places:
            self.places = {
                name: tensor.new_empty(self.size, *tensor.shape[1:])
                for name, tensor in fresh.items()
            }
        chosen = np.arange(self.num_filled, self.num_filled + num_fresh)
        if is_full:
            chosen = rng.choice(self.num_filled, num_fresh, replace=False)
        else:
            self.num_filled += num_fresh
        for name, tensor in fresh.items():
            self.places[name][chosen] = tensor
        taken = rng.choice(self.num_filled, count, replace=False)
        return Clips(**{name: place[taken] for name, place in self.places.items()})


def _tensors(clips: Clips) -> dict[str, Tensor]:
    values = {field.name: getattr(clips, field.name) for field in fields(clips)}
    return {name: value for name, value in values.items() if value is not None}
