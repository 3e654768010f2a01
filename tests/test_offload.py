"""Memory profiles: the same frames with fewer networks on the device at a time."""

import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from t2v.errors import ConfigError
from t2v.events import Chunk, Notice, StepDone
from t2v.pipeline import offload, vram_estimate
from t2v.pipeline.loading import load_stack, refiner_size
from t2v.pipeline.offload import MOST_TOGETHER, is_apart, lower_profile
from t2v.pipeline.refinement import refine
from t2v.pipeline.refiner_loading import load_refiner
from t2v.pipeline.streaming_t2v import stream
from t2v.pipeline.vram_estimate import choose_profile, describe_fit, predict_peaks
from t2v.settings.memory_profiles import PROFILES
from t2v.weights.install import install
from tests.support.small_modelscope import install_small, new_networks, small_preset, write_home
from tests.support.small_stack import count_calls


GB = 10**9
PEAKS = {"full": 12 * GB, "balanced": 7 * GB, "low": 3 * GB}


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    write_home(home, new_networks(tmp_path_factory.mktemp("configs")))
    preset = small_preset(tmp_path_factory.mktemp("weights") / "modelscope")
    with pytest.MonkeyPatch.context() as patch:
        install_small(patch)
        install(preset, weights_dir=home, offline=True, say=lambda line: None)
    return preset


@pytest.fixture
def config(preset):
    return preset.config(prompt="red", num_chunks=3, num_inference_steps=2)


class Device:
    """Counts the bytes of weights that lie on the "device", a second copy in the same memory."""

    def __init__(self):
        self.tensors = weakref.WeakSet()
        self.most = 0

    def copy_to(self, tensor, device):
        copy = tensor.clone()
        self.tensors.add(copy.untyped_storage())
        self.most = max(self.most, sum(storage.nbytes() for storage in self.tensors))
        return copy


@pytest.fixture
def device(monkeypatch):
    device = Device()
    monkeypatch.setattr(offload, "copy_to", device.copy_to)
    return device


def frames_of(events):
    return np.concatenate([event.frames for event in events if isinstance(event, Chunk)])


def assert_alike(frames, others):
    """Halves of the guidance, computed apart, add up in another order: a rounding may tip."""
    difference = abs(frames.astype(int) - others)
    assert difference.max() <= 1
    assert difference.mean() < 0.001


def steps_of(events):
    return [event for event in events if isinstance(event, StepDone)]


def num_bytes(*networks):
    return sum(tensor.nbytes for network in networks for tensor in network.state_dict().values())


@pytest.fixture(scope="module")
def expected(preset):
    config = preset.config(prompt="red", num_chunks=3, num_inference_steps=2)
    return frames_of(stream(load_stack(preset, device="cpu"), config))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_makes_the_same_frames(preset, config, expected, device, profile):
    stack = load_stack(preset, device="cpu", memory=profile)
    assert_alike(frames_of(stream(stack, config)), expected)


@pytest.mark.parametrize("profile, times", [("full", 1), ("balanced", 1), ("low", 2)])
def test_low_computes_one_text_of_guidance_at_a_time(preset, config, device, profile, times):
    stack = load_stack(preset, device="cpu", memory=profile)
    first, then = count_calls([stack.first_unet]), count_calls([stack.unet])
    cam = count_calls([stack.extractor])
    list(stream(stack, config))
    assert (len(first), len(then), len(cam)) == (2 * times, 4 * times, 4 * times)


def test_offloaded_large_chunks_compute_one_text_of_guidance_at_a_time():
    sizes = MOST_TOGETHER, MOST_TOGETHER + 1
    assert [is_apart("full", size) for size in sizes] == [False, False]
    assert [is_apart("balanced", size) for size in sizes] == [False, True]
    assert [is_apart("low", size) for size in sizes] == [True, True]


