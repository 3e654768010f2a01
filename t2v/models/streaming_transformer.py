"""A diffusion transformer with both memories: the paper's appendix, where OpenSora is the base.

Every latent pixel of every frame is a token. Tokens of all frames attend to each other (joint
attention over space and time), then to the text. Blocks, embeddings and norms are those of
diffusers, as in PixArt and Latte. Added are an AppearanceMixer for each text cross-attention (APM),
and a FeatureInjector before each of the last blocks (CAM): in the paper, before the last 14 of 28.
The extractor copies as many blocks from the front, and its i-th block feeds the i-th injector.
"""

from collections.abc import Sequence

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.embeddings import (
    PatchEmbed,
    get_1d_sincos_pos_embed_from_grid,
    get_2d_sincos_pos_embed,
)
from diffusers.models.normalization import AdaLayerNormContinuous, AdaLayerNormSingle
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from t2v.models.apm import AppearanceMixer
from t2v.models.attention import TextContext, set_attention_backend
from t2v.models.cam import CamExtractor, CamFeatures, FeatureInjector, inject
from t2v.models.frame_embedding import FrameEmbedding, frame_numbers
from t2v.models.streaming_base import StreamingBase, check_cam
from t2v.models.video_unet import Timestep


Tokens = Float[Tensor, "nf s d"]
TimeEmbedding = Float[Tensor, "nf d"]


class TokenEncoder:
    """The tokens of the latents, and the blocks that they pass.

    A mixin, as UNetEncoder is: the transformer and the CAM's copy of its front both inherit it.
    """

    patch_embed: PatchEmbed
    adaln_single: AdaLayerNormSingle
    frame_embedding: FrameEmbedding | None
    transformer_blocks: nn.ModuleList

    def embed(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext,
        added: Float[Tensor, "bf d h w"] | None = None,
        first_frame: Int[Tensor, " b"] | None = None,
    ) -> tuple[Tokens, TimeEmbedding]:
        """Computes the tokens and the time embedding of every frame.

        With guidance every video has two texts: all videos come with their first text, then all
        with their second.

        Args:
            added: added to the features (the CAM's conditioning frames).
            first_frame: index within its chunk of each video's first frame; None means 0.
        """
        b, _, f, h, w = latents.shape
        num_texts = text.texts_per_video(b)
        numbers = frame_numbers(latents, first_frame)
        x = self.patch_embed(rearrange(latents, "b c f h w -> (b f) c h w"))
        x = x + self._positions(numbers.flatten(), (h, w)).to(x.dtype)
        if added is not None:
            x = x + rearrange(added, "n d h w -> n (h w) d")

        timesteps = torch.as_tensor(timestep, device=latents.device).expand(b)
        dtype = self.patch_embed.proj.weight.dtype  # sinusoids are float32 whatever the weights are
        time_embedding = self.adaln_single.emb(timesteps, None, None, b, dtype)
        time_embedding = time_embedding.repeat(num_texts, 1).repeat_interleave(f, dim=0)
        if self.frame_embedding is not None:
            embedded = self.frame_embedding(numbers.repeat(num_texts, 1), text.pooled)
            time_embedding = time_embedding + self.frame_embedding.out(embedded.flatten(0, 1))
        return x.repeat(num_texts, 1, 1), time_embedding

    def _positions(self, numbers: Int[Tensor, " n"], size: tuple[int, int]) -> Tokens:
        """Sinusoids of row, column and frame number. Rows and columns count shares of a side."""
        dim, base_size = self.patch_embed.proj.out_channels, self.patch_embed.base_size
        in_frame = get_2d_sincos_pos_embed(dim, size, base_size=base_size, device=numbers.device)
        return in_frame + get_1d_sincos_pos_embed_from_grid(dim, numbers)[:, None]

    def modulation(self, time_embedding: TimeEmbedding) -> Float[Tensor, "nf six_d"]:
        """Shifts, scales and gates of all blocks, for every frame."""
        return self.adaln_single.linear(self.adaln_single.silu(time_embedding))


TOKEN_PARTS = tuple(TokenEncoder.__annotations__)


def run_block(
    block: nn.Module,
    x: Tokens,
    modulation: Float[Tensor, "nf six_d"],
    text: TextContext,
    num_frames: int,
) -> Tokens:
    """Runs one block of diffusers, whose self-attention joins all frames of a video."""
    return block(
        x,
        encoder_hidden_states=text,
        timestep=modulation,
        cross_attention_kwargs={"num_frames": num_frames},
    )


