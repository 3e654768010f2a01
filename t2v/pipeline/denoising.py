"""From noise to latents: schedulers of diffusers, guidance, and the loop over steps."""

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from t2v.events import Stage


Latents = Float[Tensor, "b c f h w"]
Outputs = Float[Tensor, "n c f h w"]  # of a network: one for every text that the latents have
Predict = Callable[[Latents, Tensor], Outputs]  # latents, timestep -> outputs
ETA = 1.0  # of DDIM, as in the paper: as much fresh noise per step as in DDPM


class Step(NamedTuple):
    """What is there after a denoising step."""

    latents: Latents
    x0: Latents  # the clean latents, as the network saw them in noisier ones


def make_scheduler(name: str, schedule: dict, num_inference_steps: int):
    """A diffusers scheduler, ready to step.

    Args:
        name: "ddim", "dpmsolver++" (its stochastic form, nearest to DDIM with eta 1) or "unipc".
        schedule: the noise schedule that the model was trained with, in diffusers' words.
    """
    if name == "ddim":
        scheduler = DDIMScheduler(clip_sample=False, **schedule)
    elif name == "dpmsolver++":
        scheduler = DPMSolverMultistepScheduler(
            algorithm_type="sde-dpmsolver++", **_without_ddim_keys(schedule)
        )
    else:
        scheduler = UniPCMultistepScheduler(**_without_ddim_keys(schedule))
    scheduler.set_timesteps(num_inference_steps)
    return scheduler


def _without_ddim_keys(schedule: dict) -> dict:
    return {name: value for name, value in schedule.items() if name != "set_alpha_to_one"}


def noise_generator(
    seed: int, stage: Stage, chunk_index: int, *details: int | str
) -> torch.Generator:
    """Own randomness for every chunk, drawn on the CPU: the same on every device.

    Args:
        details: what else tells one draw of the chunk from another, the step for example.
    """
    name = "/".join(map(str, (seed, stage, chunk_index, *details)))
    digest = hashlib.sha256(name.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little"))


def guided(predict: Predict, guidance_scale: float, rescale: float = 0.0) -> Predict:
    """Classifier-free guidance (Ho & Salimans, 2022): uncond + scale * (cond - uncond).

    Args:
        predict: gives two outputs for the latents: first without the prompt, then with it.
        rescale: how far the result's standard deviation goes back to that of cond, from 0 (not)
            to 1 (Lin et al., 2024, Eq. 15 and 16).
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
    """The network computes in `dtype`; schedulers and guidance always in float32."""

    def predict_in_precision(latents: Latents, timestep: Tensor) -> Outputs:
        torch.compiler.cudagraph_mark_step_begin()  # nobody holds results of the step before
        return predict(latents.to(dtype), timestep.to(latents.device)).float()

    return predict_in_precision


def denoise(
    predict: Predict, noise: Latents, scheduler, generator: torch.Generator
) -> Iterator[Step]:
    """Yields what is there after every step. Nothing is computed before it is asked for."""
    b = len(noise)
    latents = noise * scheduler.init_noise_sigma
    is_ddim = isinstance(scheduler, DDIMScheduler)
    arguments = {}
    if not isinstance(scheduler, UniPCMultistepScheduler):
        arguments["generator"] = generator
    for timestep in scheduler.timesteps:
        output = predict(scheduler.scale_model_input(latents, timestep), timestep)
        # Frames go through the scheduler as a batch, as in the authors' code: the order in which
        # noise is drawn is part of what a seed means.
        flat = (rearrange(x, "b c f h w -> (b f) c h w") for x in (output, latents))
        output, latents = (x.float() for x in flat)
        if is_ddim:
            # From pure noise on, rounding would take the root of less than nothing.
            is_pure_noise = scheduler.alphas_cumprod[timestep] == 0
            arguments["eta"] = ETA * (1 - 1e-6) if is_pure_noise else ETA
        stepped = scheduler.step(output, timestep, latents, **arguments)
        x0 = stepped.pred_original_sample if is_ddim else scheduler.model_outputs[-1]
        latents, x0 = (
            rearrange(x, "(b f) c h w -> b c f h w", b=b) for x in (stepped.prev_sample, x0)
        )
        yield Step(latents, x0)
