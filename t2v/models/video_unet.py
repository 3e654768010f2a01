"""The text-to-video UNet of diffusers, in two halves: `encode` and `decode`.

`VideoUNet` is the stock graph; only the text's keys and values are computed once per video instead
of once per step (attention.py). It draws the first chunk of the paper's stack, and it is the
refiner's network (Sec. 4.3). `StreamingUNet` adds CAM and APM to it (streaming_unet.py).

The paper's refiner, MS-Vid2Vid-XL, has the same graph except for the sampling layers: it pads two
rows instead of one before halving (90 latent rows become 46, 24, 13) and drops the first and the
last row after doubling. Both are options here.
"""

from collections.abc import Callable, Iterable, Sequence
from inspect import Parameter, Signature, signature
from typing import Any, NamedTuple

import torch
from diffusers.configuration_utils import register_to_config
from diffusers.models import UNet3DConditionModel
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.transformers.transformer_temporal import TransformerTemporalModel
from diffusers.models.unets.unet_3d_blocks import UNetMidBlock3DCrossAttn
from diffusers.models.upsampling import Upsample2D
from einops import rearrange
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.nn.functional import interpolate

from t2v.models.attention import TextContext, set_attention_backend, text_attentions
from t2v.models.frame_embedding import FrameEmbedding, PlaceEmbedding, frame_numbers
from t2v.models.temporal_conv import speed_up_temporal_convs


Timestep = int | float | Shaped[Tensor, ""] | Shaped[Tensor, " b"]


class EncoderOutput(NamedTuple):
    """What the first half of the UNet hands to the second."""

    skips: list[Float[Tensor, "bf _ _ _"]]  # from high to low resolution
    mid: Float[Tensor, "bf c h w"]
    time_embedding: Float[Tensor, "bf d"]


class UNetEncoder:
    """The first half of the UNet, from the latents to the mid block.

    A mixin: the UNet and the CAM's copy of this half both inherit it. Classes that do set the parts
    named in ENCODER_PARTS.
    """

    conv_in: nn.Conv2d
    time_proj: Timesteps
    time_embedding: TimestepEmbedding
    frame_embedding: FrameEmbedding | None  # None in the paper's stack
    transformer_in: TransformerTemporalModel
    down_blocks: nn.ModuleList
    mid_block: UNetMidBlock3DCrossAttn

    def encode(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext,
        added: Float[Tensor, "bf d h w"] | None = None,
        first_frame: Int[Tensor, " b"] | None = None,
        place_embedding: PlaceEmbedding | None = None,
    ) -> EncoderOutput:
        """Computes the skip connections and the mid block.

        With guidance every video has two texts. Both see the same latents, so everything before the
        first block is computed once.

        Args:
            text: one for all videos, one for each, or several for each (all videos with their first
                text, then all with their second).
            added: added to the features before the first block (the CAM's conditioning frames).
            first_frame: index within its chunk of each video's first frame; None means 0.
            place_embedding: added as well, if the network has a frame embedding.
        """
        b, _, f, _, _ = latents.shape
        num_texts = text.texts_per_video(b)
        timesteps = torch.as_tensor(timestep, device=latents.device).expand(b)
        # Sinusoids are float32 whatever the weights are.
        sinusoids = self.time_proj(timesteps).to(self.conv_in.weight.dtype)
        time_embedding = self.time_embedding(sinusoids)
        time_embedding = time_embedding.repeat(num_texts, 1).repeat_interleave(f, dim=0)
        embedded = None
        if self.frame_embedding is not None:
            numbers = frame_numbers(latents, first_frame)
            embedded = self.frame_embedding(numbers.repeat(num_texts, 1), text.pooled)
            time_embedding = time_embedding + self.frame_embedding.out(embedded.flatten(0, 1))

        x = self.conv_in(rearrange(latents, "b c f h w -> (b f) c h w"))
        x = self.transformer_in(x, num_frames=f, return_dict=False)[0]
        if added is not None:
            x = x + added
        x = x.repeat(num_texts, 1, 1, 1) if num_texts > 1 else x
        if embedded is not None and place_embedding is not None:
            x = x + place_embedding(embedded, x.shape[-2:])

        skips = [x]
        for block in self.down_blocks:
            arguments = {"encoder_hidden_states": text} if hasattr(block, "attentions") else {}
            x, block_skips = block(x, temb=time_embedding, num_frames=f, **arguments)
            skips += block_skips
        mid = self.mid_block(x, time_embedding, encoder_hidden_states=text, num_frames=f)
        return EncoderOutput(skips, mid, time_embedding)


