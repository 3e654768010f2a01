import gc
import itertools
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch

from t2v.errors import ConfigError, NotFiniteError
from t2v.events import Chunk, Memory, Notice, StepDone
from t2v.pipeline.streaming_t2v import stream
from t2v.settings.config import SCHEDULERS, GenerationConfig
from tests.support.small_stack import count_calls, new_stack


@pytest.fixture
def stack():
    return new_stack()


@pytest.fixture
def config():
    return GenerationConfig(
        prompt="a red star moving left",
        num_chunks=3,
        num_inference_steps=2,
        guidance_scale=3.0,
        scheduler="unipc",
        seed=7,
    )


def chunks_of(stack, config, **start):
    return [event for event in stream(stack, config, **start) if isinstance(event, Chunk)]


def frames_of(stack, config, **start):
    return np.concatenate([chunk.frames for chunk in chunks_of(stack, config, **start)])


def inputs_of(module):
    """Returns a list that grows by the first input of every call of the module."""
    inputs = []
    module.register_forward_hook(lambda module, given, output: inputs.append(given[0]))
    return inputs


def memory_of(frames):
    """What a chunk that comes after `frames` knows of them."""
    return Memory(frames[-8:].copy(), frames[0].copy())


def test_every_frame_arrives_once_and_in_order(stack, config):
    chunks = chunks_of(stack, config)
    assert [chunk.index for chunk in chunks] == [0, 1, 2]
    assert [chunk.start_frame for chunk in chunks] == [0, 16, 24]
    assert [chunk.frames.shape for chunk in chunks] == [(16, 20, 28, 3), *[(8, 20, 28, 3)] * 2]
    assert sum(len(chunk.frames) for chunk in chunks) == 32


def test_the_first_chunk_is_initialization_and_the_others_streaming(stack, config):
    stages = [chunk.stage for chunk in chunks_of(stack, config)]
    assert stages == ["initialization", "streaming_t2v", "streaming_t2v"]


