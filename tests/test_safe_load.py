import pickle

import pytest
import torch
from safetensors.torch import save_file

from t2v.errors import CheckpointError
from t2v.weights.safe_load import read_tensors


WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


class Payload:
    """Writes a file when it is unpickled: what an attacker would put into a checkpoint."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (str(self.target), "w")


def assert_same(weights):
    assert set(weights) == WEIGHTS.keys()
    assert len(weights) == len(WEIGHTS)
    for key, tensor in WEIGHTS.items():
        assert torch.equal(weights[key], tensor)


@pytest.mark.parametrize("is_zip", [True, False], ids=["new", "before torch 1.6"])
@pytest.mark.parametrize("is_lightning", [True, False], ids=["Lightning", "bare"])
def test_pickles_of_torch_and_of_lightning_are_read(tmp_path, is_zip, is_lightning):
    content = WEIGHTS
    if is_lightning:
        content = {"epoch": 3, "state_dict": WEIGHTS, "optimizer_states": [{"state": {}}]}
    path = tmp_path / "model.ckpt"
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    assert_same(read_tensors(path))


def test_safetensors_are_read(tmp_path):
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    weights = read_tensors(tmp_path / "model.safetensors")
    assert_same(weights)
    with pytest.raises(KeyError):
        weights["b"]


def test_tensors_stay_on_the_disk_until_they_are_used(tmp_path):
    """A checkpoint may be larger than the memory: what is written to the file later is seen."""
    path = tmp_path / "model.ckpt"
    torch.save({"a": torch.full((4096,), 7.0)}, path)
    weights = read_tensors(path)
    content = path.read_bytes()
    begin = content.index(torch.full((4096,), 7.0).numpy().tobytes())
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(torch.full((4096,), 8.0).numpy().tobytes())
    assert weights["a"].eq(8).all()


@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("place", ["a.weight", "hyper_parameters"])
def test_a_pickle_with_code_is_refused_and_not_executed(tmp_path, place, is_zip):
    target = tmp_path / "owned"
    content = {"state_dict": dict(WEIGHTS)}
    (content if place == "hyper_parameters" else content["state_dict"])[place] = Payload(target)
    path = tmp_path / "model.ckpt"
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    with pytest.raises(CheckpointError, match=r"^model\.ckpt is refused: it holds \S*open, which"):
        read_tensors(path)
    assert not target.exists()


def test_the_refused_payload_would_have_run(tmp_path):
    """Else the test above says nothing."""
    pickle.loads(pickle.dumps(Payload(tmp_path / "owned"))).close()
    assert (tmp_path / "owned").exists()


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04 broken", b"not weights", b"\x80\x02"])
@pytest.mark.parametrize("name", ["model.ckpt", "model.safetensors"])
def test_a_damaged_file_is_reported(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"model\.(ckpt|safetensors) (cannot be read|is refus)"
    ):
        read_tensors(tmp_path / name)


def test_an_incomplete_file_is_reported(tmp_path):
    path = tmp_path / "model.ckpt"
    torch.save(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(CheckpointError, match=r"model\.ckpt cannot be read"):
        read_tensors(path)


@pytest.mark.parametrize("name", ["model.ckpt", "model.safetensors"])
def test_a_missing_file_is_reported(tmp_path, name):
    with pytest.raises(CheckpointError, match=r"cannot be read: .*[Nn]o such file"):
        read_tensors(tmp_path / name)


@pytest.mark.parametrize("content", [[1, 2], {"a": 3}, {"state_dict": [1]}, torch.ones(3)])
def test_other_content_than_tensors_by_name_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "model.ckpt")
    with pytest.raises(CheckpointError, match="holds no table of tensors by name"):
        read_tensors(tmp_path / "model.ckpt")
