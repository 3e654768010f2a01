"""`t2v download`, with the network replaced by a folder."""

import hashlib
import json
import re
import shutil
from collections import namedtuple
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

from t2v import cli
from t2v.errors import CheckpointError, PresetError
from t2v.settings import presets
from t2v.settings.presets import list_presets
from t2v.weights import download, hub
from t2v.weights.install import install
from tests.support.small_modelscope import (
    COMMIT,
    install_small,
    new_networks,
    small_preset,
    write_home,
)


CHECKPOINT = "streaming_t2v.ckpt"


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    write_home(folder, new_networks(tmp_path_factory.mktemp("configs")))
    return folder


class FakeHub:
    """huggingface.co, its client and its cache: at the edge where the network begins."""

    def __init__(self, home, cache):
        self.home, self.cache = home, cache
        self.asked, self.downloaded = [], []
        self.is_down = False

    def model_info(self, repo, *, revision, files_metadata, timeout):
        if self.is_down:
            raise OfflineModeIsEnabled("no route to host")
        self.asked.append((repo, revision))
        paths = [path for path in (self.home / repo).rglob("*") if path.is_file()]
        return SimpleNamespace(sha=COMMIT, siblings=[self.sibling(repo, path) for path in paths])

    def sibling(self, repo, path):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return SimpleNamespace(
            rfilename=str(path.relative_to(self.home / repo)),
            size=path.stat().st_size,
            lfs=SimpleNamespace(sha256=digest)
            if path.suffix in (".ckpt", ".safetensors")
            else None,
        )

    def place(self, repo, revision, name):
        folder = f"models--{repo.replace('/', '--')}"
        return self.cache / folder / "snapshots" / revision / name

    def hf_hub_download(self, repo, name, *, revision, token):
        if self.is_down:
            raise LocalEntryNotFoundError("the connection broke")
        path = self.place(repo, revision, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.home / repo / name, path)
        self.downloaded.append(name)
        return str(path)

    def try_to_load_from_cache(self, repo, name, *, revision):
        path = self.place(repo, revision, name)
        return str(path) if path.is_file() else None


@pytest.fixture
def home(originals, tmp_path):
    return shutil.copytree(originals, tmp_path / "home")


@pytest.fixture
def fake_hub(home, tmp_path, monkeypatch):
    fake = FakeHub(home, tmp_path / "cache")
    monkeypatch.setattr(hub, "HfApi", lambda token: fake)
    monkeypatch.setattr(hub, "hf_hub_download", fake.hf_hub_download)
    monkeypatch.setattr(hub, "try_to_load_from_cache", fake.try_to_load_from_cache)
    monkeypatch.setattr(hub, "cache_folder", lambda: fake.cache)
    install_small(monkeypatch)
    return fake


@pytest.fixture
def preset(tmp_path):
    return small_preset(tmp_path / "weights" / "modelscope")


@pytest.fixture
def quiet():
    """What was said."""
    return []


@pytest.fixture
def checksums(preset):
    return lambda: json.loads((preset.weights_folder.parent / "checksums.json").read_text())


def remove_weights(preset):
    shutil.rmtree(preset.weights_folder)


def test_a_preset_is_installed_by_one_command(fake_hub, preset, monkeypatch, capsys):
    monkeypatch.setattr(presets, "list_presets", lambda: {"modelscope": preset})
    assert preset.unavailable.endswith("`longtake download modelscope` gets them.")
    assert cli.main(["download", "modelscope"]) == 0
    assert preset.unavailable is None
    said = capsys.readouterr().out
    assert "PAIR/StreamingT2V: 25.6 GB, licence: CreativeML Open RAIL-M" in said
    assert "text-to-video-ms-1.7b: 2.8 GB, licence: CC BY-NC 4.0 (non-commercial)" in said
    assert "modelscope is installed in" in said
    assert "`hf cache rm model/PAIR/StreamingT2V model/ali-vilab/text-to-video-ms-1.7b " in said


def test_an_unpinned_revision_is_reported(fake_hub, preset, quiet):
    install(preset, say=quiet.append)
    repos = [source.repo for source in preset.sources if not source.is_pinned]
    assert repos == ["ali-vilab/MS-Vid2Vid-XL"]
    reported = [line for line in quiet if "not pinned (main)" in line]
    assert len(reported) == 1
    assert "the commit that is downloaded first is recorded" in reported[0]


def test_commits_and_digests_are_recorded(fake_hub, preset, checksums):
    install(preset)
    records = checksums()
    assert records.keys() == {source.repo for source in preset.sources}
    assert all(record["commit"] == COMMIT for record in records.values())
    digest = hashlib.sha256((fake_hub.home / "PAIR/StreamingT2V" / CHECKPOINT).read_bytes())
    assert records["PAIR/StreamingT2V"]["sha256"] == {CHECKPOINT: digest.hexdigest()}