def test_every_denoising_step_is_reported_before_its_chunk(stack, config):
    reported = [
        (event.chunk_index, event.step, event.num_steps)
        if isinstance(event, StepDone)
        else event.index
        for event in stream(stack, config)
    ]
    assert reported == [
        *[(0, 1, 2), (0, 2, 2), 0],
        *[(1, 1, 2), (1, 2, 2), 1],
        *[(2, 1, 2), (2, 2, 2), 2],
    ]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_same_settings_give_the_same_frames(stack, config, scheduler):
    config = replace(config, scheduler=scheduler)
    torch.manual_seed(1)
    first = frames_of(stack, config)
    torch.manual_seed(2)  # whatever else draws numbers does not matter
    assert frames_of(stack, config).tobytes() == first.tobytes()


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_another_seed_gives_other_frames_in_every_chunk(stack, config, scheduler):
    config = replace(config, scheduler=scheduler)
    ours, others = chunks_of(stack, config), chunks_of(stack, replace(config, seed=8))
    for a, b in zip(ours, others, strict=True):
        assert (a.frames != b.frames).mean() > 0.3


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a blue ring moving left"},
        {"negative_prompt": "blue"},
        {"num_inference_steps": 3},
        {"guidance_scale": 4.5},
        {"scheduler": "ddim"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_setting_reaches_every_chunk(stack, config, change):
    ours, others = chunks_of(stack, config), chunks_of(stack, replace(config, **change))
    for a, b in zip(ours, others, strict=True):
        assert (a.frames != b.frames).any()


def test_every_chunk_starts_from_its_own_noise(stack, config):
    latents = inputs_of(stack.unet)
    frames_of(stack, replace(config, num_chunks=4, num_inference_steps=1))
    beginnings = {given[0].numpy().tobytes() for given in latents}
    assert len(beginnings) == 4


def test_a_longer_video_begins_with_the_shorter_one(stack, config):
    long = frames_of(stack, replace(config, num_chunks=4))
    np.testing.assert_array_equal(long[:32], frames_of(stack, config))


def test_nothing_is_computed_before_it_is_asked_for(stack, config):
    calls = count_calls([stack.unet, stack.text_encoder])
    stream(stack, config)
    assert not calls


@pytest.mark.parametrize("num_steps_taken", [1, 3])
def test_closing_the_stream_stops_at_the_next_denoising_step(stack, config, num_steps_taken):
    calls = count_calls([stack.unet])
    events = stream(stack, config)
    steps = (event for event in events if isinstance(event, StepDone))
    for _ in itertools.islice(steps, num_steps_taken):
        pass
    events.close()
    assert len(calls) == num_steps_taken
    assert list(events) == []


def test_only_new_frames_are_decoded(stack, config):
    decoded = inputs_of(stack.autoencoder.vae.decoder)
    sizes = []
    for event in stream(stack, config):
        if isinstance(event, Chunk):
            sizes.append(sum(len(latents) for latents in decoded))
            decoded.clear()
    assert sizes == [16, 8, 8]


def test_text_is_encoded_once_a_video(stack, config):
    calls = count_calls([stack.text_encoder])
    frames_of(stack, config)
    assert len(calls) == 1


def test_conditioning_frames_are_encoded_once_a_chunk(stack, config):
    calls = count_calls([stack.extractor.frame_encoder])
    frames_of(stack, config)
    assert len(calls) == 2


def test_the_anchor_and_mid_grey_are_encoded_once_a_video(stack, config):
    inputs = inputs_of(stack.image_encoder)
    first_frame = torch.from_numpy(chunks_of(stack, config)[0].frames[0])
    [(null, anchor)] = inputs
    assert (null == 0).all()
    torch.testing.assert_close(anchor, first_frame.movedim(-1, 0) / 127.5 - 1)


def test_one_chunk_needs_no_memory(stack, config):
    calls = count_calls([stack.image_encoder, stack.extractor])
    frames_of(stack, replace(config, num_chunks=1))
    assert not calls


@pytest.mark.parametrize("guidance_scale, batch", [(1.0, 1), (1.5, 2)])
def test_guidance_doubles_the_batch_and_scale_1_turns_it_off(stack, config, guidance_scale, batch):
    batches = []
    for network in (stack.unet, stack.text_encoder, stack.image_encoder):
        network.register_forward_hook(lambda module, inputs, output: batches.append(len(output)))
    stack.extractor.register_forward_hook(lambda module, inputs, cam: batches.append(len(cam[0])))
    frames_of(stack, replace(config, guidance_scale=guidance_scale))
    assert set(batches) == {batch}


def test_what_both_texts_of_guidance_share_is_computed_once(stack, config):
    """Until the text is read they are the same: 2 % of the paper's work per chunk."""
    stems = [inputs_of(network.transformer_in) for network in (stack.unet, stack.extractor)]
    frames_of(stack, config)
    num_frames = {len(given) for calls in stems for given in calls}
    assert num_frames == {stack.chunking.chunk_frames, stack.chunking.overlap}


def test_without_guidance_only_the_anchor_is_encoded(stack, config):
    inputs = inputs_of(stack.image_encoder)
    frames_of(stack, replace(config, guidance_scale=1))
    [[anchor]] = inputs
    assert (anchor != 0).any()


def test_without_guidance_the_negative_prompt_is_not_read(stack, config):
    config = replace(config, guidance_scale=1)
    other = replace(config, negative_prompt="blue")
    np.testing.assert_array_equal(frames_of(stack, config), frames_of(stack, other))


def test_apm_strength_zero_leaves_the_anchor_out(stack, config):
    calls = count_calls([stack.image_encoder, stack.anchor_tokens])
    without = frames_of(stack, replace(config, apm_strength=0))
    assert not calls
    for mixer in stack.unet.mixers:
        torch.nn.init.zeros_(mixer.alpha)
    np.testing.assert_array_equal(frames_of(stack, config), without)


@pytest.mark.parametrize("image_first", [False, True])
def test_apm_strength_changes_all_chunks_but_the_first(stack, config, image_first):
    stack = replace(stack, image_first=image_first)
    videos = [chunks_of(stack, replace(config, apm_strength=s)) for s in (0, 0.5, 1, 2)]
    for a, b in itertools.pairwise(videos):
        changed = [(x.frames != y.frames).any() for x, y in zip(a, b, strict=True)]
        assert changed == [False, True, True]


@pytest.mark.parametrize("apm_strength", [0.0, 1.0])
def test_with_image_first_the_first_chunk_has_that_image_as_its_anchor(stack, config, apm_strength):
    frames = inputs_of(stack.unet)
    pictures, anchors = inputs_of(stack.image_encoder), inputs_of(stack.anchor_tokens)
    config = replace(config, num_chunks=1, apm_strength=apm_strength)
    [chunk] = chunks_of(replace(stack, image_first=True), config)
    assert [given.shape[2] for given in frames] == [1, 1, 16, 16]  # of two steps each
    [(null, image)], [_] = pictures, anchors
    assert (null == 0).all() and (image != 0).any()
    image_noise, noise = frames[0].flatten(), frames[2].flatten()
    assert not torch.equal(image_noise[:48], noise[:48])  # a draw of its own

    [plain] = chunks_of(stack, config)
    assert (plain.frames != chunk.frames).any()


def test_with_image_first_later_chunks_have_the_first_frame_as_their_anchor(stack, config):
    stack = replace(stack, image_first=True)
    pictures = inputs_of(stack.image_encoder)
    first_frame = torch.from_numpy(chunks_of(stack, config)[0].frames[0])
    [_, (_, anchor)] = pictures
    torch.testing.assert_close(anchor, first_frame.movedim(-1, 0) / 127.5 - 1)


def test_without_the_cam_the_extractor_never_runs(stack, config):
    calls = count_calls([stack.extractor, stack.extractor.frame_encoder])
    frames_of(stack, replace(config, use_cam=False))
    assert not calls


@pytest.mark.parametrize("use_cam", [True, False])
def test_the_last_8_frames_matter_to_the_cam_alone(stack, config, use_cam):
    config = replace(config, use_cam=use_cam, num_chunks=2)
    frames = frames_of(stack, replace(config, num_chunks=1))
    memory = memory_of(frames)
    ours = frames_of(stack, config, first_chunk=1, memory=memory)
    memory.cond_frames[5, 11, 17] ^= 255
    others = frames_of(stack, config, first_chunk=1, memory=memory)
    assert (ours != others).any() == use_cam


@pytest.mark.parametrize("apm_strength", [0.0, 1.0])
def test_the_anchor_matters_to_the_apm_alone(stack, config, apm_strength):
    config = replace(config, apm_strength=apm_strength, num_chunks=2)
    memory = memory_of(frames_of(stack, replace(config, num_chunks=1)))
    ours = frames_of(stack, config, first_chunk=1, memory=memory)
    memory.anchor_frame[:] = 255 - memory.anchor_frame
    others = frames_of(stack, config, first_chunk=1, memory=memory)
    assert (ours != others).any() == (apm_strength > 0)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("first_chunk, num_frames_before", [(1, 16), (3, 32)])
def test_an_interrupted_video_resumes_with_identical_frames(
    stack, config, scheduler, first_chunk, num_frames_before
):
    config = replace(config, scheduler=scheduler, num_chunks=5)
    whole = frames_of(stack, config)
    memory = memory_of(whole[:num_frames_before])
    rest = chunks_of(stack, config, first_chunk=first_chunk, memory=memory)
    assert rest[0].start_frame == num_frames_before
    np.testing.assert_array_equal(
        np.concatenate([chunk.frames for chunk in rest]), whole[num_frames_before:]
    )


@pytest.mark.parametrize("first_chunk, has_memory", [(0, True), (2, False), (-1, False)])
def test_resuming_needs_a_memory_and_starting_none(stack, config, first_chunk, has_memory):
    memory = memory_of(np.zeros((16, 20, 28, 3), np.uint8)) if has_memory else None
    with pytest.raises(ConfigError, match="give both to resume"):
        next(stream(stack, config, first_chunk=first_chunk, memory=memory))


def test_yielded_frames_are_released(stack, config):
    """All but the first chunk, which holds the anchor, and the last, which conditions the next."""
    references = []
    for event in stream(stack, replace(config, num_chunks=5)):
        if isinstance(event, Chunk):
            references.append(weakref.ref(event.frames))
            gc.collect()
            alive = [i for i, frames in enumerate(references) if frames() is not None]
            # The chunk before the last is let go as soon as the stream continues.
            assert set(alive) <= {0, event.index - 1, event.index}


def test_memory_does_not_grow_with_the_video(stack, config):
    sizes = []
    for event in stream(stack, replace(config, num_chunks=7, num_inference_steps=1)):
        if isinstance(event, Chunk):
            gc.collect()
            sizes.append(size_of_all_tensors())
    assert len(set(sizes[2:])) == 1


def size_of_all_tensors():
    tensors = [thing for thing in gc.get_objects() if type(thing) is torch.Tensor]
    return len(tensors), sum(tensor.nbytes for tensor in tensors)


def test_unknown_words_give_one_notice_that_names_them(stack, config):
    config = replace(config, prompt="a red elephant and a Zebra, one elephant", num_chunks=1)
    notices = [event for event in stream(stack, config) if isinstance(event, Notice)]
    assert Notice("The small model does not know 'elephant', 'zebra'.") in notices
    assert sum("not know" in notice.text for notice in notices) == 1


def test_unknown_words_of_the_negative_prompt_are_named_too(stack, config):
    config = replace(config, negative_prompt="blurry", num_chunks=1)
    first = next(stream(stack, config))
    assert first == Notice("The small model does not know 'blurry'.")


def test_a_negative_prompt_that_guidance_does_not_read_gives_a_notice(stack, config):
    config = replace(config, negative_prompt="a blue elephant", guidance_scale=1, num_chunks=1)
    notices = [event.text for event in stream(stack, config) if isinstance(event, Notice)]
    assert notices == ["The small model reads no negative prompt at guidance scale 1."]


def test_a_prompt_that_does_not_fit_gives_a_notice(stack, config):
    config = replace(config, prompt="a red star moving left over the sky", num_chunks=1)
    assert next(stream(stack, config)) == Notice(
        "The prompt is too long: its last 3 tokens are not read."
    )


def test_a_prompt_that_is_understood_gives_no_notice(stack, config):
    assert isinstance(next(stream(stack, config)), StepDone)


def test_a_prompt_change_leaves_earlier_chunks_unchanged(stack, config):
    config = replace(config, num_chunks=4)
    plain = chunks_of(stack, config)
    changed = chunks_of(stack, replace(config, prompt=f"0: {config.prompt} / 2: a blue ring"))
    same = [(a.frames == b.frames).all() for a, b in zip(plain, changed, strict=True)]
    assert same == [True, True, False, False]


def test_resuming_after_a_prompt_change_gives_the_same_frames(stack, config):
    config = replace(config, num_chunks=4, prompt="0: a red star / 2-4: a blue ring")
    whole = frames_of(stack, config)
    rest = frames_of(stack, config, first_chunk=3, memory=memory_of(whole[:32]))
    np.testing.assert_array_equal(rest, whole[32:])


def test_a_blend_is_neither_of_its_prompts(stack, config):
    config = replace(config, num_chunks=2)
    prompts = ("a red star", "0: a red star / 1-2: a blue ring", "0: a red star / 1: a blue ring")
    videos = [frames_of(stack, replace(config, prompt=prompt)) for prompt in prompts]
    for a, b in itertools.pairwise([*videos, videos[0]]):
        assert (a[:16] == b[:16]).all() and (a[16:] != b[16:]).any()


def test_a_later_seed_draws_what_a_video_with_this_seed_does(stack, config):
    config = replace(config, num_chunks=4, use_cam=False, apm_strength=0)
    ours = chunks_of(stack, replace(config, reseed="2: 99"))
    before, after = (chunks_of(stack, replace(config, seed=seed)) for seed in (7, 99))
    for chunk, expected in zip(ours, [*before[:2], *after[2:]], strict=True):
        np.testing.assert_array_equal(chunk.frames, expected.frames)


def test_a_prompt_that_is_never_reached_gives_a_notice(stack, config):
    config = replace(config, num_chunks=1, prompt="0: a red star / 3: a blue ring")
    assert next(stream(stack, config)) == Notice(
        "The prompt for chunk 3 is not reached: the video has 1 chunks, counted from 0."
    )


def fill_with_nan(network):
    next(network.parameters()).data.fill_(float("nan"))


def test_values_that_are_no_numbers_fail_in_their_chunk_and_earlier_chunks_are_kept(stack, config):
    made = []
    with pytest.raises(NotFiniteError, match=r"no numbers in chunk 2\..*float32"):
        for event in stream(stack, config):
            if isinstance(event, Chunk):
                made.append(event.index)
                if event.index == 1:
                    fill_with_nan(stack.unet)
    assert made == [0, 1]


@pytest.mark.parametrize("image_first", [False, True])
def test_values_that_are_no_numbers_fail_in_the_first_chunk(config, image_first):
    stack = replace(new_stack(), image_first=image_first)
    fill_with_nan(stack.initial_unet)
    with pytest.raises(NotFiniteError, match=r"no numbers in chunk 0\."):
        chunks_of(stack, config)


def test_pixels_that_are_no_numbers_fail_in_their_chunk(stack, config):
    """Latents may be finite where the decoder overflows; its frames were black."""
    made = []
    with pytest.raises(NotFiniteError, match=r"no numbers in chunk 2\."):
        for event in stream(stack, config):
            if isinstance(event, Chunk):
                made.append(event.index)
                if event.index == 1:
                    fill_with_nan(stack.autoencoder.vae.decoder)
    assert made == [0, 1]
