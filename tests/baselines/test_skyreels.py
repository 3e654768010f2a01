"""SkyReels-V2: the latents and frames of the library's pipelines, and what the network is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import (
    SkyReelsV2DiffusionForcingImageToVideoPipeline,
    SkyReelsV2DiffusionForcingPipeline,
    SkyReelsV2DiffusionForcingVideoToVideoPipeline,
    UniPCMultistepScheduler,
)
from diffusers.pipelines.skyreels_v2 import (
    pipeline_skyreels_v2_diffusion_forcing,
    pipeline_skyreels_v2_diffusion_forcing_i2v,
    pipeline_skyreels_v2_diffusion_forcing_v2v,
)
from PIL import Image

from t2v.baselines.interface import chunk_generator
from t2v.baselines.loading import load_baseline
from t2v.baselines.streaming import begin, stream
from t2v.errors import CheckpointError
from t2v.events import Chunk, Memory, Start
from tests.support.small_baselines import FLOW_SCHEDULE
from tests.support.small_helios import MAX_TOKENS


FRAME_SIZE = (32, 48)  # the library takes multiples of 16
NUM_FRAMES, OVERLAP = 13, 5
MODULES = (
    pipeline_skyreels_v2_diffusion_forcing,
    pipeline_skyreels_v2_diffusion_forcing_i2v,
    pipeline_skyreels_v2_diffusion_forcing_v2v,
)


@pytest.fixture(scope="module")
def preset(installed):
    return replace(installed("skyreels-v2"), frame_size=FRAME_SIZE)


@pytest.fixture(scope="module")
def baseline(preset):
    return load_baseline(preset, device="cpu")


@pytest.fixture(scope="module")
def config(preset):
    return preset.config(
        prompt="a red star",
        negative_prompt="blue",
        num_chunks=2,
        num_inference_steps=3,
        seed=5,
    )


@pytest.fixture(scope="module")
def picture():
    return np.random.default_rng(2).integers(0, 256, (*FRAME_SIZE, 3), dtype=np.uint8)


def frames_of(events):
    return [event.frames for event in events if isinstance(event, Chunk)]


def latents_of(baseline, config, index, known=None):
    """The latents of a chunk after its last step: (c, n, h, w)."""
    with torch.inference_mode():
        embeds = baseline.encode_prompts(config).of_chunk(index)
        *_, last = baseline.draw(config, index, embeds, known)
    return last.latents[0]


@pytest.fixture
def library(baseline, config, monkeypatch):
    """Runs one of the library's pipelines for one chunk, with our noise.

    Its schedulers keep a view of the latents, which the pipeline then overwrites, so that their
    first correction reads the wrong latents. Here they get latents of their own.
    """
    step = UniPCMultistepScheduler.step
    monkeypatch.setattr(
        UniPCMultistepScheduler,
        "step",
        lambda self, output, t, sample, **more: step(self, output, t, sample.clone(), **more),
    )

    def run(kind, index, **more):
        context_noise = chunk_generator(config, index, "context")

        def noise(shape, **_):
            drawn = baseline.noise(config, index, 4)
            assert drawn.shape == shape
            return drawn

        def noise_like(latents):
            return torch.randn(latents.shape, generator=context_noise)

        for module in MODULES:
            monkeypatch.setattr(module, "randn_tensor", noise)
        monkeypatch.setattr(torch, "randn_like", noise_like)
        pipeline = kind(
            vae=baseline.autoencoder.vae,
            text_encoder=baseline.text_encoder.model,
            tokenizer=baseline.text_encoder.tokenizer,
            transformer=baseline.transformer,
            scheduler=UniPCMultistepScheduler(**FLOW_SCHEDULE | {"flow_shift": 8.0}),
        )
        pipeline.set_progress_bar_config(disable=True)
        settings = {
            "prompt": "a red star",
            "negative_prompt": "blue",
            "height": FRAME_SIZE[0],
            "width": FRAME_SIZE[1],
            "num_frames": NUM_FRAMES,
            "base_num_frames": NUM_FRAMES,
            "num_inference_steps": 3,
            "guidance_scale": config.guidance_scale,
            "addnoise_condition": 20,
            "max_sequence_length": MAX_TOKENS,
            "output_type": "latent",
        }
        return pipeline(**settings | more).frames[0]

    return run


def extend(library, video, index, **more):
    """What the library makes of the last frames of a video, which it encodes again, as we do."""
    images = [Image.fromarray(frame) for frame in video]
    kind = SkyReelsV2DiffusionForcingVideoToVideoPipeline
    return library(kind, index, video=images, overlap_history=OVERLAP, **more)


def largest_difference(ours, theirs):
    assert ours.std() > 0.5
    return (ours - theirs).abs().max()


@pytest.mark.parametrize("guidance_scale", [6.0, 1.0])
def test_latents_are_those_of_the_pipelines_in_the_library(
    baseline, config, library, guidance_scale
):
    """With our noise, because its one running generator cannot resume: within 1e-4."""
    config = replace(config, guidance_scale=guidance_scale)
    scale = {"guidance_scale": guidance_scale}
    video = np.random.default_rng(3).integers(0, 256, (7, *FRAME_SIZE, 3), dtype=np.uint8)
    first = latents_of(baseline, config, 0)
    second = latents_of(baseline, config, 1, video[-OVERLAP:])
    theirs = library(SkyReelsV2DiffusionForcingPipeline, 0, **scale)
    assert largest_difference(first, theirs) < 1e-4
    assert largest_difference(second, extend(library, video, 1, **scale)) < 1e-4


def test_frames_are_those_of_the_pipelines_in_the_library(baseline, config, library):
    """Within 1/255. The library continues a video in a second call."""
    first, second = frames_of(stream(baseline, config))
    theirs = library(SkyReelsV2DiffusionForcingPipeline, 0, output_type="np")
    longer = extend(library, first, 1, output_type="np")
    assert (len(first), len(second)) == (13, 8)
    assert first.std() > 5 and second.std() > 5
    assert np.abs(first - 255 * theirs).max() < 1
    assert np.abs(second - 255 * longer[NUM_FRAMES + OVERLAP :]).max() < 1


def test_a_video_that_begins_with_an_image_is_the_library_s(baseline, config, library, picture):
    theirs = library(
        SkyReelsV2DiffusionForcingImageToVideoPipeline, 0, image=Image.fromarray(picture)
    )
    assert largest_difference(latents_of(baseline, config, 0, picture[None]), theirs) < 1e-4
    one = replace(config, num_chunks=1)
    [frames], [other] = (
        frames_of(begin(baseline, one, Start(image, image[None])))
        for image in (picture, 255 - picture)
    )
    assert len(frames) == NUM_FRAMES
    assert not np.array_equal(frames, other)


def test_known_latents_are_nearly_clean_and_new_ones_share_their_noise_level(baseline, config):
    times, contexts = [], []

    def look(_, given):
        times.append(given[1][0].tolist())
        contexts.append(given[0][0, :, :2].clone())

    hook = baseline.transformer.register_forward_pre_hook(look)
    config = replace(config, guidance_scale=1.0)
    known = np.random.default_rng(3).integers(0, 256, (OVERLAP, *FRAME_SIZE, 3), dtype=np.uint8)
    list(stream(baseline, replace(config, num_chunks=1)))
    list(stream(baseline, config, 1, Memory(known, known[0])))
    hook.remove()
    levels = [time[-1] for time in times[:3]]
    assert levels == sorted(set(levels), reverse=True) and levels[0] > 990
    assert times == [[t] * 4 for t in levels] + [[20, 20, t, t] for t in levels]
    clean = baseline.encode_context(known)[0]
    noises = [(context - 0.98 * clean) / 0.02 for context in contexts[3:]]
    assert all(0.9 < noise.std() < 1.1 for noise in noises)
    assert not torch.allclose(noises[0], noises[1])  # new in every step


@pytest.mark.parametrize("fps, differs", [(30, False), (16, True)])
def test_the_network_is_told_whether_the_video_has_16_frames_a_second(
    preset, baseline, config, fps, differs
):
    config = replace(config, num_chunks=1)
    other = load_baseline(replace(preset, fps=fps), device="cpu")
    [ours], [theirs] = frames_of(stream(baseline, config)), frames_of(stream(other, config))
    assert np.array_equal(ours, theirs) != differs


def test_it_computes_in_bfloat16_but_for_what_the_library_keeps_in_float32(preset, config):
    baseline = load_baseline(preset, device="cpu", dtype=torch.bfloat16)
    dtypes = {key: tensor.dtype for key, tensor in baseline.transformer.named_parameters()}
    assert dtypes["blocks.0.scale_shift_table"] == torch.float32
    assert dtypes["blocks.0.attn1.to_q.weight"] == torch.bfloat16
    assert baseline.autoencoder.vae.dtype == torch.float32
    [frames] = frames_of(stream(baseline, replace(config, num_chunks=1)))
    assert frames.std() > 5


def test_a_damaged_tokenizer_is_named(preset, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for part in preset.weights_folder.iterdir():
        if part.name != "tokenizer":
            (folder / part.name).symlink_to(part)
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "tokenizer.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"the tokenizer in .* cannot be read"):
        load_baseline(replace(preset, weights=str(folder)), device="cpu")
