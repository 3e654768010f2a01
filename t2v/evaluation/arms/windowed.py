"""The whole video at once, in windows as long as a chunk: Gen-L-Video and FreeNoise, untrained.

Both denoise all frames together and fuse what the network predicts of overlapping windows. They
cannot stream, do not continue a given chunk, and need memory in proportion to the length.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from t2v.evaluation.arms.task import Task, Video
from t2v.pipeline.conditioning import EncodedPrompts
from t2v.pipeline.denoising import Latents, Outputs, Predict
from t2v.pipeline.initialization import draw_chunk, predict_first_chunk


Weigh = Callable[[int], Float[Tensor, " w"]]

GEN_L_STRIDE, FREENOISE_STRIDE = 8, 4


def flat(window: int) -> Float[Tensor, " {window}"]:
    """Every frame of a window counts the same."""
    return torch.ones(window)


def pyramid(window: int) -> Float[Tensor, " {window}"]:
    """Frames count the more, the nearer they are to the middle of the window (FreeNoise)."""
    rising = torch.arange(1, window + 1)
    return torch.minimum(rising, rising.flip(0)).float()


def fuse_windows(predict: Predict, weights: Float[Tensor, " w"], stride: int) -> Predict:
    """Wraps a network: it sees windows of the latents, and its outputs are averaged.

    Args:
        weights: of the frames within a window.
        stride: frames between the beginnings of windows; the last one ends with the video.
    """
    window = len(weights)

    def predict_fused(latents: Latents, timestep: Tensor) -> Outputs:
        num_frames = latents.shape[2]
        if num_frames == window:
            return predict(latents, timestep)
        total: Tensor | None = None  # with guidance, of twice as many videos as the latents
        shares = torch.zeros(num_frames)
        for start in (*range(0, num_frames - window, stride), num_frames - window):
            part = slice(start, start + window)
            outputs = predict(latents[:, :, part], timestep).float()
            if total is None:
                total = outputs.new_zeros(*outputs.shape[:2], num_frames, *outputs.shape[3:])
            total[:, :, part] += weights.to(outputs).view(-1, 1, 1) * outputs
            shares[part] += weights
        assert total is not None  # there is a window at least
        return total / shares.to(total).view(-1, 1, 1)

    return predict_fused


def repeat_shuffled(
    noise: Latents, generator: torch.Generator, window: int, stride: int
) -> Latents:
    """FreeNoise's noise (Qiu et al., 2024, Sec. 4.1): every window has the noise of the first.

    Frames after the first window repeat the noise of the frames a window earlier, in an order that
    is drawn anew for each `stride` of them.
    """
    noise, num_frames = noise.clone(), noise.shape[2]
    for start in range(window, num_frames, stride):
        order = torch.randperm(stride, generator=generator)[: num_frames - start]
        noise[:, :, start : start + len(order)] = noise[:, :, start - window + order]
    return noise


@torch.inference_mode()
def draw_windows(
    task: Task, stride: int, weigh: Weigh = flat, *, shuffles_noise: bool = False
) -> Iterator[Video]:
    """Draws the whole video, and decodes it chunk by chunk. Only the first prompt is read.

    Args:
        weigh: gives the weights of the frames of a window, by its length.
    """
    stack, config = task.stack, task.config
    window = stack.chunking.chunk_frames
    stack.use("text_encoder")
    prompts = EncodedPrompts(stack.text_encoder.encode, config, config.guidance_scale)
    predict = predict_first_chunk(stack, config, prompts.of_chunk(0))
    *_, last = draw_chunk(
        stack,
        config,
        "initialization",
        0,
        fuse_windows(predict, weigh(window), stride),
        num_frames=task.num_frames,
        arrange=partial(repeat_shuffled, window=window, stride=stride) if shuffles_noise else None,
    )
    for piece in last.latents.split(window, dim=2):
        yield stack.autoencoder.decode(piece)
