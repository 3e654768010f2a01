"""Stage 2: a small CLIP. Text and video, and two frames of one video, should find each other.

Text is paired with two frames in their order: against single frames, the encoder learns that "left"
and "right" are the same word. The second pairing makes the image embedding keep what the caption
does not say (second colour, shade, size): that is what the APM later reads from the anchor frame.

Neither makes the text encoder tell left from right, or two shapes, in 500 steps. So its pooled text
must name all that a caption says, on many more captions than there are pictures.
"""

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from t2v.config import CHUNK_FRAMES
from t2v.models.autoencoder import to_pixels
from t2v.models.frame_embedding import pool_text
from t2v.training.batches import part, to_device
from t2v.training.captions import (
    BACKGROUNDS,
    COLOURS,
    MOTIONS,
    PACES,
    PATTERN_PHRASES,
    SCROLL_PHRASES,
    SHAPES,
    SIZES,
)
from t2v.training.clips import token_ids
from t2v.training.drawing import draw
from t2v.training.networks import WIDTH, new_image_encoder, new_text_encoder
from t2v.training.world import Scene, sample_scene, visible_times


BATCH = 96
FRAMES_APART = 8  # the two that text is paired with; both in the first chunk
FIRST_SCALE = 2.6  # log of the inverse temperature
NUM_CAPTIONS = 384  # a step; half of them of two objects
NAMING_WEIGHT = 0.2  # of every attribute
ATTRIBUTES = {
    "shape": tuple(SHAPES),
    "colour": tuple(COLOURS),
    "background": tuple(BACKGROUNDS),
    "motion": tuple(MOTIONS),
    "size": tuple(SIZES),
    "pace": tuple(PACES),
    "pattern": tuple(PATTERN_PHRASES),
    "scroll": tuple(SCROLL_PHRASES),
    "other_shape": (*SHAPES, "none"),
    "other_colour": (*COLOURS, "none"),
}


class SmallCLIP(nn.Module):
    """Both encoders, and what only their training needs: what joins two frames, what names
    attributes, and the two temperatures of the contrastive losses."""

    def __init__(self):
        super().__init__()
        self.text = new_text_encoder()
        self.image = new_image_encoder()
        self.join = nn.Linear(2 * WIDTH, WIDTH)
        self.names = nn.ModuleDict(
            {name: nn.Linear(WIDTH, len(options)) for name, options in ATTRIBUTES.items()}
        )
        self.log_scale = nn.Parameter(torch.full((2,), FIRST_SCALE))


class EncodersStage:
    """InfoNCE in both directions (Radford et al., 2021), text to video and frame to frame."""

    name = "encoders"
    learning_rate = 1e-3
    last_rate = 0.02

    def __init__(self, num_steps: int, device: torch.device):
        self.num_steps = num_steps
        self.device = device
        self.model = SmallCLIP()

    def parameter_groups(self) -> list[dict]:
        return [{"params": list(self.model.parameters())}]

    def draw(self, rng: np.random.Generator, share: float):
        count = part(NUM_CAPTIONS, share)
        captioned = [sample_scene(rng, pair=i % 2 == 1) for i in range(count)]
        truth = {
            name: torch.tensor([options.index(attribute(scene, name)) for scene in captioned])
            for name, options in ATTRIBUTES.items()
        }
        triples = self._draw_triples(rng, part(BATCH, share))
        return triples, token_ids(self.model.text.tokenizer, captioned), truth

    def losses(self, batch) -> dict[str, Tensor]:
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
        """Cross-entropy per attribute, told from the pooled text alone."""
        pooled = pool_text(self.model.text(captions))
        return {
            name: cross_entropy(self.model.names[name](pooled), options)
            for name, options in truth.items()
        }

    def _draw_triples(
        self, rng: np.random.Generator, count: int
    ) -> tuple[UInt8[Tensor, "b 3 h w 3"], Int[Tensor, "b n"]]:
        """Two frames of the first chunk and one from anywhere, and the captions."""
        scenes = [sample_scene(rng) for _ in range(count)]
        start = rng.integers(CHUNK_FRAMES - FRAMES_APART, size=(count, 1)).astype(float)
        anywhere = np.stack([visible_times(scene, rng, 1) for scene in scenes])
        times = np.concatenate([start, start + FRAMES_APART, anywhere], axis=1)
        return draw(scenes, times), token_ids(self.model.text.tokenizer, scenes)

    def _embed(self, model: SmallCLIP, frames: UInt8[Tensor, "b 3 h w 3"], ids: Tensor):
        """Unit embeddings (b, d) of the two frames together, the first, the other and the text."""
        pixels = to_pixels(frames)
        mask = (ids != model.text.tokenizer.pad_token_id).long()
        text = model.text.model(ids, attention_mask=mask)
        first, later, other = (model.image.model(pixels[:, i]) for i in range(3))
        # Before the projection: the place, which embeddings of one video agree to forget.
        places = [frame.last_hidden_state.mean(dim=1) for frame in (first, later)]
        video = model.join(torch.cat(places, dim=-1))
        embeds = (video, first.image_embeds, other.image_embeds, text.text_embeds)
        return tuple(normalize(embed.float(), dim=-1) for embed in embeds)

    def sheet(self, model: SmallCLIP) -> UInt8[np.ndarray, "h w 3"]:
        """The two similarity matrices of 96 held-out scenes: a bright diagonal is good."""
        triples = to_device(self._draw_triples(np.random.default_rng(5), 96), self.device)
        video, first, other, text = self._embed(model, *triples)
        matrices = [video @ text.T, first @ other.T]
        picture = torch.cat([(m - m.min()) / (m.max() - m.min()) for m in matrices], dim=1)
        grey = (picture * 255).byte().cpu().numpy().repeat(4, 0).repeat(4, 1)
        return np.stack([grey] * 3, axis=-1)


def attribute(scene: Scene, name: str) -> str:
    """What the caption says of it; "none" of a second object that is not there."""
    if not name.startswith("other_"):
        return getattr(scene, name)
    return getattr(scene.companion, name.removeprefix("other_")) if scene.companion else "none"


def info_nce(similarity: Float[Tensor, "b b"]) -> Tensor:
    target = torch.arange(len(similarity), device=similarity.device)
    return (cross_entropy(similarity, target) + cross_entropy(similarity.T, target)) / 2


@torch.no_grad()
def recall(model: SmallCLIP, device: torch.device, count: int = 256) -> dict[str, float]:
    """Recall at 1 among `count` held-out scenes: video to caption, frame to other frame."""
    stage = EncodersStage(0, device)
    triples = to_device(stage._draw_triples(np.random.default_rng(6), count), device)
    video, first, other, text = stage._embed(model, *triples)
    target = torch.arange(count, device=device)
    hit = {"text": video @ text.T, "frame": first @ other.T}
    return {name: float((s.argmax(1) == target).float().mean()) for name, s in hit.items()}
