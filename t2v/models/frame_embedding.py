"""What tells a small model which frame it draws. Off in the paper's stack, which has no such thing.

The paper's base takes the order of frames from the edges of its convolutions over time, and where
things are when from millions of videos. "Moving left" says nothing about any single place: only
word, frame and place together do. Here they meet in one layer, as the pooled text does in SDXL.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import silu


class FrameEmbedding(nn.Module):
    """Numbers of frames, and what the text says about them, as a part of the time embedding.

    Args:
        num_frames: of the longest chunk.
        dim: of the time embedding.
    """

    def __init__(self, num_frames: int, text_dim: int, dim: int):
        super().__init__()
        self.numbers = nn.Embedding(num_frames, dim)
        self.text = nn.Linear(text_dim, dim)
        self.out = nn.Linear(dim, dim)
        # Zero, so that text begins to count where it helps.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self, numbers: Int[Tensor, "n f"], pooled_text: Float[Tensor, "p d"]
    ) -> Float[Tensor, "n f e"]:
        """One pooled text for all videos, or one each."""
        frames = self.numbers(numbers)
        together = silu(frames + self.text(pooled_text)[:, None])
        return frames + self.out(together)


def pool_text(prompt_embeds: Float[Tensor, "b n d"]) -> Float[Tensor, "b d"]:
    """The mean of all tokens: the text encoder is causal, so the last ones have seen all words."""
    return torch.mean(prompt_embeds, dim=1)
