import itertools

import pytest
import torch

from t2v.pipeline.denoising import denoise, guided, make_scheduler, noise_generator
from t2v.settings.config import SCHEDULERS, SETTINGS
from t2v.training.networks import SCHEDULE


PAPER_SCHEDULE = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "steps_offset": 1,
    "set_alpha_to_one": False,
}
MOST_STEPS = SETTINGS["num_inference_steps"].range[1]
SHAPE = (2, 3, 5, 7, 11)


def noise(seed=0):
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed))


def knows(clean, scheduler):
    """A model that sees through all noise: predicts v, or the noise, of the clean latents."""

    def predict(latents, timestep):
        alpha = scheduler.alphas_cumprod[timestep.int()]
        eps = (latents - alpha.sqrt() * clean) / (1 - alpha).sqrt()
        if scheduler.config.prediction_type == "epsilon":
            return eps
        return alpha.sqrt() * eps - (1 - alpha).sqrt() * clean

    return predict


@pytest.mark.parametrize(
    "schedule, num_steps",
    [
        *[pytest.param(SCHEDULE, n, id=f"shapes-{n}") for n in (1, 2, 13, MOST_STEPS)],
        # One step of the paper's schedule begins at timestep 1, where nothing can be mended.
        *[pytest.param(PAPER_SCHEDULE, n, id=f"paper-{n}") for n in (2, 13, MOST_STEPS)],
    ],
)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_perfect_model_gives_the_answer(name, schedule, num_steps):
    scheduler = make_scheduler(name, schedule, num_steps)
    clean = noise(seed=1)
    steps = denoise(knows(clean, scheduler), noise(), scheduler, torch.Generator())
    *before, last = steps
    assert len(before) == num_steps - 1
    torch.testing.assert_close(last.latents, clean, atol=0.2, rtol=0)


def test_ddim_starts_from_pure_noise_with_any_number_of_steps():
    clean = noise(seed=1)
    for num_steps in range(1, 101):
        scheduler = make_scheduler("ddim", SCHEDULE, num_steps)
        steps = denoise(knows(clean, scheduler), noise(), scheduler, torch.Generator())
        assert next(steps).latents.isfinite().all(), num_steps


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_step_yields_the_predicted_x0(name):
    scheduler = make_scheduler(name, SCHEDULE, 5)
    clean = noise(seed=1)
    for step in denoise(knows(clean, scheduler), noise(), scheduler, torch.Generator()):
        torch.testing.assert_close(step.x0, clean, atol=1e-2, rtol=0)


@pytest.mark.parametrize(
    "name, is_random", [("ddim", True), ("dpmsolver++", True), ("unipc", False)]
)
def test_noise_of_steps_comes_from_the_generator_alone(name, is_random):
    def last_but_one(generator_seed, global_seed):
        torch.manual_seed(global_seed)
        scheduler = make_scheduler(name, SCHEDULE, 4)
        generator = torch.Generator().manual_seed(generator_seed)
        steps = denoise(knows(noise(seed=1), scheduler), noise(), scheduler, generator)
        return list(steps)[-2].latents

    assert torch.equal(last_but_one(5, global_seed=0), last_but_one(5, global_seed=1))
    assert torch.equal(last_but_one(5, global_seed=0), last_but_one(6, global_seed=0)) != is_random


def test_a_step_is_computed_only_when_asked_for():
    calls = []
    scheduler = make_scheduler("ddim", SCHEDULE, 6)
    predict = knows(noise(seed=1), scheduler)
    steps = denoise(
        lambda *inputs: calls.append(inputs) or predict(*inputs),
        noise(),
        scheduler,
        torch.Generator(),
    )
    assert not calls
    next(steps)
    assert len(calls) == 1


def test_guidance_goes_from_the_first_prediction_through_the_second():
    uncond, cond = noise(seed=1), noise(seed=2)
    predict = guided(lambda latents, timestep: torch.cat([uncond, cond]), 2.5)
    expected = uncond + 2.5 * (cond - uncond)
    torch.testing.assert_close(predict(noise(), torch.tensor(7)), expected)


def test_guidance_scale_1_calls_the_network_once():
    batches = []
    predict = guided(lambda latents, timestep: batches.append(latents) or latents, 1.0)
    predict(noise(), torch.tensor(7))
    [latents] = batches
    assert torch.equal(latents, noise())


def test_every_seed_stage_and_chunk_has_its_own_noise():
    places = itertools.product((0, 1, 2**32 - 1), ("initialization", "streaming_t2v"), (0, 1, 12))
    first_draws = [torch.rand(1, generator=noise_generator(*place)).item() for place in places]
    assert len(set(first_draws)) == len(first_draws)


def test_noise_of_a_chunk_does_not_depend_on_other_chunks():
    a, b = (noise_generator(33, "streaming_t2v", 4) for _ in range(2))
    torch.rand(9, generator=noise_generator(33, "streaming_t2v", 3))
    assert torch.equal(torch.rand(5, generator=a), torch.rand(5, generator=b))


def test_rescaling_gives_guided_outputs_the_contrast_of_unguided_ones():
    uncond, cond = noise(1), noise(2)

    def output_of(rescale):
        predict = guided(lambda *_: torch.cat([uncond[:1], cond[:1]]), 7.5, rescale)
        return predict(noise()[:1], torch.tensor(5))

    plain = output_of(0.0)
    torch.testing.assert_close(output_of(1.0).std(), cond[:1].std())
    torch.testing.assert_close(output_of(1.0) / output_of(1.0).std(), plain / plain.std())
    torch.testing.assert_close(output_of(0.2), 0.2 * output_of(1.0) + 0.8 * plain)


def test_details_give_a_chunk_several_different_draws():
    names = [(), (1,), (2,), ("cut", 1), ("start",)]
    draws = [torch.rand(1, generator=noise_generator(3, "refinement", 2, *n)).item() for n in names]
    assert len(set(draws)) == len(names)