def test_balanced_holds_only_the_networks_of_one_part(preset, config, device):
    stack = load_stack(preset, device="cpu", memory="balanced")
    list(stream(stack, config))
    parts = [
        num_bytes(stack.text_encoder.model),
        num_bytes(stack.image_encoder.model, stack.anchor_tokens),
        num_bytes(stack.first_unet),
        num_bytes(stack.unet, stack.extractor),
    ]
    assert max(parts) <= device.most < 1.1 * max(parts) < sum(parts)


def test_low_loads_the_unets_layer_by_layer(preset, config, device):
    stack = load_stack(preset, device="cpu", memory="low")
    list(stream(stack, config))
    others = max(
        num_bytes(stack.text_encoder.model),
        num_bytes(stack.image_encoder.model, stack.anchor_tokens),
    )
    assert device.most < others + 0.3 * num_bytes(stack.unet)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_refines_to_the_same_frames(preset, config, device, profile):
    def refined(stack):
        refiner = load_refiner(preset, stack=stack)
        previews = (event.frames for event in stream(stack, config) if isinstance(event, Chunk))
        return frames_of(refine(refiner, config, previews))

    plain = refined(load_stack(preset, device="cpu"))
    assert_alike(refined(load_stack(preset, device="cpu", memory=profile)), plain)


def test_balanced_holds_the_refiner_only_while_it_refines(preset, config, device):
    stack = load_stack(preset, device="cpu", memory="balanced")
    refiner = load_refiner(preset, stack=stack)
    previews = (event.frames for event in stream(stack, config) if isinstance(event, Chunk))
    list(refine(refiner, config, previews))
    base, refining = num_bytes(stack.unet, stack.extractor), num_bytes(refiner.unet)
    assert device.most < 1.1 * max(base, refining, num_bytes(stack.image_encoder.model))


def test_the_estimate_includes_the_refiner(preset):
    stack = load_stack(preset, device="cpu", memory="full")
    weights, latents = refiner_size(preset, stack)
    assert weights == num_bytes(load_refiner(preset, stack=stack).unet)  # stored in half
    assert latents == 24 * 4 * 12 * 12 * 4
    arguments = (stack.offloader._networks, stack.latent_shape(), 16, 4)
    without, peaks = predict_peaks(*arguments), predict_peaks(*arguments, (weights, latents))
    assert all(peaks[profile] >= without[profile] for profile in PROFILES)
    assert peaks["full"] >= without["full"] + weights


def test_an_unknown_profile_is_reported(preset):
    with pytest.raises(ConfigError, match="memory must be one of full, balanced, low, got 'tiny'"):
        load_stack(preset, device="cpu", memory="tiny")


def run_out_of_memory(stack, monkeypatch, at_calls):
    """The extractor runs out of memory at these of its calls."""
    calls = []

    def hook(module, inputs):
        calls.append(module)
        if len(calls) in at_calls:
            raise torch.OutOfMemoryError("CUDA out of memory")

    stack.extractor.register_forward_pre_hook(hook)


def test_out_of_memory_the_video_continues_in_a_smaller_profile(
    preset, config, expected, device, monkeypatch
):
    stack = load_stack(preset, device="cpu", memory="full")
    run_out_of_memory(stack, monkeypatch, at_calls={4, 6})  # in chunk 2, then once more
    events = list(stream(stack, config))
    assert_alike(frames_of(events), expected)
    assert stack.offloader.profile == "low"
    notice_texts = [event.text for event in events if isinstance(event, Notice)]
    assert len(notice_texts) == 2
    assert "continues at chunk 2 with the memory profile balanced" in notice_texts[0]
    assert "continues at chunk 2 with the memory profile low" in notice_texts[1]


def runs_out(at_calls):
    """A hook, and the list of its calls, of which some run out of memory."""
    calls = []

    def hook(*_):
        calls.append(None)
        if len(calls) in at_calls:
            raise torch.OutOfMemoryError("CUDA out of memory")

    return hook, calls


