"""What networks are conditioned on: the prompt schedule, and the anchor frame (Sec. 4.2).

Each prompt is encoded once per video. Keys and values are prepared once per mixture of prompts,
which changes only where the prompt schedule does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from t2v.models.attention import TextContext
from t2v.models.autoencoder import to_pixels
from t2v.pipeline.denoising import Latents, Outputs, Predict, guided, in_precision
from t2v.pipeline.offload import guidance_parts
from t2v.pipeline.stack import Refiner, Stack
from t2v.pipeline.windows import Window
from t2v.settings.config import GenerationConfig


Prepared = TypeVar("Prepared")
Retry = Callable[[Callable[..., Any]], Callable[..., Any]]  # see retry.retry_offloaded


class EncodedPrompts:
    """Encodes every prompt of a schedule once, each alone, so that later prompts change nothing.

    Args:
        encode: of a text encoder.
        guidance_scale: at 1 there is no guidance, and the negative prompt is not encoded.
    """

    def __init__(
        self,
        encode: Callable[[list[str]], Float[Tensor, "b n d"]],
        config: GenerationConfig,
        guidance_scale: float,
    ):
        negative = [] if guidance_scale == 1 else [config.negative_prompt]
        self._shares_of = config.prompt_shares
        self._embeds = {
            text: encode([*negative, text])
            for text in dict.fromkeys(change.text for change in config.prompts)
        }

    def of_chunk(self, chunk: int) -> Float[Tensor, "b n d"]:
        """Embeddings of the prompt, after those of the negative prompt if guidance needs it.

        Between two prompts these are a weighted sum.
        """
        shares = self._shares_of(chunk)
        if len(shares) == 1:
            return self._embeds[next(iter(shares))]
        first, *others = (share * self._embeds[text] for text, share in shares.items())
        return sum(others, first)


class PromptCache(Generic[Prepared]):
    """Calls `prepare(chunk)` only where the chunk's mixture of prompts differs from the last."""

    def __init__(self, config: GenerationConfig, prepare: Callable[[int], Prepared]):
        self._shares_of = config.prompt_shares
        self._prepare = prepare
        self._last: tuple[dict[str, float], Prepared] | None = None

    def of_chunk(self, chunk: int) -> Prepared:
        """What was prepared for the prompts of a chunk."""
        shares = self._shares_of(chunk)
        if self._last is None or self._last[0] != shares:
            self._last = None  # what was prepared before is freed first
            self._last = shares, self._prepare(chunk)
        return self._last[1]


def embed_anchor(
    stack: Stack, config: GenerationConfig, anchor_frame: UInt8[np.ndarray, "h w 3"]
) -> Float[Tensor, "b m d"]:
    """Computes the APM's tokens of the anchor frame; with guidance, after those of no anchor."""
    stack.use("image_encoder", "anchor_tokens")
    anchors = to_pixels(torch.from_numpy(anchor_frame)[None]).to(stack.device)
    if config.guidance_scale != 1:
        # The null anchor is mid-grey, 0 in [-1, 1], not an embedding of zeros.
        anchors = torch.cat([torch.zeros_like(anchors), anchors])
    return stack.anchor_tokens(stack.image_encoder(anchors))


@dataclass(frozen=True, slots=True)
class Conditions:
    """What does not depend on timestep, noise or frame: computed once per prompt."""

    text: TextContext  # keys and values of text and anchor for the UNet
    cam_text: TextContext  # keys and values of the text for the CAM


def prepare_conditions(
    stack: Stack,
    config: GenerationConfig,
    prompt_embeds: Float[Tensor, "b n d"],
    anchor_tokens: Float[Tensor, "b m d"] | None,
) -> Conditions:
    """Prepares text and anchor for all chunks of one prompt of the Streaming T2V Stage."""
    stack.use("unet", "extractor")
    return Conditions(
        text=stack.unet.prepare_text(prompt_embeds, anchor_tokens, config.apm_strength),
        cam_text=stack.extractor.prepare_text(prompt_embeds),
    )


class RefinerConditioning:
    """Conditions the refiner's network on the prompt of each window.

    Args:
        retry: wraps everything that takes much memory.
    """

    def __init__(self, refiner: Refiner, config: GenerationConfig, retry: Retry):
        self._refiner = refiner
        self._retry = retry
        self._prompts: EncodedPrompts = retry(self._encode)(config)
        self._texts = PromptCache(config, retry(self._prepare_text))

    def for_window(self, window: Window) -> Predict:
        """The guided network, as it denoises a window."""
        refiner = self._refiner
        # A window may span several chunks of the preview: the one in its middle decides.
        chunk = refiner.preview_chunking.chunk_at((window.start + window.stop) // 2)
        text = self._texts.of_chunk(chunk)

        def predict(latents: Latents, timestep: Tensor) -> Outputs:
            refiner.use("refiner")
            parts = guidance_parts(refiner.offloader, latents, text)
            return torch.cat([refiner.unet(latents, timestep, part) for (part,) in parts])

        settings = refiner.settings
        retried = self._retry(in_precision(predict, refiner.unet.dtype))
        return guided(retried, settings.guidance_scale, settings.guidance_rescale)

    def _encode(self, config: GenerationConfig) -> EncodedPrompts:
        self._refiner.use("text_encoder")
        encode = self._refiner.text_encoder.encode
        return EncodedPrompts(encode, config, self._refiner.settings.guidance_scale)

    def _prepare_text(self, chunk: int) -> TextContext:
        self._refiner.use("refiner")
        unet = self._refiner.unet
        return unet.prepare_text(self._prompts.of_chunk(chunk).to(self._refiner.device, unet.dtype))
