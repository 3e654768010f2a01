"""Hashes of weights: every file is read once, and again when it has changed."""

import hashlib
import json
import os

import pytest

from t2v import weight_hashes
from t2v.errors import CheckpointError
from t2v.weight_hashes import KEPT_NAME, hash_weights


LARGE = b"weights " * 17  # with the limit of the tests


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "b.safetensors").write_bytes(LARGE)
    (tmp_path / "a.safetensors").write_bytes(b"small")
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that were read, in order; all files are old enough."""
    reads, hash_file = [], weight_hashes.hash_file

    def counted(path):
        reads.append(path.name)
        return hash_file(path)

    monkeypatch.setattr(weight_hashes, "hash_file", counted)
    monkeypatch.setattr(weight_hashes, "KEPT_BYTES", len(LARGE))
    monkeypatch.setattr(weight_hashes, "SETTLED_NS", -1)
    return reads


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def start_another_process():
    weight_hashes._in_memory.clear()


def test_a_process_reads_every_file_once(folder, reads):
    expected = {"a.safetensors": sha256(b"small"), "unet/b.safetensors": sha256(LARGE)}
    assert [hash_weights(folder) for _ in range(3)] == [expected] * 3
    assert reads == ["a.safetensors", "b.safetensors"]


def test_large_files_are_not_read_by_the_next_process(folder, reads):
    before = hash_weights(folder)
    start_another_process()
    assert hash_weights(folder) == before
    assert reads == ["a.safetensors", "b.safetensors", "a.safetensors"]
    assert [*json.loads((folder / KEPT_NAME).read_bytes())] == ["unet/b.safetensors"]


def replace(path, content):
    new = path.with_name("new")
    new.write_bytes(content)
    os.utime(new, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.replace(new, path)


def overwrite(path, content):
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=times)


@pytest.mark.parametrize("change", [replace, overwrite])
@pytest.mark.parametrize("is_same_process", [True, False])
def test_a_file_of_the_same_size_and_time_with_other_content_is_read(
    folder, reads, change, is_same_process
):
    hash_weights(folder)
    other = LARGE[::-1]
    change(folder / "unet" / "b.safetensors", other)
    if not is_same_process:
        start_another_process()
    for _ in range(2):
        assert hash_weights(folder)["unet/b.safetensors"] == sha256(other)
    assert reads.count("b.safetensors") == 2


def test_a_file_that_may_still_change_is_read_again(folder, reads, monkeypatch):
    monkeypatch.setattr(weight_hashes, "SETTLED_NS", 3600 * 10**9)
    hash_weights(folder), hash_weights(folder)
    assert reads.count("b.safetensors") == 2
    assert not (folder / KEPT_NAME).exists()


def test_a_file_that_changes_while_it_is_read_is_read_again(folder, reads, monkeypatch):
    hash_file = weight_hashes.hash_file

    def change_after(path):
        digest = hash_file(path)
        if len(reads) == 2:
            replace(path, LARGE[::-1])
        return digest

    monkeypatch.setattr(weight_hashes, "hash_file", change_after)
    hash_weights(folder)
    assert hash_weights(folder)["unet/b.safetensors"] == sha256(LARGE[::-1])


@pytest.mark.parametrize(
    "content",
    ["no JSON", "[]", '{"unet/b.safetensors": 7}', '{"unet/b.safetensors": [[1, 2, 3], "x"]}'],
)
def test_a_damaged_list_of_hashes_is_no_reason_to_believe_it(folder, reads, content):
    (folder / KEPT_NAME).write_text(content)
    assert hash_weights(folder)["unet/b.safetensors"] == sha256(LARGE)


def test_what_is_gone_is_forgotten_and_a_folder_may_refuse_the_list(folder, reads, monkeypatch):
    hash_weights(folder)
    (folder / "unet" / "b.safetensors").unlink()
    assert [*hash_weights(folder)] == ["a.safetensors"]
    assert json.loads((folder / KEPT_NAME).read_bytes()) == {}

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("t2v.atomic.os.replace", refuse)
    (folder / "c.safetensors").write_bytes(LARGE)
    assert hash_weights(folder)["c.safetensors"] == sha256(LARGE)


def test_a_file_that_cannot_be_read_is_named(folder):
    (folder / "broken.safetensors").symlink_to(folder / "nowhere")
    with pytest.raises(CheckpointError, match=r"broken\.safetensors cannot be read: No such file"):
        hash_weights(folder)
