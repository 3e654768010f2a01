"""Where chunks meet: the same noise, and a cut at random."""

from itertools import pairwise

import pytest
import torch

from t2v.pipeline.blending import OwnNoise, RandomCuts, SharedNoise, draw_cut
from t2v.pipeline.windows import Window, blend
from t2v.settings.chunking import Chunking


CHUNK_FRAMES, OVERLAP = 24, 8
SHAPE = (5, 3, 7)
WINDOWS = [
    Window(0, 0, 0, 0, 24, is_last=False),
    Window(1, 16, 16, 24, 40, is_last=False),
    Window(2, 32, 32, 40, 56, is_last=False),
    Window(3, 37, 48, 56, 61, is_last=True),  # moved back, with 11 frames of context
]
STEPS = [None, 0, 1]


def new_noise(kind, seed=7):
    return kind(seed, Chunking(CHUNK_FRAMES, OVERLAP), SHAPE)


@pytest.mark.parametrize("step", STEPS)
def test_shared_noise_belongs_to_the_frame(step):
    noise = new_noise(SharedNoise)
    video = noise(Window(0, 0, 0, 0, 61, is_last=True), step)
    assert video.shape == (1, 5, 61, 3, 7)
    for window in WINDOWS:
        assert torch.equal(noise(window, step), video[:, :, window.start : window.stop])


def test_every_frame_has_its_own_noise():
    video = new_noise(SharedNoise)(Window(0, 0, 0, 0, 61, is_last=True))[0]
    correlation = torch.corrcoef(video.transpose(0, 1).flatten(1))
    assert (correlation - torch.eye(61)).abs().max() < 0.5
    assert video.std().item() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("step", STEPS)
def test_own_noise_is_not_shared(step):
    noise = new_noise(OwnNoise)
    for left, right in pairwise(WINDOWS):
        shared = noise(left, step)[:, :, right.start - left.start :], noise(right, step)
        assert (shared[0] != shared[1][:, :, : shared[0].shape[2]]).all()


@pytest.mark.parametrize("kind", [OwnNoise, SharedNoise])
def test_noise_differs_by_chunk_step_and_seed(kind):
    draws = [
        new_noise(kind, seed)(window, step)
        for seed in (7, 8)
        for window in (WINDOWS[0], WINDOWS[2])
        for step in STEPS
    ]
    assert len({tuple(draw[0, :, 0, 0, 0].tolist()) for draw in draws}) == len(draws)


@pytest.mark.parametrize("kind", [OwnNoise, SharedNoise])
def test_noise_is_reproducible(kind):
    torch.manual_seed(0)
    first = new_noise(kind)(WINDOWS[1], 1)
    assert torch.equal(new_noise(kind)(WINDOWS[1], 1), first)


@pytest.mark.parametrize(
    "rule, expected",
    [
        ("paper", [1 - f / (OVERLAP + 1) for f in range(1, OVERLAP + 1)]),
        ("authors", [1 - f / OVERLAP for f in range(1, OVERLAP + 1)]),
    ],
)
def test_the_left_chunk_fades_out_linearly(rule, expected):
    rng = torch.Generator().manual_seed(0)
    left, right = torch.ones(1, 1, 24, 1, 1), torch.zeros(1, 1, 24, 1, 1)
    draws = [blend(left, right, OVERLAP, draw_cut(rule, OVERLAP, rng)) for _ in range(4000)]
    share_of_left = torch.cat(draws).mean(dim=0).flatten()
    assert share_of_left.shape == (40,)
    assert share_of_left[:16].eq(1).all()
    assert share_of_left[24:].eq(0).all()
    torch.testing.assert_close(share_of_left[16:24], torch.tensor(expected), atol=0.03, rtol=0)


@pytest.mark.parametrize("rule, most", [("paper", OVERLAP), ("authors", OVERLAP - 1)])
def test_cuts_differ_by_chunk_and_step(rule, most):
    cuts = RandomCuts(7, rule, OVERLAP)
    window_1 = [cuts(WINDOWS[1], step) for step in range(300)]
    assert set(window_1) == set(range(most + 1))
    assert window_1 != [cuts(WINDOWS[2], step) for step in range(300)]
    assert window_1 == [RandomCuts(7, rule, OVERLAP)(WINDOWS[1], step) for step in range(300)]


def test_context_comes_from_the_left_whatever_the_cut():
    left, right = torch.zeros(1, 1, 24, 1, 1), torch.ones(1, 1, 24, 1, 1)
    window = WINDOWS[3]
    for cut in range(OVERLAP + 1):
        pieces = window.overlay(left, right, cut)
        from_left = window.num_context + cut
        assert pieces.flatten().tolist() == [0] * from_left + [1] * (24 - from_left)
        video = window.append(torch.zeros(1, 1, 56, 1, 1), right, cut)
        assert video.flatten().tolist() == [0] * (48 + cut) + [1] * (13 - cut)
