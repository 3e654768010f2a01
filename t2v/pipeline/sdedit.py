"""SDEdit (Meng et al., 2022): adds some noise to a video, and denoises it again.

The sampler is the refiner's, DPM-Solver++(2M) SDE (Lu et al., 2022, Algorithm 2 with noise). A step
has two parts, `predict_x0` and `step`, so that predictions of x0 can be blended in between.
"""

import math
from typing import Any

import numpy as np
import torch
from diffusers.schedulers import DDIMScheduler, DPMSolverMultistepScheduler
from jaxtyping import Float, Float64
from torch import Tensor

from t2v.pipeline.denoising import Latents, Predict
from t2v.settings.config import RefinerSettings


Sigmas = Float64[np.ndarray, " t"]  # sigma / alpha ("VE") at every training timestep

# Of MS-Vid2Vid-XL.
NUM_TRAIN_TIMESTEPS = 1000
MAX_LOGSNR = 15.0
# How many times larger the image is than the 64 pixels that the cosine was made for, at the last
# and at the first timestep (Hoogeboom et al., 2023, Eq. 6 and 7).
SHIFT_SCALES = (2.0, 4.0)


def training_sigmas(schedule: str, stack_schedule: dict[str, Any]) -> Sigmas:
    """The noise levels that the refiner was trained with.

    Args:
        schedule: "stack" for that of the base stack, or "logsnr_cosine_interp".
        stack_schedule: the base stack's, as arguments of a diffusers scheduler.
    """
    if schedule == "logsnr_cosine_interp":
        return logsnr_cosine_interp_sigmas()
    scheduler: Any = DDIMScheduler(**stack_schedule)
    alphas_cumprod = scheduler.alphas_cumprod.double().numpy()
    with np.errstate(divide="ignore"):  # without any signal the ratio is infinite
        return np.sqrt((1 - alphas_cumprod) / alphas_cumprod)


def logsnr_cosine_interp_sigmas() -> Sigmas:
    """The schedule of MS-Vid2Vid-XL: cosine in log-SNR with a growing shift, zero terminal SNR."""
    u = np.linspace(1, 0, NUM_TRAIN_TIMESTEPS)
    ends = np.arctan(np.exp([MAX_LOGSNR / 2, -MAX_LOGSNR / 2]))
    logsnr = -2 * np.log(np.tan(ends[0] + u * (ends[1] - ends[0])))
    shifts = -2 * np.log(SHIFT_SCALES)
    logsnr = logsnr + u * shifts[0] + (1 - u) * shifts[1]
    sigmas = np.sqrt(1 / (1 + np.exp(logsnr)))
    low, high = sigmas.min(), sigmas.max()
    sigmas = low + (1 - low) / (high - low) * (sigmas - low)
    with np.errstate(divide="ignore"):
        return sigmas / np.sqrt(1 - sigmas**2)


def trailing_timesteps(start: int, num_steps: int) -> Float64[np.ndarray, " steps"]:
    """Timesteps from `start` down in even steps, without the last before 0.

    The step to 0 removes the noise that it would see.
    """
    return start - np.arange(num_steps) * (start + 1) / (num_steps + 1)


def alpha_sigma(level: float) -> tuple[float, float]:
    """Scales of signal and noise with total variance 1, from their ratio sigma / alpha."""
    alpha = 1 / math.sqrt(1 + level**2)
    return alpha, level * alpha


class SDEditSampler:
    """Denoises a range of frames: `start`, then `predict_x0` and `step` for every step.

    The solver treats every frame separately. So ranges may be cut and joined between steps, if all
    their frames are at the same step and the arguments of `step` are cut and joined alike.
    """

    def __init__(self, settings: RefinerSettings, sigmas: Sigmas):
        timesteps = trailing_timesteps(settings.start_timestep, settings.num_inference_steps)
        known = np.flatnonzero(np.isfinite(sigmas))
        levels = np.exp(np.interp(timesteps, known, np.log(sigmas[known])))
        self.settings = settings
        self.timesteps = torch.from_numpy(timesteps.round()).long()
        # The network was trained at whole timesteps: its outputs are read at their noise levels.
        self._network_levels = sigmas[self.timesteps.numpy()].tolist()
        # diffusers' scheduler would interpolate sigma, not its logarithm, and at whole timesteps
        # only. So the noise levels are set here, and it does the arithmetic of the solver.
        solver: Any = DPMSolverMultistepScheduler(
            algorithm_type="sde-dpmsolver++", prediction_type="sample", final_sigmas_type="zero"
        )
        solver.set_timesteps(timesteps=self.timesteps.tolist())
        solver.set_begin_index(0)
        solver.sigmas = torch.from_numpy(np.append(levels, 0.0)).float()
        self._solver = solver

    @property
    def num_steps(self) -> int:
        """Denoising steps."""
        return len(self.timesteps)

    @property
    def sigmas(self) -> Float[Tensor, " levels"]:
        """Sigma / alpha before every step, and 0 after the last."""
        return self._solver.sigmas

    def start(self, encoded: Latents, noise: Latents) -> Latents:
        """Noises encoded frames to the first timestep."""
        alpha, sigma = alpha_sigma(float(self.sigmas[0]))
        latents = alpha * encoded + sigma * noise
        return sigma * latents if self.settings.scale_start else latents

    def predict_x0(self, predict: Predict, latents: Latents, step: int) -> Latents:
        """Predicts the clean latents from noisy ones."""
        output = predict(latents, self.timesteps[step]).float()
        alpha, sigma = alpha_sigma(self._network_levels[step])
        match self.settings.prediction_type:
            case "v_prediction":
                return alpha * latents - sigma * output
            case "epsilon":
                return (latents - sigma * output) / alpha
            case _:
                return output

    def step(self, x0: Latents, latents: Latents, step: int, noise: Latents | None) -> Latents:
        """Computes the latents after a step; the next step uses this `x0` as well.

        Args:
            noise: of unit variance; the last step needs none.
        """
        if noise is None:
            noise = torch.zeros_like(latents)
        return self._solver.step(
            x0, self.timesteps[step], latents, variance_noise=noise
        ).prev_sample
