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
from jaxtyping import Float
from torch import Tensor

from t2v.config import GenerationConfig, RefinerSettings, chunk_of
from t2v.events import Chunk, Event, Notice, StepDone
from t2v.models.attention import TextContext
from t2v.pipeline.blending import OwnNoise, RandomCuts, SharedNoise
from t2v.pipeline.denoising import Latents, Outputs, Predict, guided, in_precision
from t2v.pipeline.memory import guidance_parts, memory_in_use, with_room
from t2v.pipeline.prompting import EncodedPrompts
from t2v.pipeline.refiner import Refiner
from t2v.pipeline.sdedit import SDEditSampler, Sigmas
from t2v.pipeline.windows import FrameSource, Piece, Window, encode_windows
from t2v.state import RefinerState


WindowLatents = Float[Tensor, "_ c n _ _"]  # of all frames of a window


@dataclass(frozen=True, slots=True)
class Denoising:
    """What denoising a video takes, apart from the video."""

    predict_in: Callable[[Window], Predict]  # as the prompt of a window says
    device: torch.device
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


@dataclass(frozen=True, slots=True)
class Done:
    """Latents of finished frames and, where it is known that another chunk can follow, what that
    needs."""

    latents: Latents
    window: Window | None = None
    encoded: WindowLatents | None = None
    drawn: WindowLatents | None = None
    x0s: list[WindowLatents] | None = None  # predictions of x0 at every step

    def state_after(self, frame_size: tuple[int, int]) -> RefinerState | None:
        if self.window is None or self.window.is_last:
            return None
        x0s = None if self.x0s is None else torch.stack([x0.cpu() for x0 in self.x0s]).numpy()
        return RefinerState(
            num_chunks=self.window.index + 1,
            num_frames=self.window.stop,
            frame_size=frame_size,
            encoded=self.encoded.cpu().numpy(),
            latents=self.drawn.cpu().numpy(),
            x0s=x0s,
        )


@torch.inference_mode()
def refine(
    refiner: Refiner,
    config: GenerationConfig,
    frames: Iterable[Piece],
    state: RefinerState | None = None,
) -> Iterator[Event]:
    """Yields a StepDone per step and chunk, and refined frames as Chunks: as many as come in.

    Where the GPU's memory runs out, the step that needed it is done again in the next smaller
    memory profile: the video goes on at the same chunk, and nothing is drawn twice.

    Frames are asked for when they are needed, and nothing is computed before it is asked for:
    closing the iterator stops the work. Of a video's settings, the refiner reads the prompts, the
    seed and the blending. The frames that a chunk shares with the next one leave with the next.

    Args:
        frames: the video in pieces of any length, all of one size.
        state: of an interrupted refinement, from its last Chunk that has one; `frames` then begin
            with the first that it has not read. Joint blending has none.

    Raises:
        ConfigError: there are no frames, or their size changes.
        torch.OutOfMemoryError: there is no smaller profile.
    """
    source = FrameSource(frames, state and state.frame_size)
    size = refiner.refined_size(source.frame_size())
    shrunk: deque[str] = deque()  # profiles that were gone to, and nobody was told of
    retried = partial(with_room, refiner.placement, shrunk.append)
    denoising = new_denoising(refiner, config, refiner.latent_shape(size), retried)
    decode = retried(refiner.decode)
    index = start_frame = 0
    if state is not None:
        index, start_frame = state.num_chunks, state.num_frames - refiner.settings.overlap
    windows = encode_windows(retried(refiner.encode), refiner.settings, source, state)
    if config.blending == "joint":
        events = denoise_jointly(denoising, windows)
    else:
        events = denoise_by_chunk(denoising, windows, state)
    for done in events:
        refined = None if isinstance(done, StepDone) else decode(done.latents, size)
        while shrunk:
            yield Notice(
                f"The GPU's memory was used up: refining goes on at chunk {index} with the "
                f"memory profile {shrunk.popleft()}, which is slower."
            )
        if refined is None:
            yield done
            continue
        after = done.state_after(source.frame_size())
        yield Chunk("refinement", index, start_frame, refined, after)
        index, start_frame = index + 1, start_frame + len(refined)