def test_later_downloads_take_the_recorded_revision(fake_hub, preset):
    install(preset)
    assert dict(fake_hub.asked) == {source.repo: source.revision for source in preset.sources}
    shutil.rmtree(fake_hub.cache)
    fake_hub.asked.clear()
    install(preset, force=True)
    assert {revision for _, revision in fake_hub.asked} == {COMMIT}


def test_the_refiner_can_be_installed_later(fake_hub, preset):
    install(preset, refiner=False)
    assert preset.unavailable is None
    assert preset.refiner_unavailable.endswith("`longtake download modelscope` gets them.")
    fake_hub.downloaded.clear()
    install(preset)
    assert fake_hub.downloaded == ["non_ema_0035000.pth"]
    assert preset.refiner_unavailable is None


def test_installing_the_base_again_keeps_refiners(fake_hub, preset):
    install(preset)
    other = preset.weights_folder / "refiner-other"
    other.mkdir()
    (other / "config.json").write_text("{}")
    install(preset, force=True, refiner=False)
    assert preset.refiner_unavailable is None
    assert (other / "config.json").read_text() == "{}"


def test_an_installed_preset_is_left_alone(fake_hub, preset, quiet):
    install(preset)
    fake_hub.asked.clear()
    install(preset, say=quiet.append)
    assert fake_hub.asked == []
    assert quiet == [f"modelscope is installed in {preset.weights}; --force installs it again."]


def test_files_in_the_cache_are_not_downloaded_again(fake_hub, preset):
    install(preset)
    fake_hub.downloaded.clear()
    fake_hub.asked.clear()
    remove_weights(preset)
    install(preset)
    assert fake_hub.downloaded == fake_hub.asked == []


@pytest.mark.parametrize("layout", ["owner", "repository"])
def test_local_files_are_not_downloaded(fake_hub, home, preset, tmp_path, layout):
    folder = home
    if layout == "repository":
        folder = tmp_path / "mine"
        for repository in home.glob("*/*"):
            shutil.copytree(repository, folder / repository.name)
    install(preset, weights_dir=folder)
    assert fake_hub.downloaded == fake_hub.asked == []
    assert preset.unavailable is None


def test_only_missing_files_are_downloaded(fake_hub, home, preset, tmp_path):
    (tmp_path / "mine").mkdir()
    shutil.copyfile(home / "PAIR/StreamingT2V" / CHECKPOINT, tmp_path / "mine" / CHECKPOINT)
    install(preset, weights_dir=tmp_path / "mine")
    assert CHECKPOINT not in fake_hub.downloaded
    assert len(fake_hub.downloaded) == 6


def test_an_older_form_of_a_file_is_accepted(fake_hub, home, preset):
    folder = home / "ali-vilab" / "text-to-video-ms-1.7b" / "unet"
    (folder / "diffusion_pytorch_model.fp16.safetensors").rename(
        folder / "diffusion_pytorch_model.safetensors"
    )
    install(preset)
    assert "unet/diffusion_pytorch_model.safetensors" in fake_hub.downloaded


def test_a_file_missing_from_its_repository_is_reported(fake_hub, home, preset):
    (home / "ali-vilab/text-to-video-ms-1.7b/tokenizer/merges.txt").unlink()
    with pytest.raises(CheckpointError, match=r"ms-1\.7b has none of tokenizer/merges\.txt$"):
        install(preset)


def test_offline_uses_no_network(fake_hub, preset):
    with pytest.raises(CheckpointError, match=r"^offline, and not in .*cache: streaming_t2v\.ckpt"):
        install(preset, offline=True)
    assert fake_hub.asked == []


def test_an_unreachable_repository_gives_one_sentence(fake_hub, preset):
    fake_hub.is_down = True
    with pytest.raises(CheckpointError, match=r"StreamingT2V cannot be reached: no route to host$"):
        install(preset)


def test_a_failed_download_says_how_to_resume(fake_hub, preset, monkeypatch):
    whole = fake_hub.hf_hub_download

    def breaks(repo, name, **arguments):
        fake_hub.is_down = name == "tokenizer/vocab.json"
        return whole(repo, name, **arguments)

    monkeypatch.setattr(hub, "hf_hub_download", breaks)
    with pytest.raises(
        CheckpointError, match=r"vocab\.json .* The same command resumes the download"
    ):
        install(preset)
    assert preset.unavailable

    fake_hub.is_down = False
    fake_hub.downloaded.clear()
    monkeypatch.setattr(hub, "hf_hub_download", whole)
    install(preset)
    assert CHECKPOINT not in fake_hub.downloaded
    assert preset.unavailable is None


def test_too_little_disk_is_reported_before_the_start(fake_hub, preset, monkeypatch):
    usage = namedtuple("usage", "total used free")(10, 10, 500)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(
        CheckpointError, match=r"too little room .* GB are needed, 0\.0 GB are free"
    ):
        install(preset)
    assert fake_hub.downloaded == []


