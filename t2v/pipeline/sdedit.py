"""SDEdit (Meng et al., 2022): noise a video part of the way, and denoise it again.

The sampler is the refiner's, DPM-Solver++(2M) SDE (Lu et al., 2022, Algorithm 2 with noise). It is
cut in two, so that x0-predictions can be blended in between: `predict_x0`, then `step`.
"""

import math

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
from jaxtyping import Float, Float64
from torch import Tensor

from t2v.config import RefinerSettings
from t2v.pipeline.denoising import Latents, Predict


Sigmas = Float64[np.ndarray, " t"]  # sigma / alpha ("VE") at every training timestep


def training_sigmas(schedule: str, stack_schedule: dict) -> Sigmas:
    """The noise levels that the refiner was trained with.

    Args:
        schedule: "stack" for that of the base stack, or "logsnr_cosine_interp".
        stack_schedule: the base stack's, in diffusers' words.
    """
    if schedule == "logsnr_cosine_interp":
        return logsnr_cosine_interp_sigmas()
    alphas_cumprod = DDIMScheduler(**stack_schedule).alphas_cumprod.double().numpy()
    with np.errstate(divide="ignore"):  # no signal at all is infinite noise
        return np.sqrt((1 - alphas_cumprod) / alphas_cumprod)


def logsnr_cosine_interp_sigmas(
    num_timesteps: int = 1000, max_logsnr: float = 15.0, scales: tuple[float, float] = (2.0, 4.0)
) -> Sigmas:
    """The schedule of MS-Vid2Vid-XL: cosine in log-SNR, shifted ever more, zero terminal SNR.

    Args:
        scales: by how much the picture is larger than the 64 pixels that the cosine was made for,
            at the last and at the first timestep (Hoogeboom et al., 2023, Eq. 6 and 7).
    """
    u = np.linspace(1, 0, num_timesteps)
    ends = np.arctan(np.exp([max_logsnr / 2, -max_logsnr / 2]))
    logsnr = -2 * np.log(np.tan(ends[0] + u * (ends[1] - ends[0])))
    shifts = -2 * np.log(scales)
    logsnr = logsnr + u * shifts[0] + (1 - u) * shifts[1]
    sigmas = np.sqrt(1 / (1 + np.exp(logsnr)))
    low, high = sigmas.min(), sigmas.max()
    sigmas = low + (1 - low) / (high - low) * (sigmas - low)
    with np.errstate(divide="ignore"):
        return sigmas / np.sqrt(1 - sigmas**2)


def trailing_timesteps(start: int, num_steps: int) -> Float64[np.ndarray, " steps"]:
    """From `start` down in even steps. The last one, nearest to 0, is left out: it sees no noise
    that the step to 0 would not take away as well."""
    return start - np.arange(num_steps) * (start + 1) / (num_steps + 1)


def alpha_sigma(level: float) -> tuple[float, float]:
    """How much signal and how much noise has variance 1 together, and sigma / alpha as given."""
    alpha = 1 / math.sqrt(1 + level**2)
    return alpha, level * alpha


class SDEditSampler:
    """Denoises one piece of video: `start`, then `predict_x0` and `step` for every step.

    Frames do not meet here: a piece may be cut or joined freely, if all its frames are at the same
    step and what `step` is given is cut or joined in the same way.
    """

    def __init__(self, settings: RefinerSettings, sigmas: Sigmas):
        timesteps = trailing_timesteps(settings.start_timestep, settings.num_inference_steps)
        known = np.flatnonzero(np.isfinite(sigmas))
        levels = np.exp(np.interp(timesteps, known, np.log(sigmas[known])))
        self.settings = settings
        self.timesteps = torch.from_numpy(timesteps.round()).long()
        # The network knows whole timesteps only: its outputs mean what they meant in training.
        self._network_levels = sigmas[self.timesteps.numpy()].tolist()
        # diffusers' scheduler interpolates sigma, not its logarithm, and at whole timesteps only:
        # it is given the levels, and does the arithmetic of the solver.
        self._solver = DPMSolverMultistepScheduler(
            algorithm_type="sde-dpmsolver++", prediction_type="sample", final_sigmas_type="zero"
        )
        self._solver.set_timesteps(timesteps=self.timesteps.tolist())
        self._solver.set_begin_index(0)
        self._solver.sigmas = torch.from_numpy(np.append(levels, 0.0)).float()

    @property
    def num_steps(self) -> int:
        return len(self.timesteps)

    @property
    def sigmas(self) -> Float[Tensor, " levels"]:
        """Sigma / alpha before every step, and 0 after the last."""
        return self._solver.sigmas

    def start(self, encoded: Latents, noise: Latents) -> Latents:
        """Frames noised to the first timestep."""
        alpha, sigma = alpha_sigma(float(self.sigmas[0]))
        latents = alpha * encoded + sigma * noise
        return sigma * latents if self.settings.scale_start else latents

    def predict_x0(self, predict: Predict, latents: Latents, step: int) -> Latents:
        """The clean latents that the network sees in noisy ones."""
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
        """Latents after the step. It remembers `x0` for the next one.

        Args:
            noise: of unit variance; the last step needs none.
        """
        if noise is None:
            noise = torch.zeros_like(latents)
        return self._solver.step(
            x0, self.timesteps[step], latents, variance_noise=noise
        ).prev_sample
