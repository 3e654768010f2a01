"""Denoising the windows of a refined video, one after the other or all together (Sec. 4.3)."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from t2v.events import RefinerState, StepDone
from t2v.pipeline.denoising import Latents, Predict
from t2v.pipeline.offload import memory_in_use
from t2v.pipeline.sdedit import SDEditSampler, Sigmas
from t2v.pipeline.windows import Window
from t2v.settings.config import RefinerSettings


WindowLatents = Float[Tensor, "_ c n _ _"]  # of all frames of a window


@dataclass(frozen=True, slots=True)
class Denoising:
    """What denoising a video takes, apart from the video."""

    predict_in: Callable[[Window], Predict]  # the network, conditioned on a window's prompt
    device: torch.device
    settings: RefinerSettings
    sigmas: Sigmas
    noise: Callable[[Window, int | None], Latents]  # at the start, or of a step
    cuts: Callable[[Window, int], int] | None  # by window and step; None: chunks are not blended

    def new_sampler(self) -> SDEditSampler:
        """A sampler for one chunk, or for the whole video."""
        return SDEditSampler(self.settings, self.sigmas)

    def start(self, sampler: SDEditSampler, window: Window, encoded: Latents) -> Latents:
        """Noises the encoded frames of a window to the first timestep."""
        return sampler.start(encoded, self.noise(window, None).to(encoded))

    def step_noise(self, window: Window, step: int, latents: Latents) -> Latents | None:
        """Noise to add at a step, on the device of `latents`; the last step adds none."""
        if step == self.settings.num_inference_steps - 1:
            return None
        return self.noise(window, step).to(latents)

    def step_done(self, window: Window, step: int) -> StepDone:
        """The event after a step of a window."""
        return StepDone(
            stage="refinement",
            chunk_index=window.index,
            step=step + 1,
            num_steps=self.settings.num_inference_steps,
            **memory_in_use(self.device),
        )


@dataclass(frozen=True, slots=True)
class WindowState:
    """What the window after this one needs."""

    window: Window
    encoded: WindowLatents
    latents: WindowLatents
    x0s: list[WindowLatents] | None  # predictions of x0 at every step, if blended

    def to_host(self, frame_size: tuple[int, int]) -> RefinerState:
        """The same as arrays, from which an interrupted refinement resumes."""
        x0s = None if self.x0s is None else torch.stack([x0.cpu() for x0 in self.x0s]).numpy()
        return RefinerState(
            num_chunks=self.window.index + 1,
            num_frames=self.window.stop,
            frame_size=frame_size,
            encoded=self.encoded.cpu().numpy(),
            latents=self.latents.cpu().numpy(),
            x0s=x0s,
        )


@dataclass(frozen=True, slots=True)
class Done:
    """Latents of finished frames, with the state if another chunk can follow."""

    latents: Latents
    state: WindowState | None = None


def denoise_by_chunk(
    denoising: Denoising,
    windows: Iterable[tuple[Window, Latents]],
    state: RefinerState | None = None,
) -> Generator[StepDone | Done, None, None]:
    """Denoises one chunk after the other: causal, or without blending."""
    num_steps = denoising.settings.num_inference_steps
    overlap = denoising.settings.overlap
    x0s: list[Tensor | None] = [None] * num_steps  # predictions for the last window
    latents = window = None
    if state is not None:
        latents = in_one_layout(torch.from_numpy(state.latents).to(denoising.device))
        if state.x0s is not None:
            x0s = list(torch.from_numpy(state.x0s).to(denoising.device))
    for window, encoded in windows:
        before = latents
        sampler, predict = denoising.new_sampler(), denoising.predict_in(window)
        latents = in_one_layout(denoising.start(sampler, window, encoded))
        for step in range(num_steps):
            x0 = sampler.predict_x0(predict, latents, step)
            if denoising.cuts is not None:
                # In the overlap, x0 up to the cut is what the window before predicted.
                x0 = x0s[step] = window.overlay(x0s[step], x0, denoising.cuts(window, step))
            noise = denoising.step_noise(window, step, x0)
            latents = in_one_layout(sampler.step(x0, latents, step, noise))
            yield denoising.step_done(window, step)
        if denoising.cuts is None:
            # These chunks do not agree on the overlap: it stays as the earlier one drew it.
            latents = in_one_layout(window.overlay(before, latents, overlap))

        # The next chunk may still change the overlap with it.
        num_pending = 0 if window.is_last else overlap
        finished = latents[:, :, window.num_context : window.num_frames - num_pending]
        predictions = [x0 for x0 in x0s if x0 is not None] if denoising.cuts else None
        following = WindowState(window, encoded, latents, predictions)
        yield Done(finished, None if window.is_last else following)
    if latents is not None and (window is None or not window.is_last):
        yield Done(latents[:, :, -overlap:])


def in_one_layout(latents: Latents) -> Latents:
    """Gives latents the memory layout that networks see in every chunk.

    Kernels round differently for other layouts, and a state read from disk has another one than
    the tensors of the chunk that it comes from: without this, a resumed video would not be
    bit-identical.
    """
    return latents.contiguous(memory_format=torch.channels_last_3d)


def denoise_jointly(
    denoising: Denoising, windows: Iterable[tuple[Window, Latents]]
) -> Generator[StepDone | Done, None, None]:
    """Denoises all chunks together, step by step (Sec. 4.3)."""
    assert denoising.cuts is not None
    all_windows, pieces = [], []
    for window, encoded in windows:
        all_windows.append(window)
        pieces.append(encoded[:, :, window.num_shared :])
    encoded = torch.cat(pieces, dim=2)
    del pieces
    video = Window(0, 0, 0, 0, encoded.shape[2], is_last=True)

    sampler = denoising.new_sampler()
    latents = in_one_layout(denoising.start(sampler, video, encoded))
    del encoded
    for step in range(denoising.settings.num_inference_steps):
        x0: Tensor | None = None
        for window in all_windows:
            seen = latents[:, :, window.start : window.stop]
            own = sampler.predict_x0(denoising.predict_in(window), seen, step)
            x0 = window.append(x0, own, denoising.cuts(window, step))
            yield denoising.step_done(window, step)
        assert x0 is not None
        noise = denoising.step_noise(video, step, x0)
        latents = in_one_layout(sampler.step(x0, latents, step, noise))
    for window in all_windows:
        is_last = window is all_windows[-1]
        stop = window.stop if is_last else window.stop - denoising.settings.overlap
        yield Done(latents[:, :, window.overlap_start : stop])
