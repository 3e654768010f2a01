"""Denoising: schedulers of diffusers, classifier-free guidance, and the loop over steps."""

import hashlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from diffusers.schedulers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    UniPCMultistepScheduler,
)
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from t2v.errors import NotFiniteError
from t2v.events import Stage


Latents = Float[Tensor, "b c f h w"]
Outputs = Float[Tensor, "n c f h w"]  # of a network: one per text of each video
Predict = Callable[[Latents, Tensor], Outputs]  # latents, timestep -> outputs
# One of three of diffusers, whose annotations agree neither with each other nor with their code.
Scheduler = Any
ETA = 1.0  # of DDIM, as in the paper: as much new noise per step as in DDPM


class Step(NamedTuple):
    """The result of one denoising step."""

    latents: Latents
    x0: Latents  # the clean latents that the network predicted


def make_scheduler(name: str, schedule: dict[str, Any], num_inference_steps: int) -> Scheduler:
    """Makes a diffusers scheduler, ready to step.

    Args:
        name: "ddim", "dpmsolver++" (its stochastic form, nearest to DDIM with eta 1) or "unipc".
        schedule: the noise schedule of the training, as arguments of a diffusers scheduler.
    """
    shared = {key: value for key, value in schedule.items() if key != "set_alpha_to_one"}
    scheduler: Scheduler
    if name == "ddim":
        scheduler = DDIMScheduler(clip_sample=False, **schedule)
    elif name == "dpmsolver++":
        scheduler = DPMSolverMultistepScheduler(algorithm_type="sde-dpmsolver++", **shared)
    else:
        scheduler = UniPCMultistepScheduler(**shared)
    scheduler.set_timesteps(num_inference_steps)
    return scheduler


def check_finite(latents: Tensor, stage: Stage, index: int) -> None:
    """Refuses a chunk that would be black, and would spoil the memory of all later ones.

    Raises:
        NotFiniteError: a latent is NaN or infinite.
    """
    if not torch.isfinite(latents).all():
        raise _not_finite(stage, index)


@contextmanager
def finite_pixels(stage: Stage, index: int) -> Iterator[None]:
    """Decodes a chunk in the block: finite latents may overflow in the decoder.

    Raises:
        NotFiniteError: a pixel is NaN or infinite.
    """
    try:
        yield
    except FloatingPointError as error:
        raise _not_finite(stage, index) from error


def _not_finite(stage: Stage, index: int) -> NotFiniteError:
    name = "refined chunk" if stage == "refinement" else "chunk"
    return NotFiniteError(
        f"The model computed values that are no numbers in {name} {index}. The chunks before it "
        "are kept. Weights in another precision may help (dtype float32 or bfloat16 instead of "
        "float16); if they do not, the weights are damaged."
    )


def noise_generator(
    seed: int, stage: Stage, chunk_index: int, *details: int | str
) -> torch.Generator:
    """A random generator for each chunk, on the CPU, so that all devices draw the same noise.

    Args:
        details: set one draw of the chunk apart from another, for example the step.
    """
    name = "/".join(map(str, (seed, stage, chunk_index, *details)))
    digest = hashlib.sha256(name.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little"))


def guided(predict: Predict, guidance_scale: float, rescale: float = 0.0) -> Predict:
    """Classifier-free guidance (Ho & Salimans, 2022): uncond + scale * (cond - uncond).

    Args:
        predict: returns two outputs for the latents, first without the prompt, then with it.
        rescale: how far the result is rescaled to the standard deviation of cond, from 0 (not at
            all) to 1 (Lin et al., 2024, Eq. 15 and 16).
    """
    if guidance_scale == 1:
        return predict

    def predict_guided(latents: Latents, timestep: Tensor) -> Latents:
        uncond, cond = predict(latents, timestep).chunk(2)
        output = torch.lerp(uncond, cond, guidance_scale)
        if rescale:
            output = output * (rescale * cond.std() / output.std() + 1 - rescale)
        return output

    return predict_guided


def in_precision(predict: Predict, dtype: torch.dtype) -> Predict:
    """Runs a network in `dtype`, while schedulers and guidance compute in float32."""

    def predict_in_precision(latents: Latents, timestep: Tensor) -> Outputs:
        # Recorded CUDA graphs may overwrite the results of the step before.
        torch.compiler.cudagraph_mark_step_begin()
        return predict(latents.to(dtype), timestep.to(latents.device)).float()

    return predict_in_precision


def denoise(
    predict: Predict, noise: Latents, scheduler: Scheduler, generator: torch.Generator
) -> Generator[Step, None, None]:
    """Yields the result of every step. Computes nothing before it is asked for."""
    b = len(noise)
    latents = noise * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        output = predict(scheduler.scale_model_input(latents, timestep), timestep)
        # Frames go through the scheduler as a batch, as in the authors' code: a seed stands for
        # noise in this order.
        flat_output, flat_latents = (
            rearrange(x, "b c f h w -> (b f) c h w").float() for x in (output, latents)
        )
        step = _scheduler_step(scheduler, flat_output, timestep, flat_latents, generator)
        latents, x0 = (rearrange(x, "(b f) c h w -> b c f h w", b=b) for x in step)
        yield Step(latents, x0)


def _scheduler_step(
    scheduler: Scheduler,
    output: Float[Tensor, "n c h w"],
    timestep: Tensor,
    latents: Float[Tensor, "n c h w"],
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """The next latents, and the clean latents x0 that the scheduler computed for them."""
    is_ddim = isinstance(scheduler, DDIMScheduler)
    if is_ddim:
        # At pure noise, rounding would make the variance negative.
        is_pure_noise = scheduler.alphas_cumprod[timestep] == 0
        eta = ETA * (1 - 1e-6) if is_pure_noise else ETA
        result = scheduler.step(output, timestep, latents, eta=eta, generator=generator)
        return result.prev_sample, result.pred_original_sample
    drawn = {} if isinstance(scheduler, UniPCMultistepScheduler) else {"generator": generator}
    result = scheduler.step(output, timestep, latents, **drawn)
    return result.prev_sample, scheduler.model_outputs[-1]