@pytest.mark.parametrize("blending", ["causal", "joint"])
def test_out_of_memory_refining_repeats_the_same_step(
    preset, config, device, monkeypatch, blending
):
    config = replace(config, refine=True, blending=blending, num_chunks=4)
    previews = [frames_of(stream(load_stack(preset, device="cpu"), config))]
    plain = load_refiner(preset, stack=load_stack(preset, device="cpu"))
    events = list(refine(plain, config, previews))

    stack = load_stack(preset, device="cpu", memory="full")
    refiner = load_refiner(preset, stack=stack)
    hook, calls = runs_out(at_calls={4, 5})  # the second chunk's last step, then once more
    refiner.unet.register_forward_pre_hook(hook)
    retried = list(refine(refiner, config, previews))
    assert len(calls) > 5
    assert stack.offloader.profile == "low"
    notice_texts = [event.text for event in retried if isinstance(event, Notice)]
    at = 1 if blending == "causal" else 0
    assert (
        f"the refined video continues at chunk {at} with the memory profile balanced"
        in notice_texts[0]
    )
    assert (
        f"the refined video continues at chunk {at} with the memory profile low" in notice_texts[1]
    )
    assert steps_of(retried) == steps_of(events)
    assert_alike(frames_of(retried), frames_of(events))


@pytest.mark.parametrize("part", ["encode", "decode"])
def test_out_of_memory_in_the_autoencoder_is_retried(preset, config, device, monkeypatch, part):
    stack = load_stack(preset, device="cpu", memory="balanced")
    refiner = load_refiner(preset, stack=stack)
    previews = [np.zeros((30, 16, 24, 3), np.uint8)]
    hook, _ = runs_out(at_calls={2})
    work = getattr(refiner.autoencoder, part)
    monkeypatch.setattr(refiner.autoencoder, part, lambda given: (hook(), work(given))[1])
    events = list(refine(refiner, replace(config, refine=True), previews))
    assert len(frames_of(events)) == 30
    assert sum(isinstance(event, Notice) for event in events) == 1


def test_refining_out_of_memory_in_the_smallest_profile_raises(preset, config):
    refiner = load_refiner(preset, stack=load_stack(preset, device="cpu", memory="low"))
    refiner.unet.register_forward_pre_hook(runs_out(at_calls={1})[0])
    with pytest.raises(torch.OutOfMemoryError):
        list(refine(refiner, config, [np.zeros((30, 16, 24, 3), np.uint8)]))


def test_out_of_memory_in_the_smallest_profile_raises(preset, config, monkeypatch):
    stack = load_stack(preset, device="cpu", memory="low")
    run_out_of_memory(stack, monkeypatch, at_calls={1})
    with pytest.raises(torch.OutOfMemoryError):
        list(stream(stack, config))


@pytest.mark.parametrize(
    "free, profile", [(80, "full"), (12, "full"), (11.9, "balanced"), (6, "low"), (1, "low")]
)
def test_the_fastest_profile_that_fits_is_chosen(free, profile):
    assert choose_profile(PEAKS, int(free * GB)) == profile


def test_the_notice_names_the_profiles_that_fit():
    assert describe_fit(PEAKS, 8 * GB) == (
        "8.0 GB of the GPU are free; memory profiles need: full 12.0 GB (does not fit), "
        "balanced 7.0 GB (fits), low 3.0 GB (fits)."
    )


def test_every_profile_names_the_next_smaller_one():
    assert [lower_profile(profile) for profile in PROFILES] == ["balanced", "low", None]


def test_smaller_profiles_are_smaller(preset):
    stack = load_stack(preset, device="cpu", memory="full")
    networks = stack.offloader._networks
    peaks = predict_peaks(networks, stack.latent_shape(), 16, stack.autoencoder.downsampling)
    assert peaks["full"] > peaks["balanced"] > peaks["low"] > vram_estimate.RESERVE
