"""The refinement stage: every frame once, chunks that meet, and a memory that does not grow."""

import gc

import numpy as np
import pytest
import torch

from t2v.errors import ConfigError, NotFiniteError
from t2v.events import Chunk, StepDone
from t2v.pipeline.blending import RandomCuts
from t2v.pipeline.refinement import refine
from t2v.pipeline.windows import Window
from tests.support.small_refiner import (
    BLENDINGS,
    SETTINGS,
    CountingSource,
    PixelRefiner,
    config,
    in_pieces,
    new_refiner,
    refined_chunks,
    refined_video,
    some_frames,
)


ALMOST_CLEAN = 10  # a start from which the sign of a pixel is still to be seen


def sign(latents, timestep):
    """Sees every black or white pixel through little noise."""
    return latents.sign()


def by_frame(latents, timestep):
    """Looks at every frame alone."""
    return torch.tanh(1.5 * latents - 0.2)


def by_chunk(latents, timestep):
    """Every frame feels the others of its chunk."""
    return torch.tanh(latents + latents.mean(dim=2, keepdim=True).roll(1, dims=-1))


@pytest.mark.parametrize("blending", BLENDINGS)
@pytest.mark.parametrize("num_frames", [1, 7, 16, 23, 24, 25, 33, 39, 40, 41, 233, 240])
def test_every_frame_is_yielded_once_and_in_order(blending, num_frames):
    refiner = PixelRefiner(sign, start_timestep=ALMOST_CLEAN)
    frames = some_frames(num_frames)
    chunks = refined_chunks(refiner, frames, blending=blending)
    assert np.array_equal(np.concatenate([chunk.frames for chunk in chunks]), frames)
    starts = np.cumsum([0, *(len(chunk.frames) for chunk in chunks)])
    assert [chunk.start_frame for chunk in chunks] == starts[:-1].tolist()
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert refiner.num_encoded == num_frames


@pytest.mark.parametrize("chunk_frames, overlap", [(24, 1), (24, 12), (5, 2), (2, 1)])
@pytest.mark.parametrize("blending", BLENDINGS)
def test_every_chunk_and_overlap_keeps_all_frames(blending, chunk_frames, overlap):
    refiner = PixelRefiner(
        sign, start_timestep=ALMOST_CLEAN, chunk_frames=chunk_frames, overlap=overlap
    )
    for num_frames in (chunk_frames, 3 * chunk_frames, 3 * chunk_frames + 1):
        frames = some_frames(num_frames)
        assert np.array_equal(refined_video(refiner, frames, blending=blending), frames)


@pytest.mark.parametrize("num_frames", [9, 24])
@pytest.mark.parametrize("blending", ["causal", "shared_noise", "independent"])
def test_one_chunk_is_the_same_video_in_every_mode(blending, num_frames):
    refiner, frames = new_refiner(), some_frames(num_frames, 9, 13)
    expected = refined_video(refiner, frames, blending="joint")
    assert np.array_equal(refined_video(refiner, frames, blending=blending), expected)


@pytest.mark.parametrize("num_frames", [40, 43, 60])
def test_chunks_agree_if_the_network_treats_frames_separately(num_frames):
    """Shared noise, cut or not, in one piece or another: the same latents at every step."""
    refiner, frames = PixelRefiner(by_frame), some_frames(num_frames)
    expected = refined_video(refiner, frames, blending="joint")
    for blending in ("causal", "shared_noise"):
        assert np.array_equal(refined_video(refiner, frames, blending=blending), expected)
    independent = refined_video(refiner, frames, blending="independent")
    assert np.array_equal(independent[:24], expected[:24])
    differs = (independent != expected).any(axis=(1, 2, 3))
    assert differs[24:].all()


def test_blending_makes_a_difference():
    refiner, frames = PixelRefiner(by_chunk), some_frames(56)
    videos = [refined_video(refiner, frames, blending=blending) for blending in BLENDINGS]
    for i, video in enumerate(videos):
        assert all((video != other).any() for other in videos[:i])


def chunk_number(num_windows, blending, num_steps):
    """A network whose prediction says which chunk it was made for: -1, 0, 1."""
    calls = iter(range(1000))

    def network(latents, timestep):
        call = next(calls)
        window = call % num_windows if blending == "joint" else call // num_steps
        return torch.full_like(latents, window - 1.0)

    return network