def test_full_precision_takes_twice_the_disk(preset, monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")(10, 10, 4_000_000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr(hub, "cache_folder", lambda: tmp_path)
    download.check_free_space(tmp_path, preset.sources, [], "float16")
    with pytest.raises(CheckpointError, match="too little room"):
        download.check_free_space(tmp_path, preset.sources, [], "float32")


def test_an_unwritable_folder_gives_one_sentence(fake_hub, home, preset):
    preset.weights_folder.parent.write_text("a file in the place of the folder")
    with pytest.raises(CheckpointError, match=r"^cannot write .*checksums\.json: "):
        install(preset, weights_dir=home)


def test_a_file_that_changed_since_the_first_download_is_refused(fake_hub, home, preset):
    install(preset)
    remove_weights(preset)
    (home / "ali-vilab/text-to-video-ms-1.7b/tokenizer/merges.txt").write_text("#version: 0.2\n")
    with pytest.raises(CheckpointError, match=r"merges\.txt is not the file .* delete its line in"):
        install(preset, weights_dir=home)
    assert preset.unavailable


def test_a_file_with_an_unexpected_digest_is_refused(fake_hub, preset, monkeypatch):
    whole = fake_hub.hf_hub_download

    def damaged(repo, name, **arguments):
        path = whole(repo, name, **arguments)
        if name == CHECKPOINT:
            with open(path, "ab") as file:
                file.write(b"!")
        return path

    monkeypatch.setattr(hub, "hf_hub_download", damaged)
    with pytest.raises(CheckpointError, match=r"not the file that is known as streaming_t2v\.ckpt"):
        install(preset)


def test_a_digest_in_the_preset_is_checked_at_the_first_download(fake_hub, preset):
    source = replace(preset.sources[0], sha256={CHECKPOINT: "0" * 64})
    with pytest.raises(CheckpointError, match=r"not the file .* not 0{64}"):
        install(replace(preset, sources=(source, *preset.sources[1:])))


def test_a_failed_conversion_leaves_no_files(fake_hub, home, preset):
    (home / "PAIR/StreamingT2V" / CHECKPOINT).write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match=r"streaming_t2v\.ckpt"):
        install(preset)
    assert preset.unavailable
    assert [path.name for path in preset.weights_folder.parent.iterdir()] == ["checksums.json"]


def test_other_files_in_the_folder_are_not_deleted(fake_hub, home, preset):
    preset.weights_folder.mkdir(parents=True)
    (preset.weights_folder / "thesis.txt").write_text("precious")
    with pytest.raises(CheckpointError, match="holds other files; move them away first"):
        install(preset, weights_dir=home)
    assert (preset.weights_folder / "thesis.txt").read_text() == "precious"


def test_the_folder_may_be_a_link_to_another_disk(fake_hub, home, preset, tmp_path):
    (tmp_path / "disk" / "modelscope").mkdir(parents=True)
    preset.weights_folder.parent.mkdir()
    preset.weights_folder.symlink_to(tmp_path / "disk" / "modelscope")
    install(preset, weights_dir=home)
    assert preset.weights_folder.is_symlink()
    assert (tmp_path / "disk" / "modelscope" / "unet").is_dir()


def test_the_clients_own_cache_is_read(preset, tmp_path, monkeypatch):
    source = preset.sources[0]
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert hub.cached_file(source, CHECKPOINT, "main") is None
    folder = tmp_path / "models--PAIR--StreamingT2V"
    (folder / "snapshots" / COMMIT).mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    (folder / "snapshots" / COMMIT / CHECKPOINT).write_text("weights")
    for revision in ("main", COMMIT):
        path = hub.cached_file(source, CHECKPOINT, revision)
        assert path == hub.cache_folder() / folder.name / "snapshots" / COMMIT / CHECKPOINT


def test_errors_of_the_hub_client_are_reported(preset, monkeypatch):
    monkeypatch.setattr(hub, "HfApi", partial(HfApi, endpoint="http://127.0.0.1:9"))
    with pytest.raises(CheckpointError, match=r"StreamingT2V cannot be reached: .*refused"):
        hub.list_files(preset.sources[0], "main")


@pytest.mark.parametrize(
    "name, arguments, complaint",
    [
        ("shapes", {}, "preset shapes has nothing to download: its weights are bundled"),
        ("modelscope", {"dtype": "int8"}, "dtype must be one of float16, .* got 'int8'"),
        ("modelscope", {"weights_dir": "nowhere"}, "the folder .*nowhere does not exist"),
    ],
)
def test_an_invalid_argument_is_reported(tmp_path, name, arguments, complaint):
    if "weights_dir" in arguments:
        arguments = {"weights_dir": tmp_path / "nowhere"}
    with pytest.raises(PresetError, match=complaint):
        install(list_presets()[name], **arguments)


def test_base_weights_are_pinned_to_a_commit():
    for source in list_presets()["modelscope"].sources:
        assert source.is_refiner or re.fullmatch("[0-9a-f]{40}", source.revision)