def new_denoising(
    refiner: Refiner,
    config: GenerationConfig,
    latent_shape: tuple[int, int, int],
    retried: Callable[[Callable], Callable] = lambda work: work,
) -> Denoising:
    """Prepares the randomness that the blending asks for, and the text, once per prompt.

    Args:
        retried: what is put around everything that takes much memory.
    """
    settings, unet = refiner.settings, refiner.unet

    def read_prompts() -> EncodedPrompts:
        refiner.use("text_encoder")
        return EncodedPrompts(refiner.text_encoder.encode, config, settings.guidance_scale)

    def prepare_text(chunk: int) -> TextContext:
        refiner.use("refiner")
        return unet.prepare_text(prompts.of_chunk(chunk).to(refiner.device, unet.dtype))

    prompts = retried(read_prompts)()
    said = text = None

    def predict_in(window: Window) -> Predict:
        nonlocal said, text
        # A window may show several chunks of the preview: the one in its middle speaks for it.
        chunk = chunk_of((window.start + window.stop) // 2)
        if (shares := config.prompt_shares(chunk)) != said:
            said, text = shares, retried(prepare_text)(chunk)
        context = text

        def predict(latents: Latents, timestep: torch.Tensor) -> Outputs:
            refiner.use("refiner")
            parts = guidance_parts(refiner.placement, latents, context)
            return torch.cat([unet(latents, timestep, part) for (part,) in parts])

        predict_anyway = retried(in_precision(predict, unet.dtype))
        return guided(predict_anyway, settings.guidance_scale, settings.guidance_rescale)

    noise_kind = OwnNoise if config.blending == "independent" else SharedNoise
    is_blended = config.blending in ("causal", "joint")
    return Denoising(
        predict_in=predict_in,
        device=refiner.device,
        settings=settings,
        sigmas=refiner.sigmas,
        noise=noise_kind(config.seed, settings.chunk_frames, settings.overlap, latent_shape),
        cuts=RandomCuts(config.seed, settings.cut_rule, settings.overlap) if is_blended else None,
    )


def denoise_by_chunk(
    denoising: Denoising,
    windows: Iterable[tuple[Window, Latents]],
    state: RefinerState | None = None,
) -> Iterator[StepDone | Done]:
    """One chunk after the other: causal, or without blending."""
    num_steps = denoising.settings.num_inference_steps
    overlap = denoising.settings.overlap
    x0s = [None] * num_steps  # predictions for the last window, at every step
    latents = window = None
    if state is not None:
        latents = torch.from_numpy(state.latents).to(denoising.device)
        if state.x0s is not None:
            x0s = list(torch.from_numpy(state.x0s).to(denoising.device))
    for window, encoded in windows:
        before = latents
        sampler, predict = denoising.new_sampler(), denoising.predict_in(window)
        latents = sampler.start(encoded, denoising.noise_of(window, None, encoded))
        for step in range(num_steps):
            x0 = sampler.predict_x0(predict, latents, step)
            if denoising.cuts is not None:
                cut = denoising.cuts(window, step)
                x0 = x0s[step] = window.take_over(x0s[step], x0, cut)
            latents = sampler.step(x0, latents, step, denoising.noise_of(window, step, x0))
            place = "refinement", window.index, step + 1, num_steps
            yield StepDone(*place, None, *memory_in_use(denoising.device))
        if denoising.cuts is None:
            # Chunks that know nothing of each other: the earlier one keeps what it has drawn.
            latents = window.take_over(before, latents, overlap)

        # What the next chunk may still change waits for it.
        num_waiting = 0 if window.is_last else overlap
        finished = latents[:, :, window.num_context : window.num_frames - num_waiting]
        yield Done(finished, window, encoded, latents, x0s if denoising.cuts else None)
    if window is None or not window.is_last:
        yield Done(latents[:, :, -overlap:])


def denoise_jointly(
    denoising: Denoising, windows: Iterable[tuple[Window, Latents]]
) -> Iterator[StepDone | Done]:
    """All chunks together, step by step (Sec. 4.3)."""
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
            own = sampler.predict_x0(denoising.predict_in(window), seen, step)
            x0 = window.append(x0, own, denoising.cuts(window, step))
            place = "refinement", window.index, step + 1, num_steps
            yield StepDone(*place, None, *memory_in_use(denoising.device))
        latents = sampler.step(x0, latents, step, denoising.noise_of(video, step, x0))
    for window in shown:
        is_last = window is shown[-1]
        stop = window.stop if is_last else window.stop - denoising.settings.overlap
        yield Done(latents[:, :, window.overlap_start : stop])
