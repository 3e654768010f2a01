"""From the mid block back to the latents: what the base UNet and the refiner's share."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from t2v.models.attention import TextContext
from t2v.models.down_path import DownPath


def run_up_path(
    model: nn.Module, down: DownPath, text: TextContext, num_frames: int
) -> Float[Tensor, "b c f h w"]:
    """Runs the `up_blocks` of `model` and its last convolution."""
    skips, x, time_embedding = down
    skips = list(skips)
    for block in model.up_blocks:
        block_skips = tuple(skips[-len(block.resnets) :])
        del skips[-len(block.resnets) :]
        arguments = {"encoder_hidden_states": text} if hasattr(block, "attentions") else {}
        x = block(
            x,
            block_skips,
            time_embedding,
            num_frames=num_frames,
            # An odd size was rounded on the way down: go back to what it was.
            upsample_size=tuple(skips[-1].shape[2:]) if skips else None,
            **arguments,
        )
    x = model.conv_out(model.conv_act(model.conv_norm_out(x)))
    return rearrange(x, "(b f) c h w -> b c f h w", f=num_frames)
