import pytest
import torch
from safetensors.torch import save_file

from t2v.errors import CheckpointError
from t2v.models import checkpoints
from t2v.models.apm import AnchorTokens
from t2v.models.cam import FeatureExtractor
from t2v.models.checkpoints import load_weights, save_weights
from t2v.models.streaming_unet import StreamingUNet
from t2v.weights.convert import match_streaming_t2v
from tests.support.small_stack import noise


def new_model():
    return torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.Linear(5, 7))


@pytest.fixture(scope="module")
def full_size_stack():
    with torch.device("meta"):
        unet = StreamingUNet()
        return {
            "unet": unet,
            "extractor": FeatureExtractor(unet),
            "anchor_tokens": AnchorTokens(),
        }


@pytest.fixture
def full_size_weights(goldens):
    keys = goldens.read_json(goldens.facts["keys_full"]["file"])
    return {
        key: torch.empty(shape, device="meta")
        for key, shape in keys.items()
        if key.startswith(("base_model.", "unet.", "resampler."))
    }


def test_the_full_size_stack_has_every_key_of_the_checkpoint(full_size_stack, full_size_weights):
    names = match_streaming_t2v(full_size_weights, full_size_stack)
    places = [theirs for part in names.values() for theirs in part.values()]
    assert sorted(places) == sorted(full_size_weights)
    assert len(places) == 2389
    assert {part: names[part].keys() for part in names} == {
        part: network.state_dict().keys() for part, network in full_size_stack.items()
    }


def test_missing_unexpected_and_wrong_shaped_keys_are_reported(full_size_stack, full_size_weights):
    del full_size_weights["base_model.conv_in.weight"]
    full_size_weights["unet.surprise"] = torch.empty(1)
    full_size_weights["resampler.context_embedding.2.bias"] = torch.empty(3)
    with pytest.raises(CheckpointError) as error:
        match_streaming_t2v(full_size_weights, full_size_stack)
    message = str(error.value)
    assert "1 keys missing (base_model.conv_in.weight)" in message
    assert "1 keys unexpected (unet.surprise)" in message
    assert "resampler.context_embedding.2.bias [3] instead of [16384]" in message


def test_a_long_list_of_keys_is_shortened(full_size_stack):
    with pytest.raises(CheckpointError, match=r"2389 keys missing \(.*, \.\.\.\)"):
        match_streaming_t2v({}, full_size_stack)


@pytest.mark.parametrize("max_file_bytes", [1, 100, 2**20])
def test_saved_weights_are_loaded_again(tmp_path, monkeypatch, max_file_bytes):
    monkeypatch.setattr(checkpoints, "MAX_FILE_BYTES", max_file_bytes)
    saved, loaded = new_model(), new_model()
    save_weights(saved, tmp_path / "model")
    load_weights(loaded, tmp_path / "model")
    x = noise(2, 3)
    assert torch.equal(loaded(x), saved(x))


def test_files_stay_below_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "MAX_FILE_BYTES", 100)
    save_weights(new_model(), tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 3  # 60 + 20, 140, 28 bytes


def test_saving_again_removes_the_old_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "MAX_FILE_BYTES", 1)
    save_weights(new_model(), tmp_path)
    monkeypatch.undo()
    save_weights(new_model(), tmp_path)
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


def test_weights_stored_in_half_precision_load_into_full(tmp_path):
    saved, loaded = new_model(), new_model()
    save_weights(saved, tmp_path, torch.float16)
    load_weights(loaded, tmp_path)
    assert loaded[0].weight.dtype == torch.float32
    torch.testing.assert_close(loaded[0].weight, saved[0].weight, atol=1e-3, rtol=1e-3)


def test_a_model_without_memory_gets_it_from_the_weights(tmp_path):
    saved = new_model()
    save_weights(saved, tmp_path)
    with torch.device("meta"):
        loaded = new_model()
    load_weights(loaded, tmp_path)
    assert torch.equal(loaded[0].weight, saved[0].weight)
    assert loaded[0].weight.requires_grad


def test_weights_that_do_not_fit_change_nothing(tmp_path):
    model = new_model()
    before = model[0].weight.clone()
    save_file({"0.weight": torch.zeros(5, 3)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"does not fit Sequential: 3 keys missing \(0.bias"):
        load_weights(model, tmp_path / "other.safetensors")
    assert torch.equal(model[0].weight, before)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.safetensors", "."])
def test_missing_weights_are_reported(tmp_path, name):
    with pytest.raises(CheckpointError, match="no weights at"):
        load_weights(new_model(), tmp_path / name)


def test_a_damaged_file_is_reported(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match=r"model\.safetensors cannot be read"):
        load_weights(new_model(), tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused_with_the_name_of_the_tensor(tmp_path, value):
    model, saved = new_model(), new_model()
    before = model[0].weight.clone()
    saved[0].bias.data[1] = value
    save_weights(saved, tmp_path)
    with pytest.raises(CheckpointError, match=r"000\.safetensors is damaged: .*\(0\.bias\)$"):
        load_weights(model, tmp_path)
    assert torch.equal(model[0].weight, before)


def test_large_weights_whose_sum_overflows_are_accepted(tmp_path):
    model = new_model()
    model[0].weight.data.fill_(3e38)
    save_weights(model, tmp_path)
    load_weights(new_model(), tmp_path)
