"""Noise a part of the way and back, at any number of steps, from any timestep."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from t2v.pipeline.sdedit import SDEditSampler, alpha_sigma, trailing_timesteps, training_sigmas
from t2v.training.networks import SCHEDULE
from tests.support.small_refiner import SETTINGS


SCHEDULES = {
    "stack": training_sigmas("stack", SCHEDULE),
    "logsnr_cosine_interp": training_sigmas("logsnr_cosine_interp", {}),
}
SHAPE = (1, 5, 6, 3, 7)


def noise(seed=0):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def new_sampler(schedule="stack", **settings):
    return SDEditSampler(replace(SETTINGS, **settings), SCHEDULES[schedule])


def knows(clean, schedule, prediction_type):
    """A network that sees through all noise."""

    def predict(latents, timestep):
        alpha, sigma = alpha_sigma(float(SCHEDULES[schedule][timestep]))
        eps = (latents - alpha * clean) / sigma
        outputs = {
            "v_prediction": alpha * eps - sigma * clean,
            "epsilon": eps,
            "sample": clean,
        }
        return outputs[prediction_type]

    return predict


@pytest.mark.parametrize("prediction_type", ["v_prediction", "epsilon", "sample"])
@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("num_steps, start", [(1, 599), (2, 998), (8, 600), (30, 599), (3, 3)])
def test_a_perfect_network_gives_the_answer(schedule, prediction_type, num_steps, start):
    sampler = new_sampler(
        schedule,
        prediction_type=prediction_type,
        num_inference_steps=num_steps,
        start_timestep=start,
    )
    clean = noise(seed=1)
    predict = knows(clean, schedule, prediction_type)
    latents = sampler.start(torch.zeros(SHAPE), noise())
    for step in range(sampler.num_steps):
        x0 = sampler.predict_x0(predict, latents, step)
        is_last = step == num_steps - 1
        latents = sampler.step(x0, latents, step, None if is_last else noise(seed=2 + step))
    torch.testing.assert_close(latents, clean, atol=2e-3, rtol=0)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_latents_have_the_level_of_noise_that_the_step_expects(schedule):
    """With frames of zeros all that is left at every step is noise, of known variance."""
    sampler = new_sampler(schedule, num_inference_steps=9, start_timestep=599)
    latents = sampler.start(torch.zeros(SHAPE), noise())
    for step in range(8):
        _, sigma = alpha_sigma(float(sampler.sigmas[step]))
        assert latents.std().item() == pytest.approx(sigma, rel=0.15)
        latents = sampler.step(torch.zeros(SHAPE), latents, step, noise(seed=2 + step))


def test_less_noise_keeps_more_of_a_frame():
    frames = torch.ones(SHAPE)
    kept = [new_sampler(start_timestep=t).start(frames, noise()).mean() for t in (100, 400, 800)]
    assert kept[0] > kept[1] > kept[2] > 0


def test_the_authors_start_is_scaled_by_its_own_noise():
    plain = new_sampler().start(torch.ones(SHAPE), noise())
    scaled = new_sampler(scale_start=True).start(torch.ones(SHAPE), noise())
    _, sigma = alpha_sigma(float(new_sampler().sigmas[0]))
    torch.testing.assert_close(scaled, sigma * plain)


@pytest.mark.parametrize("start, num_steps", [(1, 1), (500, 1), (500, 500), (599, 30), (998, 500)])
def test_timesteps_fall_evenly_from_the_start_and_stay_above_zero(start, num_steps):
    timesteps = trailing_timesteps(start, num_steps)
    assert len(timesteps) == num_steps
    assert timesteps[0] == start
    assert timesteps[-1] > 0
    assert np.unique(np.diff(timesteps).round(9)).size <= 1


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_noise_grows_with_the_timestep_up_to_pure_noise(schedule):
    sigmas = SCHEDULES[schedule]
    assert len(sigmas) == 1000
    assert (np.diff(sigmas[:999]) > 0).all()
    assert sigmas[-1] > 100
