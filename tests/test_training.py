"""Two steps of every stage, and the whole recipe from untrained networks to a video."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from t2v.cli import main
from t2v.errors import ConfigError
from t2v.events import Chunk
from t2v.models.autoencoder import to_pixels
from t2v.models.checkpoints import load_weights, read_weights
from t2v.pipeline.conditioning import embed_anchor, prepare_conditions
from t2v.pipeline.denoising import guided
from t2v.pipeline.loading import load_stack
from t2v.pipeline.refiner_loading import load_refiner
from t2v.pipeline.streaming_t2v import stream
from t2v.resources import bundled
from t2v.settings.presets import list_presets
from t2v.training import (
    autoencoder,
    clips,
    distillation,
    memory_stages,
    processes,
    recipe,
    refiner,
)
from t2v.training.base_stages import HELD_OUT_SCENES, ImagesStage, image_adherence
from t2v.training.clips import FrozenEncoders
from t2v.training.denoiser import Denoiser
from t2v.training.diffusion import Noised
from t2v.training.probe import Probe, ProbeStage
from t2v.training.processes import num_training_processes
from t2v.training.recipe import STEPS, training_steps
from t2v.training.warm_start import start_from, weights_of
from t2v.worlds import find_world, world_of
from tests.support.small_batches import make_batches_small


WORLD = find_world("shapes")


@pytest.fixture(scope="module")
def stack():
    return load_stack(list_presets()["shapes"], "cpu")


def encoders_of(stack) -> FrozenEncoders:
    return FrozenEncoders(
        stack.autoencoder, stack.text_encoder, stack.image_encoder, torch.device("cpu"), WORLD
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder after two steps of every stage, with batches and sheets as small as they get."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        make_batches_small(patch)
        steps = dict.fromkeys(STEPS, 2)
        training = recipe.Training(
            world="shapes",
            out=folder / "weights",
            work=folder / "work",
            steps=steps,
            until=list(STEPS)[-1],
        )
        processes.train(training, num_processes=1)
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


def test_exported_weights_name_their_world(preset):
    assert world_of(preset.weights_folder) is WORLD


def test_the_exported_probe_loads(preset):
    load_weights(Probe(WORLD), preset.weights_folder / "probe")


def test_latents_of_the_exported_autoencoder_are_standard(preset):
    stack = load_stack(preset)
    frames, _ = autoencoder.random_frames(WORLD, np.random.default_rng(2), 8)
    latents = stack.autoencoder.encode(frames[:, None])
    assert latents.mean(dim=(0, 2, 3, 4)).abs().max() < 0.05
    assert (latents.std(dim=(0, 2, 3, 4)) - 1).abs().max() < 0.05


def test_quality_is_written_next_to_the_weights(trained):
    quality = json.loads((trained / "weights/quality.json").read_text())
    assert set(quality["autoencoder"]) == {"psnr_db", "object_psnr_db"}
    assert quality["autoencoder"]["psnr_db"] > 0
    assert set(quality["encoders"]) == {"text", "frame"}
    assert 0 <= quality["probe"]["colour"] <= 1
    assert 0 <= quality["probe_on_decoded"]["colour"] <= 1


def test_no_exported_file_is_too_large_for_a_file_host(trained):
    files = [path for path in (trained / "weights").rglob("*") if path.is_file()]
    assert max(path.stat().st_size for path in files) <= 16 * 2**20 + 64 * 1024
    assert sum(path.stat().st_size for path in files) < 60e6


def test_the_loss_of_the_probe_falls_on_one_batch():
    torch.manual_seed(0)
    stage = ProbeStage(WORLD, 8, torch.device("cpu"))
    batch = stage.draw(np.random.default_rng(0), batch_scale=1 / 8)
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
    assert (steps["cam"], steps["probe"], until) == (7, 3, "refiner")
    assert steps["world"] == times * STEPS["world"]
    assert steps["encoders"] == STEPS["encoders"]


def test_image_batches_of_the_world_stage_have_frame_zero_only(stack):
    rng = np.random.default_rng(0)
    lasts = {memory_stages.ApmStage: 15, memory_stages.WorldStage: 0, distillation.GuidanceStage: 0}
    for stage, last in lasts.items():
        images, *_ = stage(Denoiser(WORLD), encoders_of(stack), 1).draw(rng, batch_scale=4.0)
        assert images.numbers.max() == last


def test_distillation_target_equals_guidance_of_the_pipeline(stack):
    """With other texts, another null anchor or another scale, the target would differ."""
    preset, encoders = list_presets()["shapes"], encoders_of(stack)
    denoiser = Denoiser(WORLD)
    for name in ("unet", "extractor", "anchor_tokens"):
        getattr(denoiser, name).load_state_dict(getattr(stack, name).state_dict())
    stage = distillation.GuidanceStage(denoiser, encoders, 1)

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
        memories = {"cond_frames": pixels, "anchor_embeds": stack.image_encoder(pixels[:, 3])}
        velocity = torch.zeros_like(latents)
        target = stage.target(Noised(latents, timesteps, prompts[1:], memories, velocity))
    assert torch.allclose(target, expected, atol=1e-4)
    assert (target - predict(latents, timesteps)[1:]).abs().max() > 0.1


def test_a_return_window_starts_with_8_hidden_frames():
    for seed in range(5):
        scene, start = clips.sample_window(
            np.random.default_rng(seed), WORLD.sample, is_return=True
        )
        assert scene.hidden(np.arange(start, start + 8.0)).all()


@pytest.mark.parametrize("requested", [1, 3, 4])
def test_requested_number_of_processes_train(requested):
    assert num_training_processes(requested) == requested


def test_many_cores_do_not_make_batches_empty(monkeypatch):
    """The smallest batch has 4 clips: of 64 processes, most would get none."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr("os.cpu_count", lambda: 64)
    smallest = refiner.RefinerStage.batch_size
    assert smallest // num_training_processes(None) >= 1


