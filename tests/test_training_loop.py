import itertools
import json

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing
from torch import nn

from t2v.training import loop
from t2v.training.loop import WARM_UP_STEPS, Average, learning_rate_factor, run_stage


CPU = torch.device("cpu")


class LineStage:
    """Fits the line y = 3x - 1. `dies_at`: the step whose batch is never drawn."""

    name = "line"
    learning_rate = 0.3
    last_rate = 0.1

    def __init__(self, num_steps, dies_at=None):
        self.num_steps = num_steps
        self.dies_at = dies_at
        self.first_numbers = []  # of every batch that was drawn
        self.model = nn.ModuleDict({"line": nn.Linear(1, 1), "frozen": nn.Linear(1, 1)})
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.fill_(0.5)

    def parameter_groups(self):
        return [{"params": list(self.model["line"].parameters())}]

    def draw(self, rng, batch_scale):
        if len(self.first_numbers) == self.dies_at:
            raise KeyboardInterrupt
        x = torch.tensor(rng.normal(size=(13, 1)), dtype=torch.float32)
        self.first_numbers.append(x[0, 0].item())
        return x

    def losses(self, x):
        y = self.model["frozen"](self.model["line"](x)).float()
        # Some randomness of a step comes from torch, not from the batch.
        return {"loss": (y - 3 * x + 1 + 0.01 * torch.randn_like(x)).square().mean()}

    def sheet(self, model):
        return np.zeros((5, 7, 3), np.uint8)


class BlurStage(LineStage):
    """Trains a convolution in channels-last layout; every batch is the same."""

    learning_rate = 0.01

    def __init__(self, num_steps):
        self.num_steps = num_steps
        torch.manual_seed(3)
        self.model = nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)
        self.pixels, self.expected = torch.randn(2, 3, 7, 9), torch.randn(2, 5, 5, 7)

    def parameter_groups(self):
        return [{"params": list(self.model.parameters())}]

    def draw(self, rng, batch_scale):
        return self.pixels

    def losses(self, pixels):
        return {"loss": (self.model(pixels).float() - self.expected).square().mean()}


def train_together(rank, folder):
    loop.WARM_UP_STEPS, loop.CHECKPOINT_SECONDS = 1, -1.0  # this process has no fixtures
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2
    )
    run_stage(BlurStage(4), folder / "two", CPU, seed=5)
    dist.destroy_process_group()


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    """No warm-up; a log line and a checkpoint at every step."""
    monkeypatch.setattr(loop, "WARM_UP_STEPS", 1)
    monkeypatch.setattr(loop, "LOG_STEPS", 1)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", -1.0)


def log_of(folder):
    return [json.loads(line) for line in (folder / "line.jsonl").read_text().splitlines()]


def values_of(model):
    return torch.cat([parameter.flatten() for parameter in model.parameters()])


def test_the_loss_falls(tmp_path):
    run_stage(LineStage(90), tmp_path, CPU, seed=5)
    losses = [entry["loss"] for entry in log_of(tmp_path)]
    assert losses[-1] < 0.05 * losses[0]


def test_a_stage_writes_log_checkpoint_and_sheet(tmp_path):
    run_stage(LineStage(3), tmp_path, CPU, seed=5)
    assert {path.name for path in tmp_path.iterdir()} == {"line.jsonl", "line.pt", "line.png"}
    assert [entry["step"] for entry in log_of(tmp_path)] == [1, 2, 3]


def test_a_killed_stage_resumes_with_identical_weights(tmp_path):
    whole = LineStage(11)
    expected = run_stage(whole, tmp_path / "whole", CPU, seed=5)

    first = LineStage(11, dies_at=4)
    with pytest.raises(KeyboardInterrupt):
        run_stage(first, tmp_path / "killed", CPU, seed=5)
    second = LineStage(11)
    averaged = run_stage(second, tmp_path / "killed", CPU, seed=5)

    assert first.first_numbers + second.first_numbers == whole.first_numbers
    assert [entry["step"] for entry in log_of(tmp_path / "killed")] == list(range(1, 12))
    assert torch.equal(values_of(second.model), values_of(whole.model))
    assert torch.equal(values_of(averaged), values_of(expected))


def test_a_finished_stage_is_not_trained_again(tmp_path):
    expected = run_stage(LineStage(5), tmp_path, CPU, seed=5)
    again = LineStage(5)
    averaged = run_stage(again, tmp_path, CPU, seed=5)
    assert again.first_numbers == []
    assert torch.equal(values_of(averaged), values_of(expected))


def test_two_processes_train_the_same_weights_as_one(tmp_path):
    """Averaged gradients once had another memory layout than the weights."""
    run_stage(BlurStage(4), tmp_path / "one", CPU, seed=5)
    torch.multiprocessing.spawn(train_together, args=(tmp_path,), nprocs=2)
    alone, together = (
        torch.load(tmp_path / name / "line.pt", weights_only=True)["model"]["weight"]
        for name in ("one", "two")
    )
    assert (alone - BlurStage(4).model.weight).abs().max() > 0.02  # the weights were trained
    assert torch.allclose(alone, together, atol=1e-4)


def test_every_step_and_seed_draws_different_batches(tmp_path):
    stages = [LineStage(7), LineStage(7)]
    for seed, stage in enumerate(stages):
        run_stage(stage, tmp_path / str(seed), CPU, seed=seed)
    numbers = stages[0].first_numbers + stages[1].first_numbers
    assert len(set(numbers)) == 14


def test_parameters_in_no_group_stay_frozen(tmp_path):
    """Their gradients once accumulated, and counted when the others were clipped."""
    stage = LineStage(4)
    run_stage(stage, tmp_path, CPU, seed=5)
    for parameter in stage.model["frozen"].parameters():
        assert parameter.item() == pytest.approx(0.5)
        assert parameter.grad is None


def test_parameters_in_a_group_are_trained_even_if_frozen_before(tmp_path):
    stage = LineStage(4)
    stage.model.requires_grad_(False)
    before = values_of(stage.model["line"]).clone()
    run_stage(stage, tmp_path, CPU, seed=5)
    assert (values_of(stage.model["line"]) != before).all()


def test_the_learning_rate_warms_up_stays_flat_and_decays(monkeypatch):
    monkeypatch.setattr(loop, "WARM_UP_STEPS", WARM_UP_STEPS)
    factors = [learning_rate_factor(step, 1500, last=0.3) for step in range(1501)]
    assert factors[0] == pytest.approx(1 / WARM_UP_STEPS)
    assert factors[WARM_UP_STEPS : 1500 // 3] == [1.0] * (1500 // 3 - WARM_UP_STEPS)
    assert factors[-1] == pytest.approx(0.3)
    assert all(a >= b for a, b in itertools.pairwise(factors[500:]))


def test_the_average_moves_fast_at_first_and_slowly_later():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    early, late = Average(model), Average(model)
    nn.init.ones_(model.weight)
    early.update(model, step=1)
    late.update(model, step=100_000)
    assert early.model.weight.item() == pytest.approx(1 - 2 / 11)
    assert late.model.weight.item() == pytest.approx(0.001)
