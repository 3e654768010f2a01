"""The base UNet with both memories (Sec. 4, Fig. 2).

Blocks, their names and their weights are diffusers'. Added are an AppearanceMixer for each spatial
cross-attention (APM), and a FeatureInjector for each skip connection and for the mid block (CAM).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float, Int
from torch import Tensor, nn

from t2v.models.apm import AppearanceMixer
from t2v.models.attention import TextContext, text_attentions
from t2v.models.cam import (
    AddInjector,
    CamFeatures,
    FeatureExtractor,
    FeatureInjector,
    inject,
)
from t2v.models.frame_embedding import FrameEmbedding, PlaceEmbedding
from t2v.models.single_frames import skip_temporal_layers
from t2v.models.streaming_base import StreamingBase, check_cam
from t2v.models.video_unet import EncoderOutput, Timestep, VideoUNet, with_arguments_of


class StreamingUNet(StreamingBase, VideoUNet):  # type: ignore[misc] # as in its base
    """A VideoUNet that the CAM and the APM act on.

    Untrained memories change nothing: with a stock UNet's weights it computes what that UNet does.
    """

    kind = "unet"

    @register_to_config
    @with_arguments_of(VideoUNet)
    def __init__(
        self,
        *,
        num_text_tokens: int = 77,
        num_image_tokens: int = 16,
        injector: str = "attention",
        injector_head_dim: int = 64,
        num_frame_embeddings: int = 0,
        skip_temporal_layers_at_one_frame: bool = False,
        **base: Any,
    ):
        """Builds a UNet with new weights.

        Args:
            injector: how the UNet gets the conditioning frames: "attention" (the paper's CAM),
                "add" (its ablation Add-Cond), or "concat" (Conc-Cond): beside the noisy latents,
                and no skip is changed.
            num_frame_embeddings: above 0, frame numbers are embedded
                (frame_embedding.py), and no chunk may be longer. 0 in the paper's stack.
            skip_temporal_layers_at_one_frame: see single_frames.py.
            base: arguments of VideoUNet.
        """
        super().__init__(**base)
        config = self.config
        self.place_embedding = None
        if num_frame_embeddings:
            dim = self.time_embedding.linear_2.out_features
            self.frame_embedding = FrameEmbedding(
                num_frame_embeddings, config["cross_attention_dim"], dim
            )
            self.place_embedding = PlaceEmbedding(dim, config["block_out_channels"][0])
        # In the order of `text_attentions`.
        self.mixers = nn.ModuleList(
            AppearanceMixer(
                num_text_tokens=num_text_tokens,
                num_image_tokens=num_image_tokens,
                token_dim=config["cross_attention_dim"],
            )
            for _ in text_attentions(self)
        )
        self.num_known_channels = 0
        if injector == "concat":
            self.num_known_channels = config["in_channels"] + 1  # latents and their mask
            self.conv_in = _with_more_inputs(self.conv_in, self.num_known_channels)
            self.injectors = nn.ModuleList()
            self.mid_injector: nn.Module = nn.Identity()
        else:
            *skip_injectors, self.mid_injector = (
                _new_injector(injector, channels, injector_head_dim, config["norm_num_groups"])
                for channels in (*self._skip_channels(), config["block_out_channels"][-1])
            )
            self.injectors = nn.ModuleList(skip_injectors)
        if skip_temporal_layers_at_one_frame:
            skip_temporal_layers(self)

    def _skip_channels(self) -> list[int]:
        channels = [self.conv_in.out_channels]
        blocks: Iterable[Any] = self.down_blocks
        for block in blocks:
            channels += [resnet.out_channels for resnet in block.resnets]
            channels += [downsampler.out_channels for downsampler in block.downsamplers or ()]
        return channels

    def new_extractor(self, cond_channels: Sequence[int]) -> FeatureExtractor:
        return FeatureExtractor(self, cond_channels)

    def forward(  # type: ignore[override] # as in VideoUNet
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext | Float[Tensor, "p t d"],
        cam: CamFeatures | Float[Tensor, "b _ f h w"] | None = None,
        first_frame: Int[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "n c f h w"]:
        """Predicts noise, v or x0; see StreamingBase. `cam` may also be from KnownFrames."""
        if isinstance(text, Tensor):
            text = self.prepare_text(text)
        b, _, f, _, _ = latents.shape
        if isinstance(cam, list):
            check_cam(cam, max(b, text.batch_size))
        if self.num_known_channels:
            nothing = latents.new_zeros(b, self.num_known_channels, *latents.shape[2:])
            known = cam if isinstance(cam, Tensor) else nothing
            latents = torch.cat([latents, known], dim=1)
        # Conditioning frames say better than the text where things are.
        place_embedding = self.place_embedding if cam is None else None
        encoded = self.encode(
            latents, timestep, text, first_frame=first_frame, place_embedding=place_embedding
        )
        # x_SC and the mid block's features attend to x_CAM. After the whole encoder, so that what
        # flows into the mid block stays unmodified.
        if isinstance(cam, list):
            encoded = self._inject(encoded, cam)
        return self.decode(encoded, text, num_frames=f)

    def _inject(self, encoded: EncoderOutput, cam: CamFeatures) -> EncoderOutput:
        *skips, mid = (
            inject(injector, features, x_cam)
            for injector, features, x_cam in zip(
                (*self.injectors, self.mid_injector),
                (*encoded.skips, encoded.mid),
                cam,
                strict=True,
            )
        )
        return EncoderOutput(skips, mid, encoded.time_embedding)


def _new_injector(kind: str, channels: int, head_dim: int, norm_groups: int) -> nn.Module:
    if kind == "add":
        return AddInjector(channels)
    if kind != "attention":
        raise ValueError(f"injector must be attention, add or concat, got {kind!r}")
    return FeatureInjector(channels, head_dim, norm_groups)


def _with_more_inputs(conv: nn.Conv2d, num_more: int) -> nn.Conv2d:
    """The same convolution with more input channels, which begin as zero: they change nothing."""
    wider = nn.Conv2d(conv.in_channels + num_more, conv.out_channels, 3, padding=1)
    with torch.no_grad():
        wider.weight.zero_()[:, : conv.in_channels] = conv.weight
        wider.bias.copy_(conv.bias)  # type: ignore[union-attr, arg-type] # both have one
    return wider