def test_a_warm_start_takes_over_every_layer_of_the_same_size(stack):
    denoiser = Denoiser(find_world("storybook"))
    first_layer = denoiser.unet.conv_in.weight.clone()
    share = start_from(denoiser, weights_of(stack))
    assert 0.99 < share < 1
    assert torch.equal(denoiser.unet.conv_in.weight, first_layer)  # for 16 channels, not 12
    for name, parameter in stack.unet.named_parameters():
        if "conv_in" not in name and "conv_out" not in name:
            assert torch.equal(parameter, denoiser.unet.get_parameter(name)), name
    assert start_from(Denoiser(WORLD), weights_of(stack)) == 1


def test_a_refiner_begins_with_that_of_the_other_world(tmp_path, monkeypatch):
    """All layers but the two that touch latents of another number of channels."""
    stages = []

    def run_stage(stage, *_):
        stages.append(stage)
        return stage.model

    monkeypatch.setattr(recipe, "run_stage", run_stage)
    world = find_world("storybook")
    training = recipe.Training(
        world="storybook", out=tmp_path, work=tmp_path, steps=STEPS, until="refiner",
        start_from="shapes", trained=bundled() / "assets" / "storybook",
    )  # fmt: skip
    one = recipe.Recipe(training, world, torch.device("cpu"), 1)
    autoencoder = one._train_autoencoder()
    clip = one._train_encoders()
    one._train_refiner(
        FrozenEncoders(autoencoder, clip.text, clip.image, torch.device("cpu"), world)
    )
    [stage] = stages
    trained = load_refiner(list_presets()["shapes"], "cpu").unet.state_dict()
    differing = {
        name
        for name, tensor in stage.model.state_dict().items()
        if tensor.shape != trained[name].shape or not torch.equal(tensor, trained[name])
    }
    assert differing == {"conv_in.weight", "conv_out.weight", "conv_out.bias"}


def test_a_denoiser_that_begins_with_trained_weights_leaves_stages_out(tmp_path, capsys):
    names = ["images", "clips", "cam", "apm", "world", "guidance"]
    steps, _ = training_steps([f"{name}=0" for name in names], None)
    assert [steps[name] for name in names] == [0] * 6
    with pytest.raises(ConfigError, match=f"N may be 0 for {', '.join(names)}; got 'probe=0'"):
        training_steps(["probe=0"], None)
    words = ["train", "--out", str(tmp_path), "--work", str(tmp_path), "--steps", "images=0"]
    assert main([*words, "cam=0"]) == 2
    assert "images=0 cam=0 needs --start-from with a preset" in capsys.readouterr().err
    others = (["--start-from", "shapes"], ["--start-from", "shapes", "--world", "storybook"])
    for more in others:
        assert main([*words, *more]) == 2
        assert "images=0 needs --start-from with a preset of the same" in capsys.readouterr().err


