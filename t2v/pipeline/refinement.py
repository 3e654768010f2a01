"""Streaming Refinement Stage (Sec. 4.3): a sharper video from the frames of another, as they come.

The video is refined in chunks of 24 frames that overlap by 8 (SDEdit). How chunks are joined:

* causal: every chunk is blended with what the chunk before it predicted at the same step. Memory
  does not grow with the video, and refined frames leave as soon as their chunk is done.
* joint: the paper's. All chunks take each step together, so a chunk also sees what comes after it.
  The latents of the whole video are in memory, and frames leave at the end.
* shared_noise, independent: the paper's ablations, B+S and B. Chunks do not see each other.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from t2v.config import GenerationConfig, RefinerSettings
from t2v.events import Chunk, Event, Notice, StepDone
from t2v.models.attention import TextContext
from t2v.pipeline.blending import OwnNoise, RandomCuts, SharedNoise
from t2v.pipeline.denoising import (
    Latents,
    Outputs,
    Predict,
    guided,
    in_precision,
    prompts_to_encode,
)
from t2v.pipeline.memory import guidance_parts, with_room
from t2v.pipeline.refiner import Refiner
from t2v.pipeline.sdedit import SDEditSampler, Sigmas
from t2v.pipeline.windows import FrameSource, Piece, Window, encode_windows


@dataclass(frozen=True, slots=True)
class Denoising:
    """What denoising a video takes, apart from the video."""

    predict: Predict
    settings: RefinerSettings
    sigmas: Sigmas
    noise: Callable[[Window, int | None], Latents]  # that begins, or that a step adds
    cuts: Callable[[Window, int], int] | None  # by window and step; None: chunks are not blended

    def new_sampler(self) -> SDEditSampler:
        return SDEditSampler(self.settings, self.sigmas)

    def noise_of(self, window: Window, step: int | None, latents: Latents) -> Latents | None:
        """Noise for the start or for a step, where `latents` are; the last step takes none."""
        if step == self.settings.num_inference_steps - 1:
            return None
        return self.noise(window, step).to(latents)


@torch.inference_mode()
def refine(refiner: Refiner, config: GenerationConfig, frames: Iterable[Piece]) -> Iterator[Event]:
    """Yields a StepDone per step and chunk, and refined frames as Chunks: as many as come in.

    Where the GPU's memory runs out, the step that needed it is done again in the next smaller
    memory profile: the video goes on at the same chunk, and nothing is drawn twice.

    Frames are asked for when they are needed, and nothing is computed before it is asked for:
    closing the iterator stops the work. Of a video's settings, the refiner reads the prompts, the
    seed and the blending. The frames that a chunk shares with the next one leave with the next.

    Args:
        frames: the video in pieces of any length, all of one size.

    Raises:
        ConfigError: there are no frames, or their size changes.
        torch.OutOfMemoryError: there is no smaller profile.
    """
    source = FrameSource(frames)
    size = refiner.refined_size(source.frame_size())
    shrunk: deque[str] = deque()  # profiles that were gone to, and nobody was told of
    retried = partial(with_room, refiner.placement, shrunk.append)
    denoising = new_denoising(refiner, config, refiner.latent_shape(size), retried)
    denoise = denoise_jointly if config.blending == "joint" else denoise_by_chunk
    decode = retried(refiner.decode)
    index = start_frame = 0
    for done in denoise(
        denoising, encode_windows(retried(refiner.encode), refiner.settings, source)
    ):
        refined = None if isinstance(done, StepDone) else decode(done, size)
        while shrunk:
            yield Notice(
                f"The GPU's memory was used up: refining goes on at chunk {index + 1} with the "
                f"memory profile {shrunk.popleft()}, which is slower."
            )
        if refined is None:
            yield done
            continue
        yield Chunk("refinement", index, start_frame, refined)
        index, start_frame = index + 1, start_frame + len(refined)


def new_denoising(
    refiner: Refiner,
    config: GenerationConfig,
    latent_shape: tuple[int, int, int],
    retried: Callable[[Callable], Callable] = lambda work: work,
) -> Denoising:
    """Prepares the text, once per video, and the randomness that the blending asks for.

    Args:
        retried: what is put around everything that takes much memory.
    """
    settings, unet = refiner.settings, refiner.unet
    prompts = prompts_to_encode(config, settings.guidance_scale)

    def read_text() -> TextContext:
        refiner.use("text_encoder")
        prompt_embeds = refiner.text_encoder.encode(prompts)
        refiner.use("refiner")
        return unet.prepare_text(prompt_embeds.to(refiner.device, unet.dtype))

    text = retried(read_text)()

    def predict(latents: Latents, timestep: torch.Tensor) -> Outputs:
        refiner.use("refiner")
        parts = guidance_parts(refiner.placement, latents, text)
        return torch.cat([unet(latents, timestep, part) for (part,) in parts])

    predict_anyway = retried(in_precision(predict, unet.dtype))
    noise_kind = OwnNoise if config.blending == "independent" else SharedNoise
    is_blended = config.blending in ("causal", "joint")
    return Denoising(
        predict=guided(predict_anyway, settings.guidance_scale, settings.guidance_rescale),
        settings=settings,
        sigmas=refiner.sigmas,
        noise=noise_kind(config.seed, settings.chunk_frames, settings.overlap, latent_shape),
        cuts=RandomCuts(config.seed, settings.cut_rule, settings.overlap) if is_blended else None,
    )


def denoise_by_chunk(
    denoising: Denoising, windows: Iterable[tuple[Window, Latents]]
) -> Iterator[StepDone | Latents]:
    """One chunk after the other: causal, or without blending. Latents are of finished frames."""
    num_steps = denoising.settings.num_inference_steps
    x0s = [None] * num_steps  # predictions for the last window, at every step
    latents = None
    for window, encoded in windows:
        before = latents
        sampler = denoising.new_sampler()
        latents = sampler.start(encoded, denoising.noise_of(window, None, encoded))
        for step in range(num_steps):
            x0 = sampler.predict_x0(denoising.predict, latents, step)
            if denoising.cuts is not None:
                cut = denoising.cuts(window, step)
                x0 = x0s[step] = window.take_over(x0s[step], x0, cut)
            latents = sampler.step(x0, latents, step, denoising.noise_of(window, step, x0))
            yield StepDone("refinement", window.index, step + 1, num_steps)
        if denoising.cuts is None:
            # Chunks that know nothing of each other: the earlier one keeps what it has drawn.
            latents = window.take_over(before, latents, denoising.settings.overlap)

        # What the next chunk may still change waits for it.
        num_waiting = 0 if window.is_last else denoising.settings.overlap
        yield latents[:, :, window.num_context : window.num_frames - num_waiting]
    if not window.is_last:
        yield latents[:, :, -denoising.settings.overlap :]


def denoise_jointly(
    denoising: Denoising, windows: Iterable[tuple[Window, Latents]]
) -> Iterator[StepDone | Latents]:
    """All chunks together, step by step (Sec. 4.3). Latents are of finished frames."""
    num_steps = denoising.settings.num_inference_steps
    shown, pieces = [], []
    for window, encoded in windows:
        shown.append(window)
        pieces.append(encoded[:, :, window.num_shared :])
    encoded = torch.cat(pieces, dim=2)
    del pieces
    video = Window(0, 0, 0, 0, encoded.shape[2], is_last=True)

    sampler = denoising.new_sampler()
    latents = sampler.start(encoded, denoising.noise_of(video, None, encoded))
    del encoded
    for step in range(num_steps):
        x0 = None
        for window in shown:
            seen = latents[:, :, window.start : window.stop]
            own = sampler.predict_x0(denoising.predict, seen, step)
            x0 = window.append(x0, own, denoising.cuts(window, step))
            yield StepDone("refinement", window.index, step + 1, num_steps)
        latents = sampler.step(x0, latents, step, denoising.noise_of(video, step, x0))
    for window in shown:
        is_last = window is shown[-1]
        stop = window.stop if is_last else window.stop - denoising.settings.overlap
        yield latents[:, :, window.overlap_start : stop]
