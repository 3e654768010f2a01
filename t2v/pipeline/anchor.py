"""The anchor frame as the APM reads it: what a video goes back to (Sec. 4.2)."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from t2v.config import GenerationConfig
from t2v.models.autoencoder import to_pixels
from t2v.pipeline.stack import Stack


def embed_anchor(
    stack: Stack, config: GenerationConfig, anchor_frame: UInt8[np.ndarray, "h w 3"]
) -> Float[Tensor, "b m d"]:
    """The anchor's tokens; with guidance, those of the null anchor come first."""
    stack.use("image_encoder", "anchor_tokens")
    anchors = to_pixels(torch.from_numpy(anchor_frame)[None]).to(stack.device)
    if config.guidance_scale != 1:
        # The null anchor is mid-grey, 0 in [-1, 1], not an embedding of zeros.
        anchors = torch.cat([torch.zeros_like(anchors), anchors])
    return stack.anchor_tokens(stack.image_encoder(anchors))