def test_a_denoiser_that_has_learnt_all_is_exported_as_it_was(tmp_path):
    """So a refiner can be trained alone."""
    weights = bundled() / "assets" / "shapes"
    denoiser_stages = dict.fromkeys(("images", "clips", "cam", "apm", "world", "guidance"), 0)
    training = recipe.Training(
        world="shapes", out=tmp_path / "out", work=tmp_path / "work",
        steps=STEPS | denoiser_stages, until="guidance", start_from="shapes", trained=weights,
    )  # fmt: skip
    processes.train(training, num_processes=1)
    assert not training.work.exists()
    for name in ("unet", "extractor", "anchor_tokens"):
        old, new = (read_weights(root / name) for root in (weights, training.out))
        assert old.keys() == new.keys()
        for key, weight in old.items():
            error = (new[key].float() - weight.float()).abs().max()
            assert error <= 0.005 * weight.float().abs().max(), key


def test_adherence_of_images_is_right_where_the_drawn_image_is_the_scene(stack, monkeypatch):
    probe = Probe(WORLD)
    load_weights(probe, bundled() / "assets" / "shapes" / "probe")
    stage = ImagesStage(Denoiser(WORLD), encoders_of(stack), 1)
    rng = np.random.default_rng(HELD_OUT_SCENES)
    scenes = {scene.caption: scene for scene in (stage.new_scene(rng) for _ in range(40))}

    def render(_, captions, num_frames):
        drawn = WORLD.draw([scenes[caption] for caption in captions], np.zeros((len(captions), 1)))
        return drawn.numpy()

    monkeypatch.setattr(stage, "sample", render)
    shares = image_adherence(stage, stage.model, probe.eval(), count=40)
    assert shares.keys() == set(WORLD.measured)
    assert min(shares.values()) > 0.9
    monkeypatch.setattr(
        stage, "sample", lambda *args, **rest: render(*args, **rest)[:, :, ::-1] * 0
    )
    assert image_adherence(stage, stage.model, probe, count=40)["colour"] < 0.5


@pytest.mark.parametrize(
    "batches, num_processes, batch_scale", [(None, 1, 1), (None, 2, 0.5), (2, 2, 1), (3, 2, 1.5)]
)
def test_processes_share_the_batches_of_a_step(
    tmp_path, monkeypatch, batches, num_processes, batch_scale
):
    scales = []

    def run_stage(stage, folder, device, seed, scale):
        scales.append(scale)
        return stage.model

    monkeypatch.setattr(recipe, "run_stage", run_stage)
    training = recipe.Training(
        world="shapes",
        out=tmp_path,
        work=tmp_path,
        steps=STEPS,
        until="autoencoder",
        batches=batches,
    )
    one = recipe.Recipe(training, WORLD, torch.device("cpu"), num_processes)
    one._run(ProbeStage(WORLD, 1, torch.device("cpu")))
    assert scales == [batch_scale]


def test_what_is_trained_already_is_taken_as_it_is(tmp_path):
    folder = bundled() / "assets" / "storybook"
    training = recipe.Training(
        world="storybook",
        out=tmp_path / "out",
        work=tmp_path / "work",
        steps=STEPS | {"encoders": 3},
        until="encoders",
        trained=folder,
    )
    processes.train(training, num_processes=1)
    assert not training.work.exists()  # no stage was trained
    files = (root / "quality.json" for root in (folder, training.out))
    assert len({file.read_text() for file in files}) == 1
    for name in ("autoencoder", "probe", "text_encoder", "image_encoder"):
        kept, written = (read_weights(root / name) for root in (folder, training.out))
        assert kept.keys() == written.keys()
        for key, weight in kept.items():
            torch.testing.assert_close(
                written[key].float(),
                weight.float(),
                atol=0.005 * weight.abs().max().item(),
                rtol=1e-3,
            )


def test_trained_networks_of_another_world_are_refused(tmp_path, capsys):
    folders = ["--out", str(tmp_path / "out"), "--trained", str(bundled() / "assets" / "storybook")]
    assert main(["train", *folders]) == 2
    assert "are of another world than shapes" in capsys.readouterr().err
