"""Batches of a step, and their gradients."""

import numpy as np
import pytest
import torch
from torch import nn

from t2v.training.batches import batches, mean_of, scaled_size
from t2v.training.clips import token_ids
from t2v.training.gradients import Gradients
from t2v.training.networks import NUM_TEXT_TOKENS, new_tokenizer
from t2v.worlds import find_world
from t2v.worlds.shapes.scenes import sample_scene


CPU = torch.device("cpu")


class NoisyStage:
    """A quadratic whose minimum is the mean of a batch; batches have two structures."""

    name = "noisy"

    def __init__(self, device=CPU):
        self.model = nn.Linear(3, 1, bias=False).to(device)
        self.unused = nn.Parameter(torch.ones(2, device=device))

    def draw(self, rng, batch_scale):
        x = torch.from_numpy(rng.standard_normal((scaled_size(5, batch_scale), 3), np.float32))
        return {"x": x, "flag": None} if rng.random() < 0.5 else {"x": x}

    def losses(self, batch):
        y = self.model(batch["x"]).float()
        extra = (self.unused * batch["x"].mean()).sum() if "flag" in batch else 0.0
        return {"loss": y.square().mean() + extra}


def test_a_share_of_a_batch_is_never_empty():
    assert [scaled_size(32, 1 / 2), scaled_size(32, 4.0), scaled_size(4, 1 / 64)] == [16, 128, 1]


def test_the_batch_of_a_step_depends_only_on_its_number():
    whole = list(batches(NoisyStage(), range(7), seed=3, rank=0, batch_scale=1.0, device=CPU))
    rest = list(batches(NoisyStage(), range(4, 7), seed=3, rank=0, batch_scale=1.0, device=CPU))
    for (seed, batch), (other_seed, other) in zip(whole[4:], rest, strict=True):
        assert seed == other_seed
        assert torch.equal(batch["x"], other["x"])
    assert len({seed for seed, _ in whole}) == 7


def test_processes_draw_different_shares():
    first, second = (
        next(iter(batches(NoisyStage(), range(1), 3, rank, 0.5, CPU)))[1]["x"] for rank in (0, 1)
    )
    assert len(first) == len(second) == 2
    assert not torch.equal(first, second)


def test_the_mean_of_no_chosen_value_is_nan():
    values = torch.tensor([1.0, 2.0, float("inf"), 6.0])
    assert mean_of(values, torch.tensor([True, False, False, True])).item() == 3.5
    assert mean_of(values, torch.zeros(4, dtype=torch.bool)).isnan()


def test_long_captions_are_cut_and_short_ones_padded():
    rng = np.random.default_rng(0)
    tokenizer = new_tokenizer(find_world("shapes"))
    scenes = [sample_scene(rng, pair=True, scroll="left", pattern="striped") for _ in range(300)]
    lengths = [len(tokenizer(scene.caption, truncation=False).input_ids) for scene in scenes]
    assert min(lengths) < NUM_TEXT_TOKENS < max(lengths)
    assert token_ids(tokenizer, scenes).shape == (300, NUM_TEXT_TOKENS)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_recorded_gradients_belong_to_the_current_batch():
    device = torch.device("cuda")
    stage = NoisyStage(device)
    trained = [*stage.model.parameters(), stage.unused]
    optimiser = torch.optim.AdamW(trained, 0.0)
    gradients = Gradients(stage, optimiser, device)
    for _, batch in batches(stage, range(9), seed=3, rank=0, batch_scale=1.0, device=device):
        loss = gradients(batch)["loss"]
        with torch.autocast("cuda", torch.bfloat16):
            moved = {name: None if x is None else x.to(device) for name, x in batch.items()}
            expected = stage.losses(moved)["loss"]
        expected_gradients = torch.autograd.grad(expected, trained, allow_unused=True)
        assert torch.allclose(loss, expected.detach(), atol=1e-2)
        for parameter, gradient in zip(trained, expected_gradients, strict=True):
            gradient = torch.zeros_like(parameter) if gradient is None else gradient
            assert torch.allclose(parameter.grad, gradient, atol=1e-2)
