"""Streaming Refinement Stage (Sec. 4.3): a sharper video from the frames of another, as they come.

SDEdit refines the video in chunks of 24 frames that overlap by 8. Chunks are joined in one of four
ways:

* causal: each chunk is blended with what the chunk before it predicted at the same step. Memory use
  is constant, and refined frames leave as soon as their chunk is done.
* joint: the paper's. All chunks take each step together, so a chunk also sees those after it. The
  latents of the whole video are in memory, and frames leave at the end.
* shared_noise, independent: the paper's ablations, B+S and B. Chunks do not see each other.
"""

from collections import deque
from collections.abc import Generator, Iterable
from functools import partial

import torch

from t2v.events import Chunk, Event, Frames, RefinerState, StepDone
from t2v.pipeline.blending import OwnNoise, RandomCuts, SharedNoise
from t2v.pipeline.conditioning import RefinerConditioning, Retry
from t2v.pipeline.denoising import check_finite, finite_pixels
from t2v.pipeline.retry import downgrade_notice, retry_offloaded
from t2v.pipeline.stack import Refiner
from t2v.pipeline.window_denoising import Denoising, denoise_by_chunk, denoise_jointly
from t2v.pipeline.windows import FrameSource, encode_windows
from t2v.settings.config import GenerationConfig


@torch.inference_mode()
def refine(
    refiner: Refiner,
    config: GenerationConfig,
    frames: Iterable[Frames],
    state: RefinerState | None = None,
) -> Generator[Event, None, None]:
    """Yields a StepDone per step and chunk, and refined frames as Chunks: as many as come in.

    Where the GPU's memory runs out, the step is repeated in the next smaller memory profile: the
    video continues at the same chunk, and nothing is drawn twice.

    Frames are read when they are needed, and nothing is computed before it is asked for, so closing
    the generator stops the work. Of a video's settings, the refiner reads prompts, seed and
    blending. Frames that a chunk shares with the next one leave with the next.

    Args:
        frames: the video in pieces of any length, all of one size.
        state: of an interrupted refinement, from its last Chunk that has one; `frames` then start
            with the first that it has not read. Joint blending has none.

    Raises:
        ConfigError: there are no frames, or their size changes.
        NotFiniteError: the latents or pixels of a chunk are no numbers.
        torch.OutOfMemoryError: there is no smaller profile.
    """
    source = FrameSource(frames, state.frame_size if state else None)
    size = refiner.refined_size(source.frame_size())
    downgrades: deque[str] = deque()  # memory profiles that no notice has named yet
    retry: Retry = partial(retry_offloaded, refiner.offloader, downgrades.append)
    denoising = new_denoising(refiner, config, refiner.latent_shape(size), retry)
    decode = retry(refiner.decode)
    chunking = refiner.settings.chunking
    index = start_frame = 0
    if state is not None:
        index, start_frame = state.num_chunks, state.num_frames - chunking.overlap
    windows = encode_windows(retry(refiner.encode), chunking, source, state)
    if config.blending == "joint":
        results = denoise_jointly(denoising, windows)
    else:
        results = denoise_by_chunk(denoising, windows, state)
    for result in results:
        event: StepDone | Chunk
        if isinstance(result, StepDone):
            event = result
        else:
            latents = result.state.latents if result.state else result.latents
            check_finite(latents, "refinement", index)
            with finite_pixels("refinement", index):
                pixels = decode(result.latents, size)
            event = Chunk(
                stage="refinement",
                index=index,
                start_frame=start_frame,
                frames=pixels,
                refiner=result.state.to_host(source.frame_size()) if result.state else None,
            )
        while downgrades:
            yield downgrade_notice("the refined video", index, downgrades.popleft())
        yield event
        if isinstance(event, Chunk):
            index, start_frame = index + 1, start_frame + len(event.frames)


def new_denoising(
    refiner: Refiner, config: GenerationConfig, latent_shape: tuple[int, int, int], retry: Retry
) -> Denoising:
    """Prepares the randomness that the blending asks for, and the network for every window.

    Args:
        retry: wraps everything that takes much memory.
    """
    settings = refiner.settings
    noise_kind = OwnNoise if config.blending == "independent" else SharedNoise
    is_blended = config.blending in ("causal", "joint")
    return Denoising(
        predict_in=RefinerConditioning(refiner, config, retry).for_window,
        device=refiner.device,
        settings=settings,
        sigmas=refiner.sigmas,
        noise=noise_kind(config.seed, settings.chunking, latent_shape),
        cuts=RandomCuts(config.seed, settings.cut_rule, settings.overlap) if is_blended else None,
    )
