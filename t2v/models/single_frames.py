"""Temporal layers that a UNet skips when it gets a single frame.

Unskipped, they are not the identity there: a temporal convolution over one frame mixes channels,
and attention over one frame is two linear layers, with weights trained on clips. So the weights
must have been trained with the same setting, `skip_temporal_layers_at_one_frame` of the UNet. It
halves the time of a step on single frames.
"""

from typing import Any

from diffusers.models.resnet import TemporalConvLayer
from diffusers.models.transformers.transformer_temporal import (
    TransformerTemporalModel,
    TransformerTemporalModelOutput,
)
from torch import Tensor, nn


class SkippingConv(TemporalConvLayer):
    """A temporal convolution that returns a single frame unchanged."""

    def forward(self, hidden_states: Tensor, num_frames: int = 1) -> Tensor:
        if num_frames == 1:
            return hidden_states
        return super().forward(hidden_states, num_frames)


class SkippingTransformer(TransformerTemporalModel):
    """A temporal transformer that returns a single frame unchanged."""

    def forward(  # type: ignore[override] # diffusers passes all but the first by name
        self,
        hidden_states: Tensor,
        *,
        num_frames: int = 1,
        return_dict: bool = True,
        **others: Any,
    ) -> TransformerTemporalModelOutput | tuple[Tensor]:
        if num_frames == 1:
            output = TransformerTemporalModelOutput(hidden_states)
            return output if return_dict else (hidden_states,)
        return super().forward(
            hidden_states, num_frames=num_frames, return_dict=return_dict, **others
        )


SKIPPING: dict[type[nn.Module], type[nn.Module]] = {
    TemporalConvLayer: SkippingConv,
    TransformerTemporalModel: SkippingTransformer,
}


def skip_temporal_layers(model: nn.Module) -> None:
    """Makes all temporal layers of `model` the identity at one frame, and before training.

    So training on clips starts from what the model learned from single frames.
    """
    for layer in model.modules():
        if type(layer) in SKIPPING:
            layer.__class__ = SKIPPING[type(layer)]
        if isinstance(layer, SkippingTransformer):
            # diffusers does the same with the last of the convolutions.
            nn.init.zeros_(layer.proj_out.weight)
            nn.init.zeros_(layer.proj_out.bias)
