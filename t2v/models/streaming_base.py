"""What the pipeline and the training ask of a base model that both memories act on.

There are two: StreamingUNet, as in the paper, and StreamingTransformer, for its claim that the
memories need no UNet. `config.json` beside the weights says which one it is (networks.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from diffusers.configuration_utils import ConfigMixin
from diffusers.models.modeling_utils import ModelMixin
from jaxtyping import Float, Int
from torch import Tensor, nn

from t2v.models.attention import TextContext, text_attentions
from t2v.models.cam import CamExtractor, CamFeatures
from t2v.models.frame_embedding import FrameEmbedding
from t2v.models.video_unet import Timestep


class StreamingBase(ModelMixin, ConfigMixin, ABC):  # type: ignore[misc] # diffusers' mixins disagree
    """A text-to-video model with a mixer for each text cross-attention, and with injectors.

    Untrained memories change nothing. Names of parameters of the injectors contain "injector".
    """

    kind: ClassVar[str]  # as in `longtake train --base`
    mixers: nn.ModuleList  # AppearanceMixer each, in the order of `text_attentions`
    frame_embedding: FrameEmbedding | None

    @abstractmethod
    def new_extractor(self, cond_channels: Sequence[int]) -> CamExtractor:
        """Builds the CAM's extractor: a copy of the first layers, as they are trained so far.

        Args:
            cond_channels: widths of E_cond: one more than the halvings from pixels to latents.
        """

    @abstractmethod
    def forward(
        self,
        latents: Float[Tensor, "b c f h w"],
        timestep: Timestep,
        text: TextContext | Float[Tensor, "p t d"],
        cam: CamFeatures | None = None,
        first_frame: Int[Tensor, " b"] | None = None,
    ) -> Float[Tensor, "n c f h w"]:
        """Predicts noise, v or x0, whichever the weights were trained for. Any h and w.

        Args:
            text: from `prepare_text`; or plain text embeddings, without APM. Two texts per video,
                as guidance has them, give two predictions per video.
            cam: from the extractor, for as many texts; None leaves the CAM out.
            first_frame: index within its chunk of each video's first frame; None means 0.
        """

    def prepare_text(
        self,
        prompt_embeds: Float[Tensor, "b n d"],
        anchor_tokens: Float[Tensor, "b m d"] | None = None,
        apm_strength: float = 1.0,
    ) -> TextContext:
        """Computes keys and values of every text cross-attention, once per video.

        Args:
            anchor_tokens: from AnchorTokens; None leaves the APM out.
            apm_strength: scales what the APM mixes into the text, from 0 (nothing) to 2.
        """
        layers = text_attentions(self).values()
        if anchor_tokens is None:
            return TextContext.of_layers(layers, prompt_embeds)
        mixed = (mixer(prompt_embeds, anchor_tokens, apm_strength) for mixer in self.mixers)
        return TextContext.of_layers(layers, prompt_embeds, mixed)


def check_cam(cam: CamFeatures | None, num_predictions: int) -> None:
    """Raises ValueError if CAM features are of another number of videos and texts."""
    if cam is not None and len(cam[0]) != num_predictions:
        raise ValueError(f"{num_predictions} videos of latents, but CAM features of {len(cam[0])}")
