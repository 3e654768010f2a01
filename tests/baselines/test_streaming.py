"""Every baseline streams as the paper's stack does: constant memory, exact resuming.

With small random weights in the files that the real ones have.
"""

import resource
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from t2v.baselines.loading import load_baseline
from t2v.baselines.streaming import begin, memory_of_clip, stream
from t2v.errors import CheckpointError, ConfigError, NotFiniteError
from t2v.events import Chunk, LatentMemory, Memory, Notice, Start, StepDone
from tests.support.small_baselines import DENOISERS, FRAME_SIZE, STREAMED
from tests.support.small_stack import count_calls
from tests.support.streamed import live_tensors, same_frames


NUM_STEPS = 2
UNPINNED = {"Skywork/SkyReels-V2-DF-1.3B-540P-Diffusers"}


@pytest.fixture(scope="module", params=STREAMED)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def preset(installed, name):
    return installed(name)


@pytest.fixture(scope="module")
def baseline(loaded, name):
    return loaded(name)


@pytest.fixture(scope="module")
def config(preset):
    return preset.config(prompt="a red star", num_chunks=4, num_inference_steps=NUM_STEPS, seed=5)


def chunks_of(baseline, config, *arguments, **named):
    return [e for e in stream(baseline, config, *arguments, **named) if isinstance(e, Chunk)]


@pytest.fixture(scope="module")
def streamed(baseline, config):
    """The chunks of a video, and all tensors that were left when each was finished."""
    chunks, tensors = [], []
    for event in stream(baseline, config):
        if isinstance(event, Chunk):
            chunks.append(event)
            tensors.append(live_tensors())
    return chunks, tensors


@pytest.fixture(scope="module")
def chunks(streamed):
    return streamed[0]


def memory_after(chunks, baseline):
    if baseline.memory_kind is LatentMemory:
        return chunks[-1].memory
    overlap = baseline.chunking.overlap
    frames = np.concatenate([chunk.frames for chunk in chunks])
    return Memory(cond_frames=frames[-overlap:], anchor_frame=frames[0])


def test_chunks_have_the_geometry_of_the_preset(chunks, preset):
    geometry = preset.chunking
    assert [len(chunk.frames) for chunk in chunks] == [
        geometry.chunk_frames,
        *[geometry.new_frames] * 3,
    ]
    assert [chunk.start_frame for chunk in chunks] == [geometry.num_frames(i) for i in range(4)]
    assert {chunk.frames.shape[1:] for chunk in chunks} == {(*FRAME_SIZE, 3)}
    assert [chunk.stage for chunk in chunks] == ["initialization"] + ["streaming_t2v"] * 3
    assert all(chunk.frames.std() > 5 for chunk in chunks)
    assert not any(same_frames(chunks[1:-1], chunks[2:]))


def test_the_same_seed_gives_the_same_frames_and_another_one_others(baseline, config, chunks):
    short = replace(config, num_chunks=2)
    assert all(same_frames(chunks_of(baseline, short), chunks[:2]))
    assert not any(same_frames(chunks_of(baseline, replace(short, seed=6)), chunks[:2]))


@pytest.mark.parametrize("first_chunk", [1, 3])
def test_an_interrupted_video_resumes_with_the_same_frames(baseline, config, chunks, first_chunk):
    memory = memory_after(chunks[:first_chunk], baseline)
    rest = chunks_of(baseline, config, first_chunk, memory)
    assert [chunk.index for chunk in rest] == list(range(first_chunk, 4))
    assert all(same_frames(rest, chunks[first_chunk:]))


def test_every_frame_that_a_chunk_continues_is_read(baseline, config, chunks):
    """Where latents are remembered, test_framepack.py says the same of them."""
    memory = memory_after(chunks[:3], baseline)
    if isinstance(memory, LatentMemory):
        pytest.skip("remembers latents")
    for number in range(baseline.chunking.overlap):
        changed = memory.cond_frames.copy()
        changed[number] = 255 - changed[number]
        other = chunks_of(baseline, config, 3, replace(memory, cond_frames=changed))
        assert same_frames(other, chunks[3:]) == [False]


def test_nothing_else_of_the_video_is_read(baseline, config, chunks):
    memory = memory_after(chunks[:3], baseline)
    if isinstance(memory, LatentMemory):
        pytest.skip("reads all that it remembers")
    other = replace(memory, anchor_frame=255 - memory.anchor_frame)
    assert all(same_frames(chunks_of(baseline, config, 3, other), chunks[3:]))


def test_no_tensor_is_kept_that_the_next_chunk_does_not_need(streamed):
    _, tensors = streamed
    assert len(set(tensors[1:])) == 1


@pytest.mark.soak
def test_peak_memory_is_the_same_after_10_and_60_chunks(baseline, config, name):
    peaks = {}
    for event in stream(baseline, replace(config, num_chunks=60, num_inference_steps=1)):
        if isinstance(event, Chunk):
            peaks[event.index + 1] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{name}: {peaks[10]} kB after 10 chunks, {peaks[60]} kB after 60")
    assert peaks[60] <= 1.01 * peaks[10]


