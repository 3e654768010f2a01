"""Appearance Preservation Module (APM): the long-term memory of StreamingT2V (Sec. 4.2).

AnchorTokens turns the CLIP image embedding of the anchor frame into a few tokens. Before every
spatial cross-attention of the UNet, AppearanceMixer mixes them into the text tokens:

    x_cross = x_text + SiLU(alpha_l) * x_mixed
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu


class AnchorTokens(nn.Module):
    """Expands an image embedding to `num_tokens` tokens with the width of text tokens."""

    def __init__(
        self,
        *,
        embed_dim: int = 1024,
        hidden_dim: int = 1280,
        token_dim: int = 1024,
        num_tokens: int = 16,
    ):
        super().__init__()
        self.num_tokens = num_tokens
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, hidden_dim),
            nn.SiLU(),
            nn.Linear(hidden_dim, num_tokens * token_dim),
        )

    def forward(
        self, image_embeds: Float[Tensor, "b e"] | Float[Tensor, "b f e"]
    ) -> Float[Tensor, "b m d"]:
        if image_embeds.ndim == 3:
            image_embeds = image_embeds.mean(dim=1)
        return rearrange(self.mlp(image_embeds), "b (m d) -> b m d", m=self.num_tokens)


class AppearanceMixer(nn.Module):
    """Mixes the anchor's tokens into the text tokens of one cross-attention layer."""

    def __init__(self, *, num_text_tokens: int, num_image_tokens: int, token_dim: int):
        super().__init__()
        # Zero, so that an untrained APM leaves the pretrained UNet as it was.
        self.alpha = nn.Parameter(torch.zeros(()))
        # Tokens are the channels: the kernel slides over the features.
        self.conv = nn.Conv1d(
            num_text_tokens + num_image_tokens, num_text_tokens, kernel_size=3, padding=1
        )
        self.conv_ln = nn.LayerNorm(token_dim)

    def forward(
        self,
        text: Float[Tensor, "b n d"],
        anchor_tokens: Float[Tensor, "b m d"],
        strength: float = 1.0,
    ) -> Float[Tensor, "b n d"]:
        """Computes x_cross. `strength` scales SiLU(alpha_l); 0 is the paper's "without APM"."""
        num_tokens = text.shape[1] + anchor_tokens.shape[1]
        if num_tokens != self.conv.in_channels or text.shape[1] != self.conv.out_channels:
            num_text = self.conv.out_channels
            raise ValueError(
                f"the APM mixes {num_text} text tokens with {self.conv.in_channels - num_text} "
                f"image tokens, got {text.shape[1]} and {anchor_tokens.shape[1]}"
            )
        x_mixed = self.conv_ln(self.conv(torch.cat([text, anchor_tokens], dim=1)))
        return text + strength * silu(self.alpha) * x_mixed
