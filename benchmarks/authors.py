"""The authors' way: what their released code computes for a chunk.

It runs the networks of this repository, which give the same numbers (tests/test_goldens.py), as
often, at the sizes and in the order that their code does. In the Streaming T2V Stage:

* text, anchor and null anchor are encoded for every chunk;
* text and anchor are copied to every frame: keys, values and the APM's mixing are computed for
  each copy, in every layer, at every step;
* the conditioning frames are encoded to features at every step, for both texts of guidance;
* both texts repeat the work that does not depend on them;
* the autoencoder encodes the conditioning frames, and again among 16, without using the result;
* 16 frames are decoded, of which 8 are kept.

In the refinement, frames of 720 x 720 get black bars to 1280 x 720, the two texts of guidance are
two calls, and the autoencoder computes in float32, one frame at a time. Left out, in their favour:
every temporal attention of their refiner is computed twice.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate, pad

from t2v.models.attention import TextContext
from t2v.models.autoencoder import to_pixels
from t2v.models.cam import FeatureExtractor
from t2v.models.streaming_unet import StreamingUNet
from t2v.models.video_unet import VideoUNet
from t2v.pipeline.denoising import Latents, Outputs, Predict, guided, in_precision
from t2v.pipeline.initialization import draw_chunk
from t2v.pipeline.sdedit import SDEditSampler
from t2v.pipeline.stack import Refiner, Stack
from t2v.pipeline.streaming_t2v import Memory
from t2v.settings.config import GenerationConfig


Network = StreamingUNet | FeatureExtractor | VideoUNet
ASPECT = 16 / 9  # of what their refiner sees


@dataclass(frozen=True, slots=True)
class CopiedText(TextContext):
    """Keys and values of a copy of the text for every frame."""

    num_texts: int = 1

    @property
    def batch_size(self) -> int:
        return self.num_texts


def copy_text(network: Network, embeds: Tensor, num_frames: int, *more: Tensor) -> CopiedText:
    """Computes what `prepare_text` does, once per frame."""
    copies = (tensor.repeat_interleave(num_frames, dim=0) for tensor in (embeds, *more))
    return CopiedText(network.prepare_text(*copies).keys_values, None, len(embeds))


@torch.inference_mode()
def draw_next_chunk(
    stack: Stack, config: GenerationConfig, index: int, memory: Memory
) -> UInt8[np.ndarray, "f h w 3"]:
    """Draws the new frames of a chunk. Compare `t2v.pipeline.streaming_t2v.draw_next_chunk`."""
    device, dtype = stack.device, stack.unet.dtype
    embeds = stack.text_encoder.encode([config.negative_prompt, config.prompt])
    anchor = to_pixels(torch.from_numpy(memory.anchor_frame)[None]).to(device)
    anchors = torch.cat([torch.zeros_like(anchor), anchor])
    anchor_tokens = stack.anchor_tokens(stack.image_encoder(anchors))
    cond_frames = torch.from_numpy(memory.cond_frames)[None].to(device)
    stack.autoencoder.encode(cond_frames)
    chunking = stack.chunking
    repeats = chunking.chunk_frames // chunking.overlap
    stack.autoencoder.encode(cond_frames.repeat(1, repeats, 1, 1, 1))
    predict = new_predict(stack, embeds, anchor_tokens, to_pixels(cond_frames).to(dtype))
    *_, (latents, _) = draw_chunk(stack, config, "streaming_t2v", index, predict)
    return stack.autoencoder.decode(latents)[chunking.overlap :]


def new_predict(
    stack: Stack,
    embeds: Float[Tensor, "2 n d"],
    anchor_tokens: Float[Tensor, "2 m d"],
    cond_pixels: Float[Tensor, "1 k 3 H W"],
) -> Predict:
    """The networks as they run at every step."""
    pixels = cond_pixels.expand(2, -1, -1, -1, -1)

    def predict(latents: Latents, timestep: Tensor) -> Outputs:
        both = latents.repeat(2, 1, 1, 1, 1)
        cam = stack.extractor(
            both,
            timestep,
            copy_text(stack.extractor, embeds, pixels.shape[1]),
            stack.extractor.encode_frames(pixels),
        )
        text = copy_text(stack.unet, embeds, latents.shape[2], anchor_tokens)
        return stack.unet(both, timestep, text, cam)

    return predict


@torch.inference_mode()
def refine_chunk(
    refiner: Refiner, config: GenerationConfig, frames: UInt8[np.ndarray, "f h w 3"]
) -> UInt8[np.ndarray, "f H W 3"]:
    """Refines one chunk, with its black bars.

    Args:
        refiner: its autoencoder in float32.
    """
    settings, unet = refiner.settings, refiner.unet
    prompts = [config.negative_prompt, config.prompt]
    halves = refiner.text_encoder.encode(prompts).to(refiner.device, unet.dtype).split(1)
    encoded = [refiner.autoencoder.encode(frame) for frame in padded_frames(refiner, frames)]
    encoded = torch.cat(encoded, dim=2)

    def predict(latents: Latents, timestep: Tensor) -> Outputs:
        texts = (copy_text(unet, half, latents.shape[2]) for half in halves)
        return torch.cat([unet(latents, timestep, text) for text in texts])

    predict = guided(
        in_precision(predict, unet.dtype), settings.guidance_scale, settings.guidance_rescale
    )
    sampler = SDEditSampler(settings, refiner.sigmas)
    rng = torch.Generator(encoded.device).manual_seed(config.seed)

    def noise() -> Latents:
        return torch.randn(encoded.shape, generator=rng, device=encoded.device)

    latents = sampler.start(encoded, noise())
    for step in range(sampler.num_steps):
        x0 = sampler.predict_x0(predict, latents, step)
        latents = sampler.step(x0, latents, step, noise())
    pieces = [refiner.autoencoder.decode(frame) for frame in latents.split(1, dim=2)]
    return np.concatenate(pieces)


def padded_frames(
    refiner: Refiner, frames: UInt8[np.ndarray, "f h w 3"]
) -> list[Float[Tensor, "1 1 H W 3"]]:
    """Upscales square frames and adds black bars; one tensor per frame."""
    height, width = refiner.refined_size(frames.shape[1:3])
    multiple = refiner.autoencoder.downsampling
    bar = (round(height * ASPECT / multiple) * multiple - width) // 2
    shown = []
    for frame in torch.from_numpy(frames).to(refiner.device).split(1):
        pixels = frame.movedim(-1, 1).float()
        pixels = interpolate(pixels, (height, width), mode="bicubic", antialias=True)
        pixels = pad(pixels.round().clamp(0, 255), (bar, bar, 0, 0))
        shown.append(pixels.movedim(1, -1).byte()[None])
    return shown
