"""The authors' refiner, run once with a toy network, said what must come out of every part."""

import pytest
import torch

from t2v.pipeline.denoising import guided
from t2v.pipeline.sdedit import SDEditSampler, alpha_sigma, training_sigmas
from t2v.pipeline.window_denoising import Denoising, Done, denoise_jointly
from t2v.pipeline.windows import Window, blend
from t2v.settings.config import RefinerSettings


NUM_FRAMES, CHUNK_FRAMES, OVERLAP = 40, 24, 8
SETTINGS = RefinerSettings(
    frame_size=(720, 720),
    display_size=(720, 720),
    num_inference_steps=30,
    start_timestep=599,
    guidance_scale=7.5,
    guidance_rescale=0.2,
    schedule="logsnr_cosine_interp",
    cut_rule="authors",
    scale_start=True,
)
SIGMAS = training_sigmas("logsnr_cosine_interp", {})
WHOLE = Window(0, 0, 0, 0, NUM_FRAMES, is_last=True)
WINDOWS = [Window(0, 0, 0, 0, 24, is_last=False), Window(1, 16, 16, 24, 40, is_last=True)]


@pytest.fixture(scope="module")
def io(goldens):
    facts = goldens.facts["blending"]
    assert (facts["N"], facts["C"], facts["O"]) == (NUM_FRAMES, CHUNK_FRAMES, OVERLAP)
    return goldens.tensors("blending")


def assert_close(actual, expected, atol=1e-4):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


def toy(io):
    """The recorded run's network: linear in x, and every frame feels the mean of its chunk."""

    def predict(latents, timestep):
        y = torch.tensor([-0.5, 1.0]).view(2, 1, 1, 1, 1)
        h = torch.einsum("dc,bcfhw->bdfhw", io["toy/A"], latents)
        h = h + io["toy/P"] * y + 0.1 * torch.cos(timestep / 100)
        return torch.tanh(h + 0.5 * latents.mean(dim=2, keepdim=True))

    return guided(predict, SETTINGS.guidance_scale, SETTINGS.guidance_rescale)


def recorded(io):
    """The recorded run's randomness."""

    def noise(window, step=None):
        frames = io["in/noise"] if step is None else io["step_noise"][step]
        return frames[:, :, window.start : window.stop]

    def cut(window, step):
        return int(io["offsets"][step])

    return {"noise": noise, "cuts": cut}


def test_noise_schedule(io):
    sigmas = torch.from_numpy(SIGMAS)
    assert_close((sigmas / (1 + sigmas**2).sqrt())[:-1].float(), io["schedule/sigmas_vp"][:-1])
    assert sigmas[-1] == torch.inf


def test_sampler_levels(io):
    sampler = SDEditSampler(SETTINGS, SIGMAS)
    assert sampler.timesteps.tolist() == io["schedule/model_timesteps"].tolist()
    assert_close(sampler.sigmas, io["schedule/sampler_sigmas_ve"])


def test_noised_start(io):
    sampler = SDEditSampler(SETTINGS, SIGMAS)
    _, sigma = alpha_sigma(float(sampler.sigmas[0]))
    assert_close(sampler.start(io["in/z0"], io["in/noise"]) / sigma, io["in/xt"])
    assert_close(sampler.start(io["in/z0"], io["in/noise"]), io["step0/model_input"])


def test_guided_prediction(io):
    sampler = SDEditSampler(SETTINGS, SIGMAS)
    assert_close(sampler.predict_x0(toy(io), io["denoise/x"], 0), io["denoise/x0"])


@pytest.mark.parametrize("cut", [0, 3, 7])
def test_blending(io, cut):
    blended = blend(io["blend/x_L"], io["blend/x_R"], OVERLAP, cut)
    assert torch.equal(blended, io[f"blend/out_r{cut}"])


@pytest.mark.parametrize("step", [0, 1, 2, 29])
def test_blended_prediction(io, step):
    sampler = SDEditSampler(SETTINGS, SIGMAS)
    latents, x0 = io[f"step{step}/model_input"], None
    for window in WINDOWS:
        own = sampler.predict_x0(toy(io), latents[:, :, window.start : window.stop], step)
        x0 = window.append(x0, own, recorded(io)["cuts"](window, step))
    assert_close(x0, io[f"step{step}/x0_blended"])


def test_solver_steps(io):
    sampler = SDEditSampler(SETTINGS, SIGMAS)
    for step in (0, 1):
        latents = sampler.step(
            io[f"step{step}/x0_blended"],
            io[f"step{step}/model_input"],
            step,
            io["step_noise"][step],
        )
        assert_close(latents, io[f"step{step + 1}/model_input"])


def test_whole_joint_refinement(io):
    denoising = Denoising(
        predict_in=lambda window: toy(io),
        device=torch.device("cpu"),
        settings=SETTINGS,
        sigmas=SIGMAS,
        **recorded(io),
    )
    encoded = io["in/z0"]
    windows = [(window, encoded[:, :, window.start : window.stop]) for window in WINDOWS]
    done = [x.latents for x in denoise_jointly(denoising, windows) if isinstance(x, Done)]
    assert_close(torch.cat(done, dim=2), io["out"], atol=1e-3)