def test_every_step_is_reported_with_a_picture(baseline, config):
    steps = [e for e in stream(baseline, replace(config, num_chunks=2)) if isinstance(e, StepDone)]
    assert [step.step for step in steps] == [1, 2] * 2
    assert {step.num_steps for step in steps} == {NUM_STEPS}
    scale = baseline.downsampling
    assert {step.picture.shape for step in steps} == {
        (FRAME_SIZE[0] // scale, FRAME_SIZE[1] // scale, 3)
    }
    assert all(step.picture.std() > 0 and step.memory > 0 for step in steps)


def test_closing_stops_within_a_step(baseline, config, name):
    calls = count_calls([baseline.networks[DENOISERS.get(name, "unet")]])
    events = stream(baseline, replace(config, guidance_scale=1.0))
    assert not calls
    next(event for event in events if isinstance(event, StepDone))
    events.close()
    assert len(calls) == 1


def test_another_prompt_gives_another_first_chunk(baseline, config, chunks):
    other = replace(config, prompt="blue sea", num_chunks=1)
    assert same_frames(chunks_of(baseline, other), chunks[:1]) == [False]


def test_a_later_prompt_changes_later_chunks_where_text_is_read(baseline, config, chunks):
    changed = replace(config, prompt="0: a red star / 2: blue sea")
    same = same_frames(chunks_of(baseline, changed), chunks)
    assert same == [True, True, *[not baseline.reads_text] * 2]


def test_another_seed_from_a_chunk_on_redraws_only_what_follows(baseline, config, chunks):
    redrawn = chunks_of(
        baseline, replace(config, reseed="3: 12"), 2, memory_after(chunks[:2], baseline)
    )
    assert same_frames(redrawn, chunks[2:]) == [True, False]


def test_guidance_changes_the_frames(baseline, config, chunks):
    other = chunks_of(baseline, replace(config, guidance_scale=1.0, num_chunks=1))
    assert same_frames(other, chunks[:1]) == [False]


def test_another_size_is_refused(baseline, config, chunks, name):
    with pytest.raises(
        ConfigError, match=rf"the {name} preset draws frames of 16x24 only, got 64x128"
    ):
        next(stream(baseline, replace(config, frame_size=(64, 128))))
    wide = np.repeat(chunks[0].frames, 2, axis=2)
    with pytest.raises(ConfigError, match=r"must have 16 x 24 pixels .*, and have 16 x 48"):
        next(stream(baseline, config, 1, memory_of_clip(baseline, config, wide)))
    with pytest.raises(ConfigError, match="give both"):
        next(stream(baseline, config, 1))


def test_it_goes_on_from_a_clip(baseline, config, chunks):
    """The last frames of the clip are the first chunk; what follows is that of a resumed video."""
    clip = np.concatenate([chunk.frames for chunk in chunks[:2]])
    length = baseline.chunking.chunk_frames
    first, second = (
        event
        for event in begin(baseline, replace(config, num_chunks=2), Start(clip[0], clip))
        if isinstance(event, Chunk)
    )
    assert np.array_equal(first.frames, clip[-length:])
    resumed = chunks_of(
        baseline,
        replace(config, num_chunks=2),
        1,
        memory_of_clip(baseline, config, clip[-length:]),
    )
    assert same_frames([second], resumed) == [True]
    with pytest.raises(ConfigError, match=f"at least {length} frames, and has 3"):
        list(begin(baseline, config, Start(clip[0], clip[:3])))


def test_values_that_are_no_numbers_are_refused(baseline, config, chunks, monkeypatch):
    noise = baseline.noise
    monkeypatch.setattr(baseline, "noise", lambda *which: noise(*which) * torch.nan)
    with pytest.raises(NotFiniteError, match="chunk 1"):
        chunks_of(baseline, config, 1, memory_after(chunks[:1], baseline))


def test_missing_weights_are_named_with_the_command(preset, name, tmp_path):
    folder = shutil.copytree(preset.weights_folder, tmp_path / name)
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    broken = replace(preset, weights=str(folder))
    file = "vae/diffusion_pytorch_model.safetensors"
    assert broken.unavailable == (
        f"{file} of its weights is missing; `longtake download {name}` gets it."
    )
    with pytest.raises(CheckpointError, match=f"{file} is missing; `longtake download {name}`"):
        load_baseline(broken, device="cpu")
    nothing = replace(preset, weights=str(tmp_path / "nothing"))
    assert nothing.unavailable == (
        f"Its weights are not installed; `longtake download {name}` gets them."
    )


def test_weights_of_another_network_are_refused(preset, name, tmp_path):
    """The libraries only warn, and go on with random weights."""
    folder = shutil.copytree(preset.weights_folder, tmp_path / name)
    network = folder / DENOISERS.get(name, "unet")
    for file in network.glob("diffusion_pytorch_model*"):
        file.unlink()
    shutil.copy(folder / "vae" / "diffusion_pytorch_model.safetensors", network)
    with pytest.raises(CheckpointError, match=rf"{network.name} does not fit .* missing"):
        load_baseline(replace(preset, weights=str(folder)), device="cpu")


def test_licences_are_shown_and_revisions_pinned_where_they_are_known(preset):
    assert all(source.is_pinned or source.repo in UNPINNED for source in preset.sources)
    assert all(source.licence in preset.needs for source in preset.sources)


def test_a_prompt_that_is_too_long_is_told(baseline, config):
    long = replace(config, prompt="red star " * 130)
    texts = [e.text for e in stream(baseline, replace(long, num_chunks=1)) if isinstance(e, Notice)]
    assert any("tokens are not read" in text for text in texts)
