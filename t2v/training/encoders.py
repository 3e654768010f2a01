"""Stage 2: a small CLIP. It pairs text with video, and two frames of one video.

Text is paired with two frames in their order: with single frames, the encoder learns that "left"
and "right" are the same word. The second pairing makes the image embedding keep what the caption
leaves out (second colour, shade, size): the APM later reads that from the anchor frame.

Neither pairing teaches the text encoder in 500 steps to distinguish left from right, or two shapes.
So classifiers of its pooled text name every attribute of a caption, on many more captions than
there are images.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from t2v.models.attention import pool_text
from t2v.models.autoencoder import to_pixels
from t2v.training.batches import scaled_size, to_device
from t2v.training.clips import token_ids
from t2v.training.networks import CHUNKING, WIDTH, new_image_encoder, new_text_encoder
from t2v.training.stage import ParameterGroups
from t2v.worlds.world import World, visible_times


BATCH = 96
FRAMES_APART = 8  # the two that text is paired with; both in the first chunk
FIRST_SCALE = 2.6  # log of the inverse temperature
NUM_CAPTIONS = 384  # a step; half of them of two objects, in worlds with pairs
NAMING_WEIGHT = 0.2  # of every attribute


Triples = tuple[UInt8[Tensor, "b 3 h w 3"], Int[Tensor, "b n"]]  # frames, captions
Batch = tuple[Triples, Int[Tensor, "c n"], dict[str, Int[Tensor, " c"]]]


class Embeddings(NamedTuple):
    """Unit embeddings of two frames together, of the first, of another one, and of the text."""

    video: Float[Tensor, "b d"]
    first: Float[Tensor, "b d"]
    other: Float[Tensor, "b d"]
    text: Float[Tensor, "b d"]


class SmallCLIP(nn.Module):
    """Both encoders and the parts that only their training needs.

    `join` combines two frames, `names` classifies attributes, and `log_scale` has the temperatures
    of the two contrastive losses.
    """

    def __init__(self, world: World):
        super().__init__()
        self.text = new_text_encoder(world)
        self.image = new_image_encoder()
        self.join = nn.Linear(2 * WIDTH, WIDTH)
        self.names = nn.ModuleDict(
            {name: nn.Linear(WIDTH, len(options)) for name, options in world.attributes.items()}
        )
        self.log_scale = nn.Parameter(torch.full((2,), FIRST_SCALE))


class EncodersStage:
    """InfoNCE in both directions (Radford et al., 2021), text to video and frame to frame."""

    name = "encoders"
    learning_rate = 1e-3
    last_rate = 0.02

    def __init__(self, world: World, num_steps: int, device: torch.device):
        self.world = world
        self.num_steps = num_steps
        self.device = device
        self.model = SmallCLIP(world)

    def parameter_groups(self) -> ParameterGroups:
        return [{"params": list(self.model.parameters())}]

    def draw(self, rng: np.random.Generator, batch_scale: float) -> Batch:
        count = scaled_size(NUM_CAPTIONS, batch_scale)
        has_pairs = bool(self.world.pair_motions)
        captioned = [self.world.sample(rng, pair=has_pairs and i % 2 == 1) for i in range(count)]
        truth = {
            name: torch.tensor(
                [options.index(self.world.caption_value(scene, name)) for scene in captioned]
            )
            for name, options in self.world.attributes.items()
        }
        triples = self._draw_triples(rng, scaled_size(BATCH, batch_scale))
        return triples, token_ids(self.model.text.tokenizer, captioned), truth

    def losses(self, batch: Sequence[Any]) -> dict[str, Tensor]:
        triples, captions, truth = batch
        video, first, other, text = self._embed(self.model, *triples)
        scale = self.model.log_scale.exp().clamp(max=100)
        to_text = info_nce(scale[0] * video @ text.T)
        to_frame = info_nce(scale[1] * first @ other.T)
        naming = self._naming_losses(captions, truth)
        loss = to_text + to_frame + NAMING_WEIGHT * sum(naming.values())
        return {"loss": loss, "text": to_text, "frame": to_frame, **naming}

    def _naming_losses(
        self, captions: Int[Tensor, "c n"], truth: dict[str, Int[Tensor, " c"]]
    ) -> dict[str, Tensor]:
        """Cross-entropy per attribute, from the pooled text alone."""
        pooled = pool_text(self.model.text(captions))
        return {
            name: cross_entropy(self.model.names[name](pooled), options)
            for name, options in truth.items()
        }

    def _draw_triples(self, rng: np.random.Generator, count: int) -> Triples:
        """Draws two frames of the first chunk and one from any time, and the captions."""
        scenes = [self.world.sample(rng) for _ in range(count)]
        start = rng.integers(CHUNKING.chunk_frames - FRAMES_APART, size=(count, 1)).astype(float)
        anywhere = np.stack([visible_times(scene, rng, 1) for scene in scenes])
        times = np.concatenate([start, start + FRAMES_APART, anywhere], axis=1)
        return self.world.draw(scenes, times), token_ids(self.model.text.tokenizer, scenes)

    def _embed(
        self, model: SmallCLIP, frames: UInt8[Tensor, "b 3 h w 3"], ids: Int[Tensor, "b n"]
    ) -> Embeddings:
        pixels = to_pixels(frames)
        mask = (ids != model.text.tokenizer.pad_token_id).long()
        text = model.text.model(ids, attention_mask=mask)
        first, later, other = (model.image.model(pixels[:, i]) for i in range(3))
        # From before the projection, which loses the place of the object.
        places = [frame.last_hidden_state.mean(dim=1) for frame in (first, later)]
        video = model.join(torch.cat(places, dim=-1))
        embeds = (video, first.image_embeds, other.image_embeds, text.text_embeds)
        return Embeddings(*(normalize(embed.float(), dim=-1) for embed in embeds))

    def sheet(self, model: SmallCLIP) -> UInt8[np.ndarray, "h w 3"]:
        """Draws both similarity matrices of 96 held-out scenes: a bright diagonal is good."""
        triples = to_device(self._draw_triples(np.random.default_rng(5), 96), self.device)
        video, first, other, text = self._embed(model, *triples)
        matrices = [video @ text.T, first @ other.T]
        picture = torch.cat([(m - m.min()) / (m.max() - m.min()) for m in matrices], dim=1)
        grey = (picture * 255).byte().cpu().numpy().repeat(4, 0).repeat(4, 1)
        return np.stack([grey] * 3, axis=-1)


def info_nce(similarity: Float[Tensor, "b b"]) -> Tensor:
    target = torch.arange(len(similarity), device=similarity.device)
    return (cross_entropy(similarity, target) + cross_entropy(similarity.T, target)) / 2


@torch.no_grad()
def recall(
    model: SmallCLIP, world: World, device: torch.device, count: int = 256
) -> dict[str, float]:
    """Recall at 1 among `count` held-out scenes: video to caption, frame to other frame."""
    stage = EncodersStage(world, 0, device)
    triples = to_device(stage._draw_triples(np.random.default_rng(6), count), device)
    video, first, other, text = stage._embed(model, *triples)
    target = torch.arange(count, device=device)
    hit = {"text": video @ text.T, "frame": first @ other.T}
    return {name: float((s.argmax(1) == target).float().mean()) for name, s in hit.items()}
