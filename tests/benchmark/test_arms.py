"""Every arm of the benchmark draws a video, from what it says that it reads and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from t2v.errors import ConfigError
from t2v.evaluation.arms.catalogue import ARMS, find_arms
from t2v.evaluation.arms.continuation import frames_of
from t2v.evaluation.arms.drawing import DRAW, trained_parameters
from t2v.evaluation.arms.replacement import hold
from t2v.evaluation.arms.task import Task
from t2v.evaluation.arms.windowed import flat, fuse_windows, pyramid, repeat_shuffled
from t2v.evaluation.benchmark.suites import LARGE_CONTROLS
from t2v.evaluation.samples import generate
from t2v.pipeline.denoising import denoise, guided, make_scheduler
from t2v.pipeline.streaming_t2v import stream
from t2v.settings.config import GenerationConfig
from t2v.training.networks import SCHEDULE
from t2v.worlds import find_world
from tests.support.small_refiner import new_refiner
from tests.support.small_stack import new_stack, noise


CONFIG = GenerationConfig(
    prompt="a red star",
    num_chunks=3,
    num_inference_steps=2,
    guidance_scale=1.0,
    scheduler="unipc",
    seed=5,
)
NUM_FRAMES = 32
WORLD = find_world("shapes")


def unused(*_):
    raise AssertionError("this arm needs nothing else")


UNUSED = dict.fromkeys(("refiner", "baseline", "conditioned"), unused)
ALONE = [name for name, arm in ARMS.items() if not arm.needs and not arm.refined]
CONTINUING = [name for name in ALONE if ARMS[name].shares_first_chunk]


@pytest.fixture(scope="module")
def stack():
    return new_stack()


@pytest.fixture(scope="module")
def first_chunk(stack):
    return generate(stack, replace(CONFIG, num_chunks=1))


@pytest.fixture(scope="module")
def draw(stack, first_chunk):
    """Draws with an arm: draw("cam"), draw("cam", first_chunk=other)."""
    known = {}

    def draw(arm, config=CONFIG, **changes):
        if changes or config != CONFIG:
            return new(arm, config, **changes)
        if arm not in known:
            known[arm] = new(arm, config)
        return known[arm]

    def new(arm, config, **changes):
        task = Task(
            stack=stack,
            config=config,
            first_chunk=first_chunk,
            preview=lambda: np.concatenate(list(DRAW["cam"](task))),
            **UNUSED,
        )
        return np.concatenate(list(DRAW[arm](replace(task, **changes))))

    return draw


def test_every_arm_of_the_catalog_can_be_drawn():
    assert ARMS.keys() == DRAW.keys()


@pytest.mark.parametrize("name", ALONE)
def test_an_arm_draws_enough_frames_and_begins_as_it_says(draw, first_chunk, name):
    video = draw(name)
    assert video.dtype == np.uint8
    assert video.shape[1:] == (20, 28, 3)
    assert NUM_FRAMES <= len(video) < NUM_FRAMES + 16
    begins_alike = np.array_equal(video[:16], first_chunk)
    assert begins_alike == (ARMS[name].shares_first_chunk or name == "shuffled")


def test_an_unknown_arm_is_named_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"--arms must be of cam, no-apm; got camm"):
        find_arms(["cam", "camm"], ("cam", "no-apm"))


def test_cam_is_what_the_app_draws(draw, stack):
    np.testing.assert_array_equal(draw("cam"), generate(stack, CONFIG))


@pytest.mark.parametrize(
    "name, off", [("no-cam", {"use_cam": False}), ("no-apm", {"apm_strength": 0.0})]
)
def test_an_ablation_is_a_setting_of_the_app(draw, stack, name, off):
    np.testing.assert_array_equal(draw(name), generate(stack, replace(CONFIG, **off)))
    assert not np.array_equal(draw(name), draw("cam"))


# How many of the last frames an arm reads besides the anchor; the rest of the chunk is not read.
READ = {
    "cam": 8,
    "cam-4": 4,
    "cam-2": 2,
    "cam-1": 1,
    "last-frame": 1,
    "replacement": 8,
    "last-anchor": 1,
    "no-cam": 0,
    "restart": 0,
}


@pytest.mark.parametrize("name, count", READ.items())
def test_an_arm_reads_its_conditioning_frames_and_no_others(draw, first_chunk, name, count):
    plain = draw(name)[16:]
    if count:
        assert not np.array_equal(draw(name, first_chunk=changed(first_chunk, -count))[16:], plain)
    earlier = changed(first_chunk, -count - 1)
    np.testing.assert_array_equal(draw(name, first_chunk=earlier)[16:], plain)


def changed(frames, index):
    """The frames with one of them upside down and inverted."""
    frames = frames.copy()
    frames[index] = 255 - frames[index, ::-1]
    return frames


@pytest.mark.parametrize("name, reads", [("cam", True), ("replacement", True), ("no-apm", False),
                                         ("last-anchor", False), ("restart", False)])  # fmt: skip
def test_the_anchor_is_read_by_arms_with_it_only(draw, first_chunk, name, reads):
    other = draw(name, first_chunk=changed(first_chunk, 0))[16:]
    assert np.array_equal(other, draw(name)[16:]) != reads


def test_restarts_are_different_videos_of_one_prompt(draw, stack):
    video = draw("restart")
    chunks = [video[start : start + 8] for start in (16, 24)]
    assert not np.array_equal(chunks[0], chunks[1])
    other = replace(CONFIG, num_chunks=1, seed=5 + 2_000_000)
    np.testing.assert_array_equal(chunks[1], generate(stack, other)[8:])


@pytest.mark.parametrize("name", ["gen-l", "freenoise"])
@pytest.mark.parametrize("image_first", [False, True])
def test_one_window_is_plain_sampling(stack, name, image_first):
    stack = replace(stack, image_first=image_first)
    config = replace(CONFIG, num_chunks=1)
    plain = np.concatenate(list(frames_of(stream(stack, config))))
    task = Task(stack=stack, config=config, first_chunk=plain, preview=lambda: plain, **UNUSED)
    np.testing.assert_array_equal(np.concatenate(list(DRAW[name](task))), plain)


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_windows_and_held_frames_work_with_guidance(draw, guidance_scale):
    config = replace(CONFIG, guidance_scale=guidance_scale)
    for name in ("gen-l", "replacement"):
        assert len(draw(name, config)) == NUM_FRAMES


def test_frames_are_averages_over_the_windows_that_show_them():
    """Windows of 4 frames at 0, 3 and 5 (of 9) say 10, 20 and 30."""
    says = iter([10.0, 20.0, 30.0])
    fused = fuse_windows(lambda latents, _: torch.full_like(latents, next(says)), flat(4), 3)
    [averages] = fused(torch.zeros(1, 2, 9, 3, 5), torch.tensor(7)).mean(dim=(1, 3, 4))
    assert averages.tolist() == [10, 10, 10, 15, 20, 25, 25, 30, 30]


def test_middles_of_windows_count_most():
    assert pyramid(5).tolist() == [1, 2, 3, 2, 1]
    says = iter([0.0, 10.0])
    fused = fuse_windows(lambda latents, _: torch.full_like(latents, next(says)), pyramid(3), 1)
    [averages] = fused(torch.zeros(1, 2, 4, 3, 5), torch.tensor(7)).mean(dim=(1, 3, 4))
    assert averages.tolist() == pytest.approx([0, 10 / 3, 20 / 3, 10])


def test_freenoise_repeats_the_noise_in_another_order():
    before = noise(1, 2, 14, 3, 5)
    after = repeat_shuffled(before, torch.Generator().manual_seed(1), window=6, stride=4)
    torch.testing.assert_close(after[:, :, :6], before[:, :, :6])
    sources = [
        next(j for j in range(i) if torch.equal(after[:, :, i], after[:, :, j])) % 6
        for i in range(6, 14)
    ]
    assert {*sources[:4]} == {0, 1, 2, 3}
    assert sources[:4] != [0, 1, 2, 3]


@pytest.mark.parametrize("scheduler", ["ddim", "unipc", "dpmsolver++"])
@pytest.mark.parametrize("prediction_type", ["v_prediction", "epsilon"])
def test_held_frames_end_as_they_are_known(scheduler, prediction_type):
    """Whatever the network says of them; all other frames do as it says."""
    # Pure noise says nothing of epsilon: such a schedule has no zero terminal SNR.
    zero_snr = prediction_type == "v_prediction"
    schedule = SCHEDULE | {
        "prediction_type": prediction_type,
        "rescale_betas_zero_snr": zero_snr,
    }
    known = noise(1, 2, 3, 5, 7, seed=3)
    sampler = make_scheduler(scheduler, schedule, 4)

    def predict(latents, timestep):
        return torch.cat([torch.sin(3 * latents), torch.cos(latents)])

    held = hold(predict, known, sampler.alphas_cumprod, prediction_type)
    results = [
        [*denoise(guided(network, 2.0), noise(1, 2, 6, 5, 7), sampler, generator())][-1].latents
        for network in (held, predict)
        if sampler.set_timesteps(4) is None
    ]
    torch.testing.assert_close(results[0][:, :, :3], known, atol=2e-3, rtol=0)
    assert (results[1][:, :, :3] - known).abs().mean() > 0.1


def generator():
    return torch.Generator().manual_seed(0)


def test_real_and_shuffled_videos_come_from_the_scene(draw, first_chunk):
    scene = WORLD.sample(np.random.default_rng(0), pair=False, motion="left")
    wide = np.zeros((16, 64, 64, 3), np.uint8)
    real, shuffled = (
        draw(name, scene=scene, world=WORLD, first_chunk=wide) for name in ("real", "shuffled")
    )
    truth = WORLD.draw([scene], np.arange(32.0)[None])[0].numpy()
    np.testing.assert_array_equal(real, truth)
    np.testing.assert_array_equal(shuffled[:16], truth[:16])
    assert sorted(map(hash_of, shuffled)) == sorted(map(hash_of, truth))
    assert not np.array_equal(shuffled[16:24], truth[16:24])


def hash_of(frame):
    return hash(frame.tobytes())


def test_nothing_moves_in_a_frozen_video(draw, first_chunk):
    assert (draw("frozen")[16:] == first_chunk[-1]).all()


def test_blendings_refine_the_video_of_cam(draw, stack):
    refiner = new_refiner()
    videos = {
        name: draw(name, refiner=lambda: refiner, preview=lambda: draw("cam"))
        for name, arm in ARMS.items()
        if arm.refined and not arm.needs
    }
    assert {len(video) for video in videos.values()} == {32}
    assert len({video.shape for video in videos.values()}) == 1
    assert len({video.tobytes() for video in videos.values()}) == len(videos)


def test_controls_of_refined_videos_have_their_size(draw, stack):
    refiner = new_refiner()
    scene = WORLD.sample(np.random.default_rng(4), pair=False)
    square = np.zeros((16, 20, 20, 3), np.uint8)
    large = {
        name: draw(name, refiner=lambda: refiner, scene=scene, world=WORLD, first_chunk=square)
        for name in LARGE_CONTROLS
    }
    height, width = refiner.refined_size((20, 20))
    assert {video.shape for video in large.values()} == {(32, height, width, 3)}
    truth = WORLD.draw([scene], np.arange(32.0)[None], size=height)[0].numpy()
    np.testing.assert_array_equal(large["real-large"], truth)
    assert sorted(map(hash_of, large["shuffled-large"])) == sorted(map(hash_of, truth))


def test_parameters_are_counted_for_the_memories_that_an_arm_uses(stack):
    both, cam, apm = (trained_parameters(stack, m) for m in (("cam", "apm"), ("cam",), ("apm",)))
    assert both == cam + apm
    assert apm < cam < sum(p.numel() for p in stack.extractor.parameters()) * 2
    assert trained_parameters(stack, ()) == 0
