"""The base text-to-video UNet with both memories attached (Sec. 4, Fig. 2).

Blocks, their names and their weights are diffusers'. What is added: an AppearanceMixer per spatial
cross-attention (APM) and a FeatureInjector per skip connection and for the mid block (CAM).
"""

from collections.abc import Sequence

from diffusers import UNet3DConditionModel
from diffusers.configuration_utils import register_to_config
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from t2v.models.apm import AppearanceMixer
from t2v.models.attention import TextContext, set_attention_backend, text_attentions
from t2v.models.cam import CamFeatures, FeatureInjector
from t2v.models.down_path import DownPath, Timestep, run_down_path
from t2v.models.frame_embedding import FrameEmbedding, PlaceEmbedding, pool_text
from t2v.models.temporal_conv import speed_up_temporal_convs
from t2v.models.up_path import run_up_path


class StreamingUNet(UNet3DConditionModel):
    """Untrained memories change nothing: loaded with a stock UNet's weights it is that UNet."""

    @register_to_config
    def __init__(
        self,
        *,
        num_text_tokens: int = 77,
        num_image_tokens: int = 16,
        injector_head_dim: int = 64,
        sample_size: int | None = None,
        in_channels: int = 4,
        out_channels: int = 4,
        down_block_types: Sequence[str] = (*["CrossAttnDownBlock3D"] * 3, "DownBlock3D"),
        up_block_types: Sequence[str] = ("UpBlock3D", *["CrossAttnUpBlock3D"] * 3),
        block_out_channels: Sequence[int] = (320, 640, 1280, 1280),
        layers_per_block: int = 2,
        downsample_padding: int = 1,
        mid_block_scale_factor: float = 1,
        act_fn: str = "silu",
        norm_num_groups: int = 32,
        norm_eps: float = 1e-5,
        cross_attention_dim: int = 1024,
        attention_head_dim: int = 64,
        num_frame_embeddings: int = 0,
    ):
        """`num_frame_embeddings`: above 0, frames know their numbers, and no chunk can be longer
        (frame_embedding.py). The paper's base has none."""
        super().__init__(
            sample_size=sample_size,
            in_channels=in_channels,
            out_channels=out_channels,
            down_block_types=down_block_types,
            up_block_types=up_block_types,
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            downsample_padding=downsample_padding,
            mid_block_scale_factor=mid_block_scale_factor,
            act_fn=act_fn,
            norm_num_groups=norm_num_groups,
            norm_eps=norm_eps,
            cross_attention_dim=cross_attention_dim,
            attention_head_dim=attention_head_dim,
        )
        self.frame_embedding = self.place_embedding = None
        if num_frame_embeddings:
            dim = self.time_embedding.linear_2.out_features
            self.frame_embedding = FrameEmbedding(num_frame_embeddings, cross_attention_dim, dim)
            self.place_embedding = PlaceEmbedding(dim, block_out_channels[0])
        # In the order of `text_attentions`.
        self.mixers = nn.ModuleList(
            AppearanceMixer(
                num_text_tokens=num_text_tokens,
                num_image_tokens=num_image_tokens,
                token_dim=cross_attention_dim,
            )
            for _ in text_attentions(self)
        )
        *skip_injectors, self.mid_injector = (
            FeatureInjector(channels, head_dim=injector_head_dim, norm_groups=norm_num_groups)
            for channels in (*self._skip_channels(), block_out_channels[-1])
        )
        self.injectors = nn.ModuleList(skip_injectors)
        set_attention_backend(self)
        speed_up_temporal_convs(self)

    def _skip_channels(self) -> list[int]:
        channels = [self.conv_in.out_channels]
        for block in self.down_blocks:
            channels += [resnet.out_channels for resnet in block.resnets]
            channels += [downsampler.out_channels for downsampler in block.downsamplers or ()]
        return channels

    def prepare_text(
        self,
        prompt_embeds: Float[Tensor, "b n d"],
        anchor_tokens: Float[Tensor, "b m d"] | None = None,
        apm_strength: float = 1.0,
    ) -> TextContext:
        """Keys and values of every spatial cross-attention, once per video.

        Args:
            anchor_tokens: from AnchorTokens; None leaves the APM out.
            apm_strength: scales what the APM mixes into the text, from 0 (nothing) to 2.
        """
        keys_values = {}
        for attn, mixer in zip(text_attentions(self).values(), self.mixers, strict=True):
            x_cross = prompt_embeds
            if anchor_tokens is not None:
                x_cross = mixer(prompt_embeds, anchor_tokens, apm_strength)
            keys_values[attn] = (attn.to_k(x_cross), attn.to_v(x_cross))
        return TextContext(keys_values, pool_text(prompt_embeds))

    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext | Float[Tensor, "p t d"],
        cam: CamFeatures | None = None,
        first_frame: Int[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "n c f h w"]:
        """Predicts the noise, or whatever else the weights were trained to predict.

        Args:
            text: from `prepare_text`; or plain text embeddings, without APM. With two texts for
                every video, as guidance has them, there are two predictions for it.
            cam: from FeatureExtractor, with the same number of texts; None leaves the CAM out.
            first_frame: the number within its chunk of each video's first frame; None is 0.
        """
        if isinstance(text, Tensor):
            text = self.prepare_text(text)
        b, _, f, _, _ = latents.shape
        n = max(b, text.batch_size)
        if cam is not None and len(cam.mid) != n:
            raise ValueError(f"{n} videos of latents, but CAM features of {len(cam.mid)}")
        place_embedding = self.place_embedding if cam is None else None
        down = run_down_path(
            self, latents, timestep, text, first_frame=first_frame, place_embedding=place_embedding
        )

        # Only after the whole way down: the features that flow into the mid block stay unmodified.
        if cam is not None:
            injectors = zip(self.injectors, down.skips, cam.skips, strict=True)
            skips = [_inject(injector, skip, memory) for injector, skip, memory in injectors]
            mid = _inject(self.mid_injector, down.mid, cam.mid)
            down = DownPath(skips, mid, down.time_embedding)
        return run_up_path(self, down, text, num_frames=f)


def _inject(
    injector: FeatureInjector,
    skip: Float[Tensor, "bf c h w"],
    memory: Float[Tensor, "b c k h w"],
) -> Float[Tensor, "bf c h w"]:
    skip = rearrange(skip, "(b f) c h w -> b c f h w", b=len(memory))
    return rearrange(injector(skip, memory), "b c f h w -> (b f) c h w")
