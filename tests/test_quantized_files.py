"""Quantized weights on the disk: half the size of half precision, rounded once."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from t2v.errors import CheckpointError
from t2v.models.checkpoints import (
    count_weights,
    load_weights,
    quantize_weights,
    read_weights,
    save_weights,
    write_weights,
)


def new_model() -> nn.Module:
    return nn.Sequential(nn.Conv2d(5, 7, 3), nn.Linear(11, 13), nn.LayerNorm(3), nn.Embedding(9, 5))


def test_every_weight_is_restored_to_half_a_step_of_its_row(tmp_path):
    torch.manual_seed(3)
    saved, loaded = new_model(), new_model()
    save_weights(saved, tmp_path, torch.int8)
    load_weights(loaded, tmp_path)
    for key, weight in saved.state_dict().items():
        error = (loaded.state_dict()[key] - weight).abs()
        if weight.ndim < 2:
            assert torch.all(error <= 1e-3 * weight.abs()), key
        else:
            steps = weight.flatten(1).abs().amax(1) / 127
            assert torch.all(error.flatten(1).amax(1) <= 0.501 * steps), key


def test_files_have_half_the_size_of_half_precision(tmp_path):
    model = nn.Linear(301, 203)
    save_weights(model, tmp_path / "half", torch.float16)
    save_weights(model, tmp_path / "eight", torch.int8)
    half, eight = (
        next((tmp_path / name).glob("*.safetensors")).stat().st_size for name in ("half", "eight")
    )
    assert eight < 0.52 * half


def test_rounding_again_changes_nothing(tmp_path):
    torch.manual_seed(5)
    first, second = nn.Sequential(new_model(), nn.Linear(2, 3000)), new_model()
    second = nn.Sequential(second, nn.Linear(2, 3000))
    save_weights(first, tmp_path / "once", torch.int8)
    load_weights(second, tmp_path / "once")
    save_weights(second, tmp_path / "twice", torch.int8)
    once, twice = (load_file(tmp_path / name / "000.safetensors") for name in ("once", "twice"))
    assert once.keys() == twice.keys()
    assert all(torch.equal(once[key], twice[key]) for key in once)


def test_rows_of_zeros_and_whole_numbers_are_kept(tmp_path):
    weights = {
        "zeros": torch.zeros(3, 5),
        "one row": torch.tensor([[0.0, 0.0], [1.0, -2.0]]),
        "count": torch.tensor([[7, 300]]),
    }
    write_weights(weights.items(), tmp_path, torch.int8, max_file_bytes=1)
    read = read_weights(tmp_path)
    for name, weight in weights.items():
        torch.testing.assert_close(read[name], weight, rtol=0.01, atol=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_no_numbers_are_found_when_they_are_read(tmp_path, value):
    model = nn.Linear(5, 3)
    model.weight.data[1, 2] = value
    save_weights(model, tmp_path, torch.int8)
    with pytest.raises(CheckpointError, match=r"is damaged: .*\(weight\)$"):
        load_weights(nn.Linear(5, 3), tmp_path)


def test_numbers_that_half_precision_cannot_hold_are_refused(tmp_path):
    with pytest.raises(
        CheckpointError, match=r"^bias has values that torch\.float16 cannot hold; use bfloat16$"
    ):
        write_weights([("bias", torch.tensor([1e6]))], tmp_path, torch.int8, max_file_bytes=100)


@pytest.mark.parametrize(
    "tensors, fault",
    [
        ({"a::scale": torch.ones(3)}, "integers without scales, or scales without integers"),
        ({"a": torch.zeros(3, 2, dtype=torch.int8)}, "integers without scales"),
        ({"a": torch.zeros(3, 2), "a::scale": torch.ones(3)}, "scales without integers"),
        (
            {"a": torch.zeros(4, 2, dtype=torch.int8), "a::scale": torch.ones(3)},
            "4 rows and 3 scales",
        ),
    ],
)
def test_integers_and_scales_that_do_not_belong_together_are_a_damaged_file(
    tmp_path, tensors, fault
):
    save_file(tensors, tmp_path / "000.safetensors")
    with pytest.raises(CheckpointError, match=rf"000\.safetensors cannot be read: a has .*{fault}"):
        read_weights(tmp_path)


def test_a_model_is_rounded_to_what_its_file_will_hold(tmp_path):
    torch.manual_seed(7)
    model, loaded = new_model(), new_model()
    quantize_weights(model)
    save_weights(model, tmp_path, torch.int8)
    load_weights(loaded, tmp_path)
    for key, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], weight), key


def test_numbers_of_weights_are_counted_without_reading_them(tmp_path):
    save_weights(nn.Linear(11, 13), tmp_path, torch.float16)
    assert count_weights(tmp_path) == 11 * 13 + 13
    (tmp_path / "001.safetensors").write_bytes(b"version https://git-lfs")
    with pytest.raises(CheckpointError, match=r"001\.safetensors cannot be read"):
        count_weights(tmp_path)