@pytest.mark.parametrize("blending", ["causal", "joint"])
def test_frames_change_chunks_at_the_cut_of_the_last_step(blending):
    refiner = PixelRefiner(chunk_number(3, blending, num_steps=3))
    video = refined_video(refiner, some_frames(47), blending=blending)  # windows 0, 16, 23
    cuts = RandomCuts(config().seed, "paper", overlap=8)
    windows = [Window(1, 16, 16, 24, 40, False), Window(2, 23, 32, 40, 47, True)]
    first, second = (window.overlap_start + cuts(window, 2) for window in windows)
    expected = [0] * first + [128] * (second - first) + [255] * (47 - second)
    assert video[:, 0, 0, 0].tolist() == expected


@pytest.mark.parametrize("blending", ["shared_noise", "independent"])
def test_without_blending_the_earlier_chunk_keeps_the_overlap(blending):
    refiner = PixelRefiner(chunk_number(3, blending, num_steps=3))
    video = refined_video(refiner, some_frames(47), blending=blending)
    assert video[:, 0, 0, 0].tolist() == [0] * 24 + [128] * 16 + [255] * 7


def test_causal_chunks_do_not_depend_on_later_frames():
    refiner, frames = PixelRefiner(by_chunk), some_frames(72)
    long = refined_video(refiner, frames, blending="causal")
    short = refined_video(refiner, frames[:40], blending="causal")
    assert np.array_equal(long[:32], short[:32])


def test_joint_chunks_depend_on_later_frames():
    refiner, frames = PixelRefiner(by_chunk), some_frames(72)
    long = refined_video(refiner, frames, blending="joint")
    short = refined_video(refiner, frames[:40], blending="joint")
    assert (long[:32] != short[:32]).any()


@pytest.mark.parametrize("blending", BLENDINGS)
def test_only_the_seed_decides_the_noise(blending):
    refiner, frames = new_refiner(), some_frames(31, 9, 13)
    torch.manual_seed(1)
    video = refined_video(refiner, frames, blending=blending)
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert np.array_equal(refined_video(refiner, frames, blending=blending), video)
    assert (refined_video(refiner, frames, blending=blending, seed=8) != video).any()
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)


def test_prompts_change_the_refined_frames():
    refiner, frames = new_refiner(guidance_scale=7.5, guidance_rescale=0.2), some_frames(5, 9, 13)
    video = refined_video(refiner, frames)
    assert (refined_video(refiner, frames, prompt="a blue ring") != video).any()
    assert (refined_video(refiner, frames, negative_prompt="a blue ring") != video).any()


def test_without_guidance_the_negative_prompt_is_not_read():
    refiner, frames = new_refiner(guidance_scale=1), some_frames(5, 9, 13)
    video = refined_video(refiner, frames)
    assert np.array_equal(refined_video(refiner, frames, negative_prompt="a ring"), video)


def test_a_chunk_is_yielded_as_soon_as_its_frames_exist():
    source = CountingSource(some_frames(56))
    given_at_chunk = [
        source.num_given
        for event in refine(PixelRefiner(by_frame), config(), source)
        if isinstance(event, Chunk)
    ]
    assert given_at_chunk == [24, 40, 56, 56]


@pytest.mark.parametrize("blending", BLENDINGS)
def test_nothing_is_computed_before_it_is_asked_for(blending):
    source, refiner = CountingSource(some_frames(24)), PixelRefiner(by_frame)
    events = refine(refiner, config(blending=blending), source)
    assert (source.num_given, refiner.num_encoded, refiner.num_calls) == (0, 0, 0)
    for num_calls in (1, 2, 3):
        assert next(events) == StepDone(
            stage="refinement", chunk_index=0, step=num_calls, num_steps=3
        )
        assert refiner.num_calls == num_calls
    assert isinstance(next(events), Chunk)


@pytest.mark.parametrize("blending", BLENDINGS)
def test_closing_stops_the_work_and_closes_the_source(blending):
    closed = []

    def source():
        try:
            yield from in_pieces(some_frames(240))
        finally:
            closed.append(True)

    refiner = PixelRefiner(by_frame)
    events = refine(refiner, config(blending=blending), source())
    for _ in range(2):
        next(events)
    events.close()
    del events
    assert refiner.num_calls == 2
    assert closed


def test_joint_steps_count_every_chunk():
    events = refine(PixelRefiner(by_frame), config(blending="joint"), in_pieces(some_frames(41)))
    steps = [(event.chunk_index, event.step) for event in events if isinstance(event, StepDone)]
    assert steps == [(chunk, step) for step in (1, 2, 3) for chunk in (0, 1, 2)]


def peak_bytes(blending, num_frames):
    """The most bytes that tensors had together in the middle of any chunk's denoising."""

    def source():
        for start in range(0, num_frames, 8):
            yield np.full((min(8, num_frames - start), 4, 6, 3), 200, np.uint8)

    gc.collect()
    before = live_bytes()
    events = refine(PixelRefiner(by_frame), config(blending=blending), source())
    return max(live_bytes() for event in events if getattr(event, "step", None) == 2) - before