class StreamingTransformer(TokenEncoder, StreamingBase):  # type: ignore[misc] # as in its base
    """A text-to-video transformer that the CAM and the APM act on."""

    kind = "transformer"

    @register_to_config
    def __init__(  # noqa: PLR0913 # one for each key of a `config.json`
        self,
        *,
        in_channels: int = 4,
        out_channels: int = 4,
        sample_size: int = 32,
        num_layers: int = 28,
        num_attention_heads: int = 16,
        attention_head_dim: int = 72,
        cross_attention_dim: int = 1024,
        num_text_tokens: int = 77,
        num_image_tokens: int = 16,
        num_injectors: int = 14,
        norm_num_groups: int = 32,
        num_frame_embeddings: int = 0,
    ):
        """Builds a transformer with new weights. The defaults are OpenSora's sizes.

        Args:
            sample_size: side of the latents whose positions count single pixels.
            num_injectors: blocks at the end that attend to the conditioning frames, at most all.
            norm_num_groups: of the injectors.
            num_frame_embeddings: above 0, the time embedding of a frame also has its number and the
                text (frame_embedding.py), and no chunk may be longer.
        """
        super().__init__()
        if not 0 < num_injectors <= num_layers:
            raise ValueError(f"num_injectors must be from 1 to {num_layers}, got {num_injectors}")
        dim = num_attention_heads * attention_head_dim
        self.patch_embed = PatchEmbed(
            sample_size, sample_size, 1, in_channels, dim, pos_embed_type=None
        )
        self.adaln_single = AdaLayerNormSingle(dim)
        self.frame_embedding = None
        if num_frame_embeddings:
            self.frame_embedding = FrameEmbedding(num_frame_embeddings, cross_attention_dim, dim)
        self.transformer_blocks = nn.ModuleList(
            BasicTransformerBlock(
                dim,
                num_attention_heads,
                attention_head_dim,
                cross_attention_dim=cross_attention_dim,
                activation_fn="gelu-approximate",
                attention_bias=True,
                norm_type="ada_norm_single",
                norm_elementwise_affine=False,
                norm_eps=1e-6,
            )
            for _ in range(num_layers)
        )
        self.norm_out = AdaLayerNormContinuous(dim, dim, elementwise_affine=False, eps=1e-6)
        self.proj_out = nn.Linear(dim, out_channels)
        self.mixers = nn.ModuleList(
            AppearanceMixer(
                num_text_tokens=num_text_tokens,
                num_image_tokens=num_image_tokens,
                token_dim=cross_attention_dim,
            )
            for _ in range(num_layers)
        )
        self.injectors = nn.ModuleList(
            FeatureInjector(dim, attention_head_dim, norm_num_groups) for _ in range(num_injectors)
        )
        set_attention_backend(self)

    def new_extractor(self, cond_channels: Sequence[int]) -> "TransformerExtractor":
        return TransformerExtractor(self, cond_channels)

    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext | Float[Tensor, "p t d"],
        cam: CamFeatures | None = None,
        first_frame: Int[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "n c f h w"]:
        if isinstance(text, Tensor):
            text = self.prepare_text(text)
        b, _, f, h, _ = latents.shape
        check_cam(cam, max(b, text.batch_size))
        x, time_embedding = self.embed(latents, timestep, text, first_frame=first_frame)
        modulation = self.modulation(time_embedding)
        first_injected = len(self.transformer_blocks) - len(self.injectors)
        for i, block in enumerate(self.transformer_blocks):
            if cam is not None and i >= first_injected:
                number = i - first_injected
                features = rearrange(x, "n (h w) d -> n d h w", h=h)
                features = inject(self.injectors[number], features, cam[number])
                x = rearrange(features, "n d h w -> n (h w) d")
            x = run_block(block, x, modulation, text, f)
        x = self.proj_out(self.norm_out(x, time_embedding))
        return rearrange(x, "(b f) (h w) c -> b c f h w", f=f, h=h)


class TransformerExtractor(TokenEncoder, CamExtractor):
    """A copy of the transformer's first blocks that also sees the conditioning frames."""

    def __init__(self, transformer: StreamingTransformer, cond_channels: Sequence[int]):
        """Starts from the transformer's weights; see CamExtractor."""
        channels = transformer.patch_embed.proj.out_channels
        super().__init__(transformer, TOKEN_PARTS, cond_channels, channels)
        self.transformer_blocks = self.transformer_blocks[: len(transformer.injectors)]

    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext,
        encoded_frames: Float[Tensor, "e d k h2 w2"],
    ) -> CamFeatures:
        latents, added = self.beside(latents, encoded_frames)
        _, _, k, h, _ = latents.shape
        x, time_embedding = self.embed(latents, timestep, text, added)
        modulation = self.modulation(time_embedding)
        features = []
        for block in self.transformer_blocks:
            x = run_block(block, x, modulation, text, k)
            features.append(rearrange(x, "(b k) (h w) d -> b d k h w", k=k, h=h))
        return features
