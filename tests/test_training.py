"""Two steps of every stage, on one network a stage; the recipe from nothing to a video."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from t2v.checkpoints import load_weights
from t2v.events import Chunk
from t2v.models.autoencoder import to_pixels
from t2v.pipeline.anchor import embed_anchor
from t2v.pipeline.denoising import guided, make_scheduler
from t2v.pipeline.stack import load_stack
from t2v.pipeline.streaming_t2v import prepare_conditions, stream
from t2v.presets import Preset, list_presets
from t2v.training import (
    autoencoder,
    clips,
    diffusion,
    distillation,
    encoders,
    loop,
    probe,
    recipe,
    refiner,
)
from t2v.training.clips import Teachers
from t2v.training.probe import Probe, ProbeStage
from t2v.training.recipe import STEPS, num_training_processes, training_steps


@pytest.fixture(scope="module")
def stack():
    return load_stack(list_presets()["shapes"], "cpu")


def teachers_of(stack) -> Teachers:
    return Teachers(stack.autoencoder, stack.text_encoder, stack.image_encoder, torch.device("cpu"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder after two steps of every stage, with batches and sheets as small as they get."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(autoencoder, "BATCH", 2)
        patch.setattr(autoencoder, "NUM_STATISTICS_FRAMES", 8)
        patch.setattr(encoders, "BATCH", 3)
        patch.setattr(probe, "BATCH", 4)
        patch.setattr(recipe, "recall", partial(encoders.recall, count=5))
        patch.setattr(recipe, "accuracy", partial(probe.accuracy, count=9))
        patch.setattr(diffusion.ImagesStage, "batch_size", 2)
        patch.setattr(diffusion.ClipsStage, "batch_size", 2)
        patch.setattr(diffusion.ClipsStage, "image_batch_size", 2)
        patch.setattr(refiner.RefinerStage, "batch_size", 2)
        patch.setattr(refiner, "SHEET_SCENES", 1)
        for stage in (diffusion.MemoryStage, diffusion.WorldStage, distillation.GuidanceStage):
            patch.setattr(stage, "image_batch", 2)
            patch.setattr(stage, "first_batch", 1)
            patch.setattr(stage, "later_batch", 2)
        patch.setattr(diffusion, "SHEET_CAPTIONS", diffusion.SHEET_CAPTIONS[:6])
        patch.setattr(
            diffusion, "make_scheduler", lambda name, schedule, _: make_scheduler(name, schedule, 1)
        )
        patch.setattr(loop, "LOG_STEPS", 1)
        # From nothing: no weights are there yet.
        patch.setattr(Preset, "unavailable", property(lambda self: "nothing is bundled"))
        steps = dict.fromkeys(STEPS, 2)
        recipe.train(folder / "weights", folder / "work", steps, 1, until=list(STEPS)[-1])
    return folder


@pytest.fixture(scope="module")
def preset(trained):
    return replace(list_presets()["shapes"], weights=str(trained / "weights"))


@pytest.mark.parametrize("stage", STEPS)
def test_two_steps_of_every_stage_run(trained, stage):
    log = [json.loads(line) for line in (trained / f"work/{stage}.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [1, 2]
    assert all(np.isfinite(entry["loss"]) for entry in log)
    assert (trained / f"work/{stage}.png").is_file()


def test_the_exported_folder_loads_and_streams(preset):
    stack = load_stack(preset)
    config = preset.config(prompt="a red star", num_chunks=2, num_inference_steps=1)
    chunks = [event.frames for event in stream(stack, config) if isinstance(event, Chunk)]
    assert [frames.shape for frames in chunks] == [(16, 64, 64, 3), (8, 64, 64, 3)]


def test_the_exported_probe_loads(preset):
    load_weights(Probe(), preset.weights_folder / "probe")


def test_latents_of_the_exported_autoencoder_are_standard(preset):
    stack = load_stack(preset)
    frames = autoencoder.random_frames(np.random.default_rng(2), 8)
    latents = stack.autoencoder.encode(frames[:, None])
    assert latents.mean(dim=(0, 2, 3, 4)).abs().max() < 0.05
    assert (latents.std(dim=(0, 2, 3, 4)) - 1).abs().max() < 0.05


def test_quality_is_written_beside_the_weights(trained):
    quality = json.loads((trained / "weights/quality.json").read_text())
    assert quality["autoencoder"]["psnr_db"] > 0
    assert set(quality["encoders"]) == {"text", "frame"}
    assert 0 <= quality["probe"]["colour"] <= 1


def test_no_exported_file_is_too_large_for_a_file_host(trained):
    files = [path for path in (trained / "weights").rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) <= 16 * 2**20 + 64 * 1024
    assert sum(path.stat().st_size for path in files) < 60e6


def test_the_loss_of_the_probe_falls_on_one_batch():
    torch.manual_seed(0)
    stage = ProbeStage(8, torch.device("cpu"))
    batch = stage.draw(np.random.default_rng(0), share=1 / 8)
    optimiser = torch.optim.Adam(stage.model.parameters(), 2e-3)
    losses = []
    for _ in range(8):
        loss = stage.losses(batch)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(("has_gpu", "times"), [(True, 1), (False, 2)])
def test_cpus_take_more_steps_of_smaller_batches(monkeypatch, has_gpu, times):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    steps, until = training_steps(["cam=7", "probe=3"], None)
    assert (steps["cam"], steps["probe"], until) == (7, 3, "probe")
    assert steps["world"] == times * STEPS["world"]
    assert steps["encoders"] == STEPS["encoders"]


def test_in_the_whole_world_single_frames_are_those_that_begin_a_video(stack):
    rng = np.random.default_rng(0)
    lasts = {diffusion.ApmStage: 15, diffusion.WorldStage: 0, distillation.GuidanceStage: 0}
    for stage, last in lasts.items():
        images, *_ = stage(diffusion.Denoiser(), teachers_of(stack), 1).draw(rng, share=4.0)
        assert images.numbers.max() == last


def test_distilled_guidance_is_the_guidance_of_the_pipeline(stack):
    """Other texts, other null anchors or another scale would teach what nobody asked for."""
    preset, teachers = list_presets()["shapes"], teachers_of(stack)
    denoiser = diffusion.Denoiser()
    for name in ("unet", "extractor", "anchor_tokens"):
        getattr(denoiser, name).load_state_dict(getattr(stack, name).state_dict())
    stage = distillation.GuidanceStage(denoiser, teachers, 1)

    frames = np.random.default_rng(4).integers(0, 255, (8, 64, 64, 3), np.uint8)
    latents, timesteps = torch.randn(1, 12, 16, 8, 8), torch.tensor([613])
    scale = distillation.GUIDANCE_SCALE
    config = preset.config(prompt="a red star moving left", guidance_scale=scale)
    prompts = stack.text_encoder.encode(["", config.prompt])
    with torch.inference_mode():
        tokens = embed_anchor(stack, config, frames[3])
        conditions = prepare_conditions(stack, config, prompts, tokens)
        pixels = to_pixels(torch.from_numpy(frames)[None])
        encoded = stack.extractor.encode_frames(pixels)

        def predict(latents, timestep):
            cam = stack.extractor(latents, timestep, conditions.cam_text, encoded)
            return stack.unet(latents, timestep, conditions.text, cam)

        expected = guided(predict, scale)(latents, timesteps)
        target = stage.target(
            torch.zeros_like(latents),
            latents,
            timesteps,
            prompts[1:],
            {"cond_frames": pixels, "anchor_embeds": stack.image_encoder(pixels[:, 3])},
        )
    assert torch.allclose(target, expected, atol=1e-4)
    assert (target - predict(latents, timesteps)[1:]).abs().max() > 0.1


def test_a_window_of_a_return_hides_the_object_first():
    for seed in range(5):
        scene, start = clips.sample_window(np.random.default_rng(seed), is_return=True)
        assert scene.hidden(np.arange(start, start + 8.0)).all()


@pytest.mark.parametrize("asked", [1, 3, 4])
def test_as_many_processes_train_as_were_asked_for(asked):
    assert num_training_processes(asked) == asked


def test_many_cores_do_not_make_batches_empty(monkeypatch):
    """The smallest batch has 4 clips: shared by 64 processes nobody got one."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    smallest = refiner.RefinerStage.batch_size
    assert smallest // num_training_processes(None) >= 1