def live_bytes():
    tensors = [thing for thing in gc.get_objects() if type(thing) is torch.Tensor]
    storages = (tensor.untyped_storage() for tensor in tensors)
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


@pytest.mark.parametrize("blending", ["causal", "shared_noise", "independent"])
def test_memory_does_not_grow_with_the_video(blending):
    assert peak_bytes(blending, 400) <= 1.02 * peak_bytes(blending, 48)


def test_the_latents_of_a_joint_video_are_kept():
    """Also shows that the measure of the test above can see growth."""
    assert peak_bytes("joint", 400) > 4 * peak_bytes("joint", 48)


def test_no_frames_are_an_error():
    for nothing in ([], [np.empty((0, 4, 6, 3), np.uint8)]):
        with pytest.raises(ConfigError, match="there are no frames to refine"):
            next(refine(PixelRefiner(by_frame), config(), nothing))


def test_frames_that_change_size_are_reported():
    pieces = [some_frames(8, 4, 6), some_frames(8, 6, 4)]
    with pytest.raises(ConfigError, match="all frames must have one size: 6x4, then 4x6"):
        list(refine(PixelRefiner(by_frame), config(), pieces))


@pytest.mark.parametrize("blending", ["causal", "shared_noise", "independent"])
@pytest.mark.parametrize("num_frames", [24, 40, 47, 72])
def test_an_interrupted_refinement_resumes_with_identical_frames(blending, num_frames):
    refiner, frames = PixelRefiner(by_chunk), some_frames(num_frames)
    chunks = refined_chunks(refiner, frames, blending=blending)
    whole = np.concatenate([chunk.frames for chunk in chunks])
    states = [chunk.refiner for chunk in chunks if chunk.refiner]
    assert states
    for state in states:
        rest = list(in_pieces(frames[state.num_frames :], first=8))
        events = refine(refiner, config(blending=blending), rest, state)
        done = [event for event in events if isinstance(event, Chunk)]
        start = done[0].start_frame
        assert done[0].index == state.num_chunks
        assert start == state.num_frames - SETTINGS.overlap
        assert np.array_equal(np.concatenate([chunk.frames for chunk in done]), whole[start:])


def test_a_refinement_of_an_extended_video_resumes_before_its_end():
    refiner, frames = PixelRefiner(by_chunk), some_frames(60)
    whole = refined_video(refiner, frames)
    *_, state = (c.refiner for c in refined_chunks(refiner, frames[:47]) if c.refiner)
    events = refine(refiner, config(), in_pieces(frames[state.num_frames :], first=8), state)
    rest = np.concatenate([event.frames for event in events if isinstance(event, Chunk)])
    assert np.array_equal(rest, whole[-len(rest) :])


def test_every_refined_chunk_uses_the_prompt_of_its_preview_frames():
    """The one that is in its middle: window 1 shows frames 16 to 40, chunk 2 of the preview."""
    refiner, frames = new_refiner(guidance_scale=7.5), some_frames(40, 9, 13)
    plain = refined_video(refiner, frames, prompt="a red star")
    early = refined_video(refiner, frames, prompt="0: a red star / 2: a blue ring")
    late = refined_video(refiner, frames, prompt="0: a red star / 3: a blue ring")
    assert np.array_equal(late, plain)
    assert np.array_equal(early[:16], plain[:16]) and (early != plain).any()


def test_values_that_are_no_numbers_fail_in_their_refined_chunk():
    calls = []

    def overflow(latents, timestep):
        calls.append(timestep)
        is_late = len(calls) > SETTINGS.num_inference_steps
        return by_frame(latents, timestep) / (0 if is_late else 1)

    made = []
    with pytest.raises(NotFiniteError, match=r"no numbers in refined chunk 1\."):
        for event in refine(PixelRefiner(overflow), config(), in_pieces(some_frames(60))):
            if isinstance(event, Chunk):
                made.append(event.index)
    assert made == [0]


def test_refined_pixels_that_are_no_numbers_fail_in_their_chunk():
    refiner = new_refiner(num_inference_steps=2)
    made = []
    with pytest.raises(NotFiniteError, match=r"no numbers in refined chunk 1\."):
        for event in refine(refiner, config(), in_pieces(some_frames(60))):
            if isinstance(event, Chunk):
                made.append(event.index)
                decoder = refiner.autoencoder.vae.decoder
                next(decoder.parameters()).data.fill_(float("nan"))
    assert made == [0]
