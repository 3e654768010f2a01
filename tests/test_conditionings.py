"""The rivals of the CAM: the identity untrained, trained in their own parts only, saved small."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from t2v.cli import main
from t2v.errors import CheckpointError
from t2v.events import Chunk
from t2v.models.cam import AddInjector
from t2v.models.known_frames import KnownFrames, MaskedFrames, RepeatedFrame
from t2v.pipeline.arms import conditioning_parts, load_arm, save_arm, with_conditioning
from t2v.pipeline.loading import load_stack
from t2v.pipeline.streaming_t2v import stream
from t2v.settings.conditionings import CONDITIONINGS, RECORD, arm_folder
from t2v.settings.presets import find_preset
from t2v.training import arms, loop
from t2v.training.arms import ArmStage, denoiser_of
from t2v.training.clips import FrozenEncoders
from t2v.training.loop import run_stage
from t2v.weight_hashes import hash_preset
from t2v.worlds import find_world
from tests.support.small_arms import awake_arm, save_awake_arm
from tests.support.small_stack import new_stack, noise


SHAPES = find_preset("shapes")
WORLD = find_world("shapes")
CPU = torch.device("cpu")
LATENTS = noise(2, 5, 6, 5, 7)
TEXT = noise(2, 7, 12, seed=1)
every_arm = pytest.mark.parametrize("name", CONDITIONINGS)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Where arms are looked for."""
    monkeypatch.setenv("LONGTAKE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def stack():
    return new_stack()


def some_frames(count=3):
    return noise(2, count, 3, 20, 28, seed=3).clamp(-1, 1)


@torch.inference_mode()
def draw(stack, frames, latents=LATENTS):
    """What the network says of latents, with conditioning frames."""
    text = stack.extractor.prepare_text(TEXT)
    known = stack.extractor(latents, 500, text, stack.extractor.encode_frames(frames))
    return stack.unet(latents, 500, TEXT, known)


@every_arm
def test_new_conditioning_draws_as_the_base_without_any(stack, name):
    arm = with_conditioning(stack, CONDITIONINGS[name])
    with torch.inference_mode():
        plain = stack.unet(LATENTS, 500, TEXT)
        torch.testing.assert_close(draw(arm, some_frames()), plain)
        torch.testing.assert_close(arm.unet(LATENTS, 500, TEXT), plain)


def test_without_conditioning_the_text_still_says_where_things_are():
    """The embedding of places is left out only where conditioning frames are known."""
    stack = load_stack(SHAPES, CPU)
    latents, text = noise(1, 12, 16, 8, 8), noise(1, 28, 128, seed=1)
    frames = noise(1, 8, 3, 64, 64, seed=3).clamp(-1, 1)
    with torch.inference_mode():
        plain = stack.unet(latents, 500, text)
        for name, is_plain in (("no-cond", True), ("conc-cond", False)):
            arm = with_conditioning(stack, CONDITIONINGS[name])
            encoded = arm.extractor.encode_frames(frames)
            known = arm.extractor(latents, 500, arm.extractor.prepare_text(text), encoded)
            assert torch.allclose(arm.unet(latents, 500, text, known), plain, atol=1e-5) == is_plain


@every_arm
def test_awake_conditioning_reads_the_frames_that_it_names(stack, name):
    read = {"repeated-frame": {0}, "no-cond": set()}.get(name, {0, 1, 2})
    arm, frames = awake_arm(stack, name), some_frames()
    before = draw(arm, frames)
    for number in range(3):
        changed = frames.clone()
        changed[:, number] *= -1
        assert torch.equal(draw(arm, changed), before) == (number not in read)


@pytest.mark.parametrize("name, sees", [("add-cond", True), ("sparse-cond", False)])
def test_a_blind_extractor_does_not_see_the_noise(stack, name, sees):
    arm = awake_arm(stack, name)
    encoded = arm.extractor.encode_frames(some_frames())
    text = arm.extractor.prepare_text(TEXT)
    features = [arm.extractor(scale * LATENTS, 500, text, encoded)[-1] for scale in (1, 2)]
    assert torch.equal(*features) != sees


def test_known_frames_are_latents_at_their_places_with_a_mask(stack):
    known_frames, frames = KnownFrames(stack.autoencoder), some_frames()
    known = known_frames(
        LATENTS, 500, known_frames.prepare_text(TEXT), known_frames.encode_frames(frames)
    )
    assert known.shape == (2, 6, 6, 5, 7)
    torch.testing.assert_close(known[:, :5, :3], stack.autoencoder.encode_pixels(frames))
    assert known[:, 5].amin(dim=(0, 2, 3)).tolist() == [1, 1, 1, 0, 0, 0]
    assert (known[:, :, 3:] == 0).all()
    assert list(known_frames.parameters()) == []


def test_one_frame_is_repeated_for_all(stack):
    repeated, frames = RepeatedFrame(stack.autoencoder), some_frames()
    known = repeated(LATENTS, 500, repeated.prepare_text(TEXT), repeated.encode_frames(frames))
    [first] = stack.autoencoder.encode_pixels(frames[:1, :1])
    torch.testing.assert_close(known[0, :5], first.expand(-1, 6, -1, -1))
    assert (known[:, 5] == 1).all()


def test_frames_are_hidden_in_training_only_and_never_all(stack):
    masked = MaskedFrames(stack.autoencoder)
    encoded = masked.encode_frames(some_frames()).repeat(50, 1, 1, 1, 1)
    latents = LATENTS.repeat(50, 1, 1, 1, 1)
    shown = masked.train()(latents, 500, masked.prepare_text(TEXT), encoded)
    mask = shown[:, 5, :3, 0, 0]
    assert set(mask.sum(dim=1).tolist()) == {1, 2, 3}
    assert all(0 < share < 1 for share in mask.mean(dim=0).tolist())
    torch.testing.assert_close(shown[:, :, :3], encoded * mask[:, None, :, None, None])
    everything = masked.eval()(latents, 500, masked.prepare_text(TEXT), encoded)
    torch.testing.assert_close(everything[:, :, :3], encoded)


def test_both_texts_of_guidance_see_the_same_known_frames(stack):
    arm = awake_arm(stack, "conc-cond")
    text = noise(4, 7, 12, seed=1)
    encoded = arm.extractor.encode_frames(some_frames())
    with torch.inference_mode():
        known = arm.extractor(LATENTS, 500, arm.extractor.prepare_text(text), encoded)
        both = arm.unet(LATENTS, 500, text, known)
        alone = arm.unet(LATENTS, 500, text[2:], known)
    torch.testing.assert_close(both[2:], alone)
    assert arm.extractor.prepare_text(text).batch_size == 4


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Trains an arm of a small stack for two steps: base, arm before, arm after."""
    monkeypatch.setattr(loop, "WARM_UP_STEPS", 1)
    monkeypatch.setattr(ArmStage, "later_batch", 2)
    monkeypatch.setattr(ArmStage, "sheet", lambda self, model: np.zeros((8, 8, 3), np.uint8))

    def train(name):
        base = new_stack((64, 64))
        encoders = FrozenEncoders(
            base.autoencoder, base.text_encoder, base.image_encoder, CPU, WORLD
        )
        arm = with_conditioning(base, CONDITIONINGS[name])
        stage = ArmStage(denoiser_of(arm, WORLD), encoders, 2, arm)
        averaged = run_stage(stage, tmp_path / name, CPU, 0)
        return base, replace(arm, unet=averaged.unet, extractor=averaged.extractor)

    return train


@every_arm
def test_two_steps_change_what_should_learn_and_nothing_else(trained, name):
    base, arm = trained(name)
    untrained = with_conditioning(base, CONDITIONINGS[name])
    learnt = {id(one) for part in conditioning_parts(arm) for one in part.parameters()}
    for network in ("unet", "extractor"):
        known = dict(getattr(untrained, network).named_parameters())
        for key, parameter in getattr(arm, network).named_parameters():
            if id(parameter) not in learnt:
                torch.testing.assert_close(parameter, known[key], atol=0, rtol=0, msg=key)
    for part, before in zip(conditioning_parts(arm), conditioning_parts(untrained), strict=True):
        pairs = list(zip(part.parameters(), before.parameters(), strict=True))
        assert not pairs or not all(torch.equal(*pair) for pair in pairs)
    frames = some_frames()
    other = frames.clone()
    other[:, 0] *= -1
    assert torch.equal(draw(untrained, other), draw(untrained, frames))
    assert torch.equal(draw(arm, other), draw(arm, frames)) == (name == "no-cond")
    assert not torch.equal(draw(arm, frames), draw(untrained, frames))


@every_arm
def test_a_saved_arm_holds_what_differs_and_draws_the_same(stack, name):
    arm, folder = awake_arm(stack, name), arm_folder(name)
    save_arm(arm, stack, SHAPES, folder, {"arm": name, "steps": 7})
    keys = set(load_file(folder / "000.safetensors"))
    kinds = {key.removeprefix("unet.").split(".")[0] for key in keys if key.startswith("unet.")}
    if CONDITIONINGS[name].injector == "concat":
        assert kinds == {"conv_in", "time_embedding", "transformer_in", "down_blocks", "mid_block"}
        assert not any(key.startswith("extractor.") for key in keys)
    else:
        assert kinds == {"injectors", "mid_injector"}
    loaded = load_arm(stack, SHAPES, name)
    torch.testing.assert_close(
        draw(loaded, some_frames()), draw(arm, some_frames()), atol=0.05, rtol=0.02
    )
    record = json.loads((folder / RECORD).read_text())
    assert (record["arm"], record["steps"]) == (name, 7)
    assert record["megabytes"] > 0


def test_weights_of_another_base_damaged_ones_and_missing_ones_are_refused(stack):
    folder = arm_folder("add-cond")
    with pytest.raises(CheckpointError, match=r"arm\.json is missing"):
        load_arm(stack, SHAPES, "add-cond")
    save_arm(awake_arm(stack, "add-cond"), stack, SHAPES, folder, {"arm": "add-cond"})
    path = folder / "000.safetensors"
    weights = load_file(path)
    for key in ("weight", "weight::scale"):
        del weights[f"unet.mid_injector.proj_out.{key}"]
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=r"does not fit arm add-cond: 1 keys missing"):
        load_arm(stack, SHAPES, "add-cond")
    path.unlink()
    with pytest.raises(CheckpointError, match="no weights at"):
        load_arm(stack, SHAPES, "add-cond")
    record = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps(record | {"base": {"unet/000.safetensors": "0"}}))
    with pytest.raises(
        CheckpointError, match="other weights than those of shapes; `longtake train --arm add-cond`"
    ):
        load_arm(stack, SHAPES, "add-cond")
    folder.rename(arm_folder("conc-cond"))
    with pytest.raises(
        CheckpointError, match=r"conc-cond has the weights of 'add-cond', not of conc-cond$"
    ):
        load_arm(stack, SHAPES, "conc-cond")


@pytest.mark.parametrize(
    "name, memory", [("add-cond", None), ("conc-cond", "balanced"), ("no-cond", "low")]
)
def test_a_preset_chooses_the_conditioning(name, memory):
    base = load_stack(SHAPES, CPU)
    save_awake_arm(base, name, SHAPES)
    preset = replace(SHAPES, conditioning=name)
    assert preset.needs == f"`longtake train --arm {name}` trains its conditioning."
    files = hash_preset(preset).keys() - hash_preset(SHAPES).keys()
    assert files == {f"{name}/000.safetensors"}
    config = preset.config(
        prompt="a red star", num_chunks=2, num_inference_steps=1, apm_strength=0.0
    )
    chosen, expected = (
        [event.frames for event in stream(one, config) if isinstance(event, Chunk)]
        for one in (load_stack(preset, CPU, memory=memory), load_arm(base, SHAPES, name))
    )
    assert all(map(np.array_equal, chosen, expected))
    [_, plain] = [event.frames for event in stream(base, config) if isinstance(event, Chunk)]
    assert not np.array_equal(chosen[1], plain)


def test_a_preset_whose_conditioning_is_not_trained_names_the_command():
    preset = replace(SHAPES, conditioning="conc-cond")
    assert preset.unavailable == (
        "Its conditioning, conc-cond, is not trained; `longtake train --arm conc-cond` trains it."
    )


def test_an_unknown_arm_and_a_missing_folder_are_named(capsys):
    assert main(["train", "--arm", "sum"]) == 2
    names = ", ".join(CONDITIONINGS)
    assert f"--arm must be one of {names}, got 'sum'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option",
    [
        "--world storybook",
        "--world shapes",
        "--start-from shapes",
        "--trained weights",
        "--base transformer",
        "--until cam",
        "--processes 2",
        "--batches 2",
        "--steps clips=3",
        "--steps cam=0",
    ],
)
def test_an_arm_refuses_options_that_it_would_not_use(option, tmp_path, capsys):
    words = ["train", "--arm", "add-cond", "--work", str(tmp_path / "work")]
    assert main([*words, "--steps", "cam=2", *option.split()]) == 2
    named = option if option.startswith("--steps") else option.split()[0]
    assert f"--arm must not go with {named}: one stage" in capsys.readouterr().err
    assert not (tmp_path / "work").exists()
    assert main(["train"]) == 2
    assert "--out is missing" in capsys.readouterr().err


def test_an_arm_that_is_saved_where_the_benchmark_looks_is_found(stack, home):
    save_awake_arm(stack, "masked-frames", SHAPES)
    assert arm_folder("masked-frames") == home / "weights" / "arms" / "masked-frames"
    assert isinstance(load_arm(stack, SHAPES, "masked-frames").extractor, MaskedFrames)


@pytest.mark.slow
def test_the_command_trains_an_arm_of_the_bundled_stack(tmp_path, monkeypatch):
    monkeypatch.setattr(arms.ArmStage, "later_batch", 1)
    monkeypatch.setattr(arms.ArmStage, "sheet", lambda self, model: np.zeros((8, 8, 3), np.uint8))
    words = ["train", "--arm", "add-cond", "--steps", "cam=2", "--work", str(tmp_path / "work")]
    assert main(words) == 0
    record = json.loads((arm_folder("add-cond") / RECORD).read_text())
    assert (record["steps"], record["batch"]) == (2, 1)
    bundled = load_stack(SHAPES, "cpu")
    trained = load_arm(bundled, SHAPES, "add-cond")
    assert isinstance(trained.unet.mid_injector, AddInjector)
    assert trained.unet.mid_injector.proj_out.weight.abs().max() > 0
    for name, tensor in bundled.unet.state_dict().items():
        if "injector" not in name:
            torch.testing.assert_close(trained.unet.state_dict()[name], tensor, atol=0, rtol=0)
