"""What tells a small model which frame it draws. Off in the paper's stack, which has no such thing.

The paper's base takes the order of frames from the edges of its convolutions over time, and where
things are when from millions of videos. "Moving left" says nothing about any single place: only
word, frame and place together do. Here they meet: word and frame in one layer, as the pooled text
does in SDXL, and the place in a sum of cosines whose weights they choose.
"""

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import silu


NUM_WAVES = 4  # along each side: as fine as half a thing
SMALLEST_SHARE = 1e-5  # of all variance between texts: less says nothing


class FrameEmbedding(nn.Module):
    """Numbers of frames, and what the text says about them; `out` makes it a time embedding.

    Args:
        num_frames: of the longest chunk.
        dim: of what it returns, and of the time embedding.
    """

    def __init__(self, num_frames: int, text_dim: int, dim: int):
        super().__init__()
        self.numbers = nn.Embedding(num_frames, dim)
        self.text = nn.Linear(text_dim, dim)
        self.out = nn.Linear(dim, dim)
        # Zero, so that numbers begin to count where they help.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @torch.no_grad()
    def whiten_text(self, pooled_texts: Float[Tensor, "n d"]) -> None:
        """Begins with all differences between texts alike in size.

        A text encoder may say "left" or "right" in a tenth of the numbers that a colour takes: what
        is small is learnt late.

        Args:
            pooled_texts: of many captions, all their words in all places.
        """
        centre = pooled_texts.mean(dim=0)
        variances, axes = torch.linalg.eigh(torch.cov((pooled_texts - centre).T))
        scales = variances.clamp(min=SMALLEST_SHARE * float(variances.sum())).rsqrt()
        num_kept = min(len(axes), self.text.out_features)
        whitening = (axes * scales).T[-num_kept:]
        # A random turn spreads them over all units.
        turned = nn.init.orthogonal_(self.text.weight.new_empty(self.text.out_features, num_kept))
        self.text.weight.copy_(turned @ whitening)
        self.text.bias.copy_(-self.text.weight @ centre)

    def forward(
        self, numbers: Int[Tensor, "n f"], pooled_text: Float[Tensor, "p d"]
    ) -> Float[Tensor, "n f e"]:
        """One pooled text for all videos, or one each."""
        return silu(self.numbers(numbers) + self.text(pooled_text)[:, None])


class PlaceEmbedding(nn.Module):
    """Features for every place in a frame, chosen by the frame's embedding.

    Only for frames that no conditioning frames stand beside: those know better where things are.

    Args:
        dim: of the frame embedding.
        channels: of the features that it joins.
    """

    def __init__(self, dim: int, channels: int):
        super().__init__()
        self.weights = nn.Linear(dim, channels * NUM_WAVES**2)
        # Zero, so that places begin to count where it helps.
        nn.init.zeros_(self.weights.weight)
        nn.init.zeros_(self.weights.bias)

    def forward(
        self, embedded: Float[Tensor, "n f e"], size: tuple[int, int]
    ) -> Float[Tensor, "nf c h w"]:
        weights = rearrange(
            self.weights(embedded), "n f (c i j) -> (n f) c i j", i=NUM_WAVES, j=NUM_WAVES
        )
        rows, columns = (waves(length, weights) for length in size)
        return einsum(weights, rows, columns, "n c i j, i h, j w -> n c h w")


def waves(length: int, like: Tensor) -> Float[Tensor, "i {length}"]:
    """0, 1/2, 1, ... periods of a cosine over a side of any length."""
    places = (torch.arange(length, device=like.device) + 0.5) / length
    halves = torch.arange(NUM_WAVES, device=like.device)
    return torch.cos(torch.pi * halves[:, None] * places).to(like.dtype)


def pool_text(prompt_embeds: Float[Tensor, "b n d"]) -> Float[Tensor, "b d"]:
    """The mean of all tokens: the text encoder is causal, so the last ones have seen all words."""
    return torch.mean(prompt_embeds, dim=1)
