"""Work per chunk at full size, counted on the meta device: no weights, no GPU, no clock."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import authors
from t2v.models.autoencoder import FrameAutoencoder
from t2v.models.networks import build_networks
from t2v.pipeline import initialization
from t2v.pipeline.conditioning import Conditions
from t2v.pipeline.stack import Stack
from t2v.pipeline.streaming_t2v import Memory, draw_next_chunk
from t2v.pipeline.vram_estimate import (
    ACTIVATION_FACTOR,
    APART_FACTOR,
    DECODING_FACTOR,
    predict_peaks,
)
from t2v.settings.presets import list_presets
from t2v.weights.convert import CONFIGS, write_configs
from tests.support.live_bytes import LiveBytes
from tests.support.small_stack import new_image_encoder, new_text_encoder


AUTHORS_TFLOP = 626  # one chunk of 8 new frames, 50 steps with guidance, the authors' way
MOST_OF_THE_AUTHORS = 0.93


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    write_configs(folder, CONFIGS)
    return build_networks(folder)


def count(work):
    """Returns TFLOP; one multiplication with one addition counts as two."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 1e12


@pytest.fixture(scope="module")
def chunk_tflop(networks):
    """Of one chunk as the pipeline draws it: chunk_tflop(num_steps)."""
    unet, extractor = networks["unet"], networks["extractor"]
    text = torch.empty(2, 77, 1024, device="meta")
    anchor = networks["anchor_tokens"](torch.empty(2, 1024, device="meta"))
    conditions = Conditions(unet.prepare_text(text, anchor), extractor.prepare_text(text))
    frames = np.zeros((8, 256, 256, 3), np.uint8)
    memory = Memory(frames, frames[0])
    stack = Stack(
        name="modelscope",
        unet=unet,
        extractor=extractor,
        anchor_tokens=networks["anchor_tokens"],
        text_encoder=new_text_encoder(),  # small: text and anchor are read once per video
        image_encoder=new_image_encoder(),
        autoencoder=FrameAutoencoder(networks["autoencoder"]),
        schedule=CONFIGS["stack"]["schedule"],
        frame_size=(256, 256),
    )

    def chunk_tflop(num_steps):
        config = list_presets()["modelscope"].config(prompt="x", num_inference_steps=num_steps)

        def draw():
            *_, (latents, _) = draw_next_chunk(stack, config, 1, conditions, memory)
            stack.autoencoder.reconstruct(latents[0, :, 8:].movedim(1, 0))

        return count(draw)

    return chunk_tflop


def test_a_chunk_takes_less_work_than_the_authors(chunk_tflop, monkeypatch):
    """579.1 TFLOP when this was written. Steps are alike: two say what fifty take."""
    # On the meta device there are no values that could be finite or not.
    monkeypatch.setattr(initialization, "check_finite", lambda *_: None)
    once, twice = chunk_tflop(1), chunk_tflop(2)
    total = once + 49 * (twice - once)
    assert total <= MOST_OF_THE_AUTHORS * AUTHORS_TFLOP
    assert total > 0.9 * AUTHORS_TFLOP, "so little cannot be: is everything counted?"


def test_the_authors_implementation_is_counted_in_full(networks):
    """Their way, as the benchmark runs it, is the work that they do: 626 TFLOP a chunk."""
    unet, extractor, vae = (networks[name] for name in ("unet", "extractor", "autoencoder"))
    stack = SimpleNamespace(unet=unet, extractor=extractor)
    anchor_tokens = networks["anchor_tokens"](torch.empty(2, 1024, device="meta"))
    embeds = torch.empty(2, 77, 1024, device="meta")
    pixels = torch.empty(1, 8, 3, 256, 256, device="meta")
    latents = torch.empty(1, 4, 16, 32, 32, device="meta")
    predict = authors.new_predict(stack, embeds, anchor_tokens, pixels)

    def once():
        vae.encode(torch.empty(24, 3, 256, 256, device="meta"))
        vae.decode(latents[0].movedim(1, 0))
        networks["image_encoder"](torch.empty(2, 3, 224, 224, device="meta"))

    total = 50 * count(lambda: predict(latents, torch.tensor(500))) + count(once)
    assert total == pytest.approx(AUTHORS_TFLOP, rel=0.01)


@pytest.mark.parametrize("size", [(320, 576), (192, 64)])
@torch.inference_mode()
def test_frames_need_not_be_square_at_full_size(networks, size):
    unet, extractor = networks["unet"], networks["extractor"]
    text = torch.empty(1, 77, 1024, device="meta")
    encoded = extractor.encode_frames(torch.empty(1, 8, 3, *size, device="meta"))
    latents = torch.empty(1, 4, 16, size[0] // 8, size[1] // 8, device="meta")
    cam = extractor(latents, 500, extractor.prepare_text(text), encoded)
    assert unet(latents, 500, text, cam).shape == latents.shape
    frames = networks["autoencoder"].decode(latents[:, :, 0]).sample
    assert frames.shape == (1, 3, *size)


@torch.inference_mode()
def test_the_peak_memory_of_a_step_is_estimated(networks):
    """Counted: 2460, 2845 and 256 times, at 32 x 32, 40 x 64 and 64 x 64 latents alike."""
    unet, extractor, vae = (networks[name] for name in ("unet", "extractor", "autoencoder"))
    text = torch.empty(2, 77, 1024, device="meta")
    unet_text, cam_text = unet.prepare_text(text), extractor.prepare_text(text)
    encoded = extractor.encode_frames(torch.empty(1, 8, 3, 256, 256, device="meta"))
    latents = torch.empty(1, 4, 16, 32, 32, device="meta")
    with LiveBytes() as step:
        unet(latents, 500, unet_text, extractor(latents, 500, cam_text, encoded))
    assert 0.85 < step.most / (ACTIVATION_FACTOR * 2 * latents.nbytes) <= 1

    [(half, cam_half), _] = zip(unet_text.one_by_one(), cam_text.one_by_one(), strict=True)
    with LiveBytes() as apart:
        unet(latents, 500, half, extractor(latents, 500, cam_half, encoded))
    assert 0.85 < apart.most / (APART_FACTOR * latents.nbytes) <= 1

    with LiveBytes() as decoding:
        frame = vae.decode(latents[:, :, 0]).sample
    assert 0.85 < decoding.most / (DECODING_FACTOR * frame.nbytes) <= 1


def test_the_preset_says_which_gpu_it_needs_at_least(networks):
    half = {part: copy.deepcopy(network).half() for part, network in networks.items()}
    preset = list_presets()["modelscope"]
    # The refiner is one more UNet of the size of the first.
    weights = sum(tensor.nbytes for tensor in half["first_unet"].parameters())
    latents = 24 * 4 * (preset.refiner.frame_size[0] // 8) ** 2 * 2
    for refiner, refines in (((0, 0), False), ((weights, latents), True)):
        low = predict_peaks(half, (4, 32, 32), 16, 8, refiner)["low"]
        assert preset.needed_gpu_bytes(refines) == round(low / 1e9) * 10**9
