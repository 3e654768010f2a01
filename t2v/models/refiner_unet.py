"""The refiner's UNet (Sec. 4.3): sharpens noised frames, and knows neither CAM nor APM.

The paper takes ModelScope's MS-Vid2Vid-XL, whose UNet is the base UNet's graph with another way
down and up: it pads two rows instead of one before halving (90 latent rows become 46, 24, 13), and
drops the first and the last row after doubling. Both are options here; without them it is stock.
"""

from collections.abc import Sequence

from diffusers import UNet3DConditionModel
from diffusers.configuration_utils import register_to_config
from diffusers.models.upsampling import Upsample2D
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from t2v.models.attention import TextContext, set_attention_backend, text_attentions
from t2v.models.down_path import Timestep, run_down_path
from t2v.models.temporal_conv import speed_up_temporal_convs
from t2v.models.up_path import run_up_path


class RefinerUNet(UNet3DConditionModel):
    """A stock UNet3DConditionModel that computes the text's keys and values once per video.

    Args:
        downsample_padding: rows and columns (or one number for both) added on each side before
            halving; (2, 1) for the paper's refiner.
        crop_upsampled_rows: drops the first and the last row after doubling, which undoes a
            padding of two rows; true for the paper's refiner.
    """

    @register_to_config
    def __init__(
        self,
        *,
        crop_upsampled_rows: bool = False,
        sample_size: int | None = None,
        in_channels: int = 4,
        out_channels: int = 4,
        down_block_types: Sequence[str] = (*["CrossAttnDownBlock3D"] * 3, "DownBlock3D"),
        up_block_types: Sequence[str] = ("UpBlock3D", *["CrossAttnUpBlock3D"] * 3),
        block_out_channels: Sequence[int] = (320, 640, 1280, 1280),
        layers_per_block: int = 2,
        downsample_padding: int | Sequence[int] = 1,
        mid_block_scale_factor: float = 1,
        act_fn: str = "silu",
        norm_num_groups: int = 32,
        norm_eps: float = 1e-5,
        cross_attention_dim: int = 1024,
        attention_head_dim: int = 64,
    ):
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
        if crop_upsampled_rows:
            for block in self.up_blocks:
                if block.upsamplers is not None:
                    layers = (CroppingUpsampler(upsampler) for upsampler in block.upsamplers)
                    block.upsamplers = nn.ModuleList(layers)
        set_attention_backend(self)
        speed_up_temporal_convs(self)

    def prepare_text(self, prompt_embeds: Float[Tensor, "b n d"]) -> TextContext:
        """Keys and values of every spatial cross-attention, once per video."""
        layers = text_attentions(self).values()
        return TextContext(
            {attn: (attn.to_k(prompt_embeds), attn.to_v(prompt_embeds)) for attn in layers}
        )

    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext | Float[Tensor, "p t d"],
    ) -> Float[Tensor, "n c f h w"]:
        """Predicts v, or whatever else the weights were trained to predict. Any h and w.

        Args:
            text: from `prepare_text`, or plain text embeddings.
        """
        if isinstance(text, Tensor):
            text = self.prepare_text(text)
        down = run_down_path(self, latents, timestep, text)
        return run_up_path(self, down, text, num_frames=latents.shape[2])


class CroppingUpsampler(nn.Module):
    """Doubles (nearest), drops the first and the last row, convolves. Keeps the stock keys."""

    def __init__(self, stock: Upsample2D):
        super().__init__()
        self.conv = stock.conv

    def forward(
        self, x: Float[Tensor, "n c h w"], output_size: tuple[int, int] | None = None
    ) -> Float[Tensor, "n c H W"]:
        x = interpolate(x, scale_factor=2.0, mode="nearest")[..., 1:-1, :]
        # Sides that do not halve come back one longer. The authors' network fails on them.
        if output_size is not None:
            height, width = output_size
            x = x[..., :height, :width]
        return self.conv(x)
