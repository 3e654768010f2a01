"""Frame and place embeddings, which tell a small model which frame it draws.

The paper's stack has none. Its base infers the order of frames from the zero padding of its
temporal convolutions, and learned motion from millions of videos. A small model needs help:
"moving left" says where a shape is only together with the frame number. FrameEmbedding joins the
pooled text (as in SDXL) and the frame number; PlaceEmbedding turns the result into a sum of cosines
over the frame.
"""

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import silu


NUM_WAVES = 4  # along each side: the finest is about half the size of a shape
SMALLEST_SHARE = 1e-5  # of the variance between texts: smaller components are noise


def frame_numbers(
    latents: Float[Tensor, "b c f h w"], first_frame: Int[Tensor, " b"] | None
) -> Int[Tensor, "b f"]:
    """Numbers the frames within their chunk, from that of each video's first one (None: 0)."""
    b, _, f, _, _ = latents.shape
    numbers = torch.arange(f, device=latents.device).expand(b, -1)
    return numbers if first_frame is None else numbers + first_frame[:, None]


class FrameEmbedding(nn.Module):
    """Embeds frame numbers together with the text; `out` maps the result to a time embedding.

    Args:
        num_frames: of the longest chunk.
        dim: width of the result and of the time embedding.
    """

    def __init__(self, num_frames: int, text_dim: int, dim: int):
        super().__init__()
        self.numbers = nn.Embedding(num_frames, dim)
        self.text = nn.Linear(text_dim, dim)
        self.out = nn.Linear(dim, dim)
        # Zero-initialised: no effect until training uses it.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    @torch.no_grad()
    def whiten_text(self, pooled_texts: Float[Tensor, "n d"]) -> None:
        """Initialises the text layer so that all differences between texts have the same size.

        A text encoder may encode "left" and "right" with a tenth of the variance of a colour, and
        small differences are learned late.

        Args:
            pooled_texts: of many captions, with all words at all positions.
        """
        centre = pooled_texts.mean(dim=0)
        variances, axes = torch.linalg.eigh(torch.cov((pooled_texts - centre).T))
        scales = variances.clamp(min=SMALLEST_SHARE * float(variances.sum())).rsqrt()
        num_kept = min(len(axes), self.text.out_features)
        whitening = (axes * scales).T[-num_kept:]
        # A random rotation spreads them over all units.
        rotation = nn.init.orthogonal_(self.text.weight.new_empty(self.text.out_features, num_kept))
        self.text.weight.copy_(rotation @ whitening)
        self.text.bias.copy_(-self.text.weight @ centre)

    def forward(
        self, numbers: Int[Tensor, "n f"], pooled_text: Float[Tensor, "p d"]
    ) -> Float[Tensor, "n f e"]:
        """Takes one pooled text for all videos, or one for each."""
        return silu(self.numbers(numbers) + self.text(pooled_text)[:, None])


class PlaceEmbedding(nn.Module):
    """Features for every place in a frame, computed from the frame's embedding.

    Used without CAM only: conditioning frames say better where things are.

    Args:
        dim: width of the frame embedding.
        channels: of the features that it is added to.
    """

    def __init__(self, dim: int, channels: int):
        super().__init__()
        self.weights = nn.Linear(dim, channels * NUM_WAVES**2)
        # Zero-initialised: no effect until training uses it.
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
    """Cosines of 0, 1/2, 1, ... periods over a side of any length."""
    places = (torch.arange(length, device=like.device) + 0.5) / length
    half_periods = torch.arange(NUM_WAVES, device=like.device)
    return torch.cos(torch.pi * half_periods[:, None] * places).to(like.dtype)