ENCODER_PARTS = tuple(UNetEncoder.__annotations__)


def with_arguments_of(base: type) -> Callable[[Callable], Callable]:
    """Extends a constructor that ends in `**arguments` by those of its base class.

    diffusers reads from the signature which keys of a `config.json` a class takes. This way each
    class names its own keys only.
    """

    def extend(init: Callable) -> Callable:
        *own, _ = signature(init).parameters.values()
        names = {parameter.name for parameter in own}
        inherited = (p for name, p in signature(base).parameters.items() if name not in names)
        parameters = [*own, *(p.replace(kind=Parameter.KEYWORD_ONLY) for p in inherited)]
        init.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # functions have it
        return init

    return extend


class VideoUNet(UNetEncoder, UNet3DConditionModel):  # type: ignore[misc] # its own mixins disagree
    """A stock UNet3DConditionModel that computes the text's keys and values once per video."""

    @register_to_config
    @with_arguments_of(UNet3DConditionModel)
    def __init__(
        self,
        *,
        downsample_padding: int | Sequence[int] = 1,
        crop_upsampled_rows: bool = False,
        **stock: Any,
    ):
        """Builds a UNet with new weights.

        Args:
            downsample_padding: rows and columns (or one number for both) added on each side before
                halving; (2, 1) for the paper's refiner.
            crop_upsampled_rows: drops the first and the last row after doubling, which undoes a
                padding of two rows; true for the paper's refiner.
            stock: the other arguments of UNet3DConditionModel.
        """
        super().__init__(downsample_padding=downsample_padding, **stock)
        self.frame_embedding = None
        if crop_upsampled_rows:
            blocks: Iterable[Any] = self.up_blocks
            for block in blocks:
                if block.upsamplers is not None:
                    block.upsamplers = nn.ModuleList(map(CroppingUpsampler, block.upsamplers))
        set_attention_backend(self)
        speed_up_temporal_convs(self)

    def prepare_text(self, prompt_embeds: Float[Tensor, "b n d"]) -> TextContext:
        """Computes keys and values of every spatial cross-attention, once per video."""
        return TextContext.of_layers(text_attentions(self).values(), prompt_embeds)

    def forward(  # type: ignore[override] # diffusers' own takes 12 arguments, and wraps its result
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext | Float[Tensor, "p t d"],
    ) -> Float[Tensor, "n c f h w"]:
        """Predicts noise, v or x0, whichever the weights were trained for. Any h and w.

        Args:
            text: from `prepare_text`, or plain text embeddings.
        """
        if isinstance(text, Tensor):
            text = self.prepare_text(text)
        return self.decode(self.encode(latents, timestep, text), text, latents.shape[2])

    def decode(
        self, encoded: EncoderOutput, text: TextContext, num_frames: int
    ) -> Float[Tensor, "b c f h w"]:
        """Runs the second half of the UNet, from the mid block to the prediction."""
        skips, x, time_embedding = encoded
        skips = list(skips)
        blocks: Iterable[Any] = self.up_blocks
        for block in blocks:
            block_skips = tuple(skips[-len(block.resnets) :])
            del skips[-len(block.resnets) :]
            arguments = {"encoder_hidden_states": text} if hasattr(block, "attentions") else {}
            x = block(
                x,
                block_skips,
                time_embedding,
                num_frames=num_frames,
                # Halving rounded odd sizes up: restore them.
                upsample_size=tuple(skips[-1].shape[2:]) if skips else None,
                **arguments,
            )
        x = self.conv_out(self.conv_act(self.conv_norm_out(x)))
        return rearrange(x, "(b f) c h w -> b c f h w", f=num_frames)


class CroppingUpsampler(nn.Module):
    """Doubles (nearest), drops the first and the last row, convolves. Keeps the stock keys."""

    def __init__(self, stock: Upsample2D):
        super().__init__()
        self.conv: Any = stock.conv

    def forward(
        self, x: Float[Tensor, "n c h w"], output_size: tuple[int, int] | None = None
    ) -> Float[Tensor, "n c H W"]:
        x = interpolate(x, scale_factor=2.0, mode="nearest")[..., 1:-1, :]
        # Odd sides come back one longer; the authors' network fails on them.
        if output_size is not None:
            height, width = output_size
            x = x[..., :height, :width]
        return self.conv(x)
