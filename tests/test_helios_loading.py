"""The weights of Helios: downloaded as they are published, checked, loaded, and counted."""

import json
import re
import shutil
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from diffusers import AutoencoderKLWan, HeliosTransformer3DModel
from safetensors.torch import load_file, save_file
from transformers import UMT5Config, UMT5EncoderModel

from t2v.errors import CheckpointError
from t2v.pipeline.helios_loading import load_helios
from t2v.pipeline.vram_estimate import (
    HELIOS_DECODING_BYTES,
    HELIOS_STEP_BYTES,
    predict_helios_peaks,
)
from t2v.settings.model_files import missing_file
from t2v.settings.presets import list_presets
from t2v.weights import download, hub
from t2v.weights.install import install
from tests.support.live_bytes import LiveBytes
from tests.support.small_helios import (
    install_helios,
    small_helios_preset,
    tensor_names,
    write_published,
)
from tests.support.small_modelscope import COMMIT
from tests.test_download import FakeHub


LARGE_UMT5 = {
    "vocab_size": 256384,
    "d_model": 4096,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The real repository's folders, as OWNER/REPOSITORY, with random weights."""
    return write_published(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def preset(home, tmp_path_factory):
    return install_helios(home, tmp_path_factory.mktemp("weights") / "weights" / "helios")


def test_the_files_are_kept_as_they_are_published(preset, home):
    published = home / "BestWishYsh" / "Helios-Distilled"
    names = {path.relative_to(published) for path in published.rglob("*") if path.is_file()}
    kept = {path.relative_to(preset.weights_folder) for path in preset.weights_folder.rglob("*.*")}
    assert kept <= names
    assert len(set(tensor_names(preset.weights_folder / "transformer").values())) > 2
    # The same file on the disk, not a second one.
    index = "transformer/diffusion_pytorch_model.safetensors.index.json"
    assert (preset.weights_folder / index).samefile(published / index)


def test_every_weight_gets_to_its_place(preset):
    stack = load_helios(preset, device="cpu")
    folder = preset.weights_folder
    for loaded, name in ((stack.transformer, "transformer"), (stack.autoencoder.vae, "vae")):
        written = {}
        for file in (folder / name).glob("*.safetensors"):
            written |= load_file(file)
        tensors = loaded.state_dict()
        assert tensors.keys() == written.keys()
        assert all(torch.equal(tensors[key], written[key]) for key in tensors)
    for network in (stack.transformer, stack.autoencoder.vae, stack.text_encoder.model):
        assert not any(tensor.is_meta for tensor in (*network.parameters(), *network.buffers()))
    text = UMT5EncoderModel.from_pretrained(folder / "text_encoder").state_dict()
    for key, tensor in stack.text_encoder.model.state_dict().items():
        assert torch.equal(tensor, text[key]), key


def test_some_weights_stay_in_float32_as_the_library_keeps_them(preset):
    stack = load_helios(preset, device="cpu", dtype=torch.bfloat16)
    dtypes = {key: tensor.dtype for key, tensor in stack.transformer.named_parameters()}
    assert dtypes["blocks.0.scale_shift_table"] == torch.float32
    assert dtypes["condition_embedder.time_embedder.linear_1.weight"] == torch.float32
    assert dtypes["blocks.0.attn1.to_q.weight"] == torch.bfloat16
    assert stack.transformer.dtype == torch.bfloat16
    assert stack.autoencoder.vae.dtype == torch.float32


def test_a_missing_part_is_named_with_the_command(preset, tmp_path):
    folder = shutil.copytree(preset.weights_folder, tmp_path / "helios")
    part = sorted((folder / "transformer").glob("*-00002-of-*"))[0]
    part.unlink()
    broken = replace(preset, weights=str(folder))
    assert broken.unavailable == (
        f"transformer/{part.name} of its weights is missing; `longtake download helios` gets it."
    )
    with pytest.raises(CheckpointError, match=rf"transformer/{part.name} is missing; `longtake"):
        load_helios(broken, device="cpu")


@pytest.mark.parametrize("part", ["transformer", "text_encoder", "vae"])
def test_weights_that_are_no_numbers_are_refused_with_the_name_of_the_tensor(
    preset, tmp_path, part
):
    folder = shutil.copytree(preset.weights_folder, tmp_path / "helios")
    file = sorted((folder / part).glob("*.safetensors"))[-1]
    tensors = load_file(file)
    key = sorted(tensors)[-1]
    tensors[key].view(-1)[-1] = float("nan")
    file.unlink()  # it is another name of the installed file
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=rf"{file.name} is damaged: .*\({re.escape(key)}\)$"):
        load_helios(replace(preset, weights=str(folder)), device="cpu")


def test_without_any_weights_the_preset_says_what_to_do(tmp_path):
    preset = small_helios_preset(tmp_path / "nothing")
    assert preset.unavailable == (
        "Its weights are not installed; `longtake download helios` gets them."
    )


def test_a_damaged_index_is_a_sentence(preset, tmp_path):
    folder = shutil.copytree(preset.weights_folder, tmp_path / "helios")
    [index] = (folder / "transformer").glob("*.index.json")
    index.unlink()  # it is another name of the installed file
    index.write_text("{")
    broken = replace(preset, weights=str(folder))
    assert "is damaged" in broken.unavailable
    assert "`longtake download helios --force`" in broken.unavailable


def test_an_index_cannot_name_files_elsewhere(preset, tmp_path):
    folder = shutil.copytree(preset.weights_folder, tmp_path / "helios")
    [index] = (folder / "transformer").glob("*.index.json")
    index.unlink()
    index.write_text(json.dumps({"weight_map": {"a": "../../../etc/passwd"}}))
    assert missing_file(folder, ("transformer/config.json",)) == "transformer/passwd"


def test_the_licence_and_what_it_needs_are_shown(home, tmp_path):
    preset, said = small_helios_preset(tmp_path / "helios"), []
    assert "licences: Apache-2.0" in preset.needs
    install(preset, weights_dir=home, offline=True, say=said.append)
    assert any("Helios-Distilled" in line and "licence: Apache-2.0" in line for line in said)
    assert preset.unavailable is None


def test_offline_without_files_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("t2v.weights.hub.cached_file", lambda *_: None)
    preset = small_helios_preset(tmp_path / "helios")
    with pytest.raises(CheckpointError, match=r"offline, and not all in .* transformer"):
        install(preset, offline=True, say=lambda line: None)


@pytest.fixture
def fake_hub(home, tmp_path, monkeypatch):
    """huggingface.co with the repository, and what else may lie in it."""
    copy = shutil.copytree(home, tmp_path / "home")
    transformer = copy / "BestWishYsh" / "Helios-Distilled" / "transformer"
    for name in ("code.py", "diffusion_pytorch_model.fp16.safetensors", "weights.bin"):
        (transformer / name).write_text("not needed")
    (transformer.parent / "README.md").write_text("not needed")
    fake = FakeHub(copy, tmp_path / "cache")
    monkeypatch.setattr(hub, "HfApi", lambda token: fake)
    monkeypatch.setattr(hub, "hf_hub_download", fake.hf_hub_download)
    monkeypatch.setattr(hub, "try_to_load_from_cache", fake.try_to_load_from_cache)
    monkeypatch.setattr(hub, "cache_folder", lambda: fake.cache)
    return fake


def test_only_the_files_of_the_models_are_downloaded(fake_hub, tmp_path):
    preset = small_helios_preset(tmp_path / "weights" / "helios")
    install(preset, say=lambda line: None)
    assert preset.unavailable is None
    kinds = {name.partition(".")[2] for name in fake_hub.downloaded}
    assert kinds == {"json", "safetensors", "safetensors.index.json"}
    assert {name.partition("/")[0] for name in fake_hub.downloaded} == {
        "transformer",
        "text_encoder",
        "tokenizer",
        "vae",
        "scheduler",
    }
    records = json.loads((tmp_path / "weights" / "checksums.json").read_text())
    record = records["BestWishYsh/Helios-Distilled"]
    assert record["commit"] == COMMIT
    assert set(record["sha256"]) == set(fake_hub.downloaded)


def test_an_interrupted_download_goes_on_with_the_files_that_are_missing(
    fake_hub, tmp_path, monkeypatch
):
    preset = small_helios_preset(tmp_path / "weights" / "helios")

    def three_files(*arguments, **options):
        fake_hub.is_down = len(fake_hub.downloaded) == 3
        return fake_hub.hf_hub_download(*arguments, **options)

    monkeypatch.setattr(hub, "hf_hub_download", three_files)
    with pytest.raises(CheckpointError, match="The same command resumes the download"):
        install(preset, say=lambda line: None)
    assert preset.unavailable.endswith("`longtake download helios` gets them.")
    fake_hub.is_down = False
    monkeypatch.setattr(hub, "hf_hub_download", fake_hub.hf_hub_download)
    install(preset, say=lambda line: None)
    assert preset.unavailable is None
    assert len(fake_hub.downloaded) == len(set(fake_hub.downloaded)) > 3


def test_links_need_no_room_on_the_disk_of_the_downloads(fake_hub, tmp_path, monkeypatch):
    preset = small_helios_preset(tmp_path / "weights" / "helios")
    large = replace(preset.sources[0], installed_gigabytes=1e9)
    install(replace(preset, sources=(large,)), say=lambda line: None)
    monkeypatch.setattr(download, "_disk", lambda place: hash(place))  # every place another disk
    with pytest.raises(CheckpointError, match="too little room"):
        install(replace(preset, sources=(large,)), force=True, say=lambda line: None)


@pytest.fixture(scope="module")
def full_size():
    """The networks at their published size, on the meta device."""
    with torch.device("meta"):
        return {
            "transformer": HeliosTransformer3DModel(),
            "umt5": UMT5EncoderModel(UMT5Config(**LARGE_UMT5)),
            "autoencoder": AutoencoderKLWan(),
        }


def test_at_full_size_it_has_14_billion_parameters(full_size):
    counts = {
        name: sum(tensor.numel() for tensor in network.parameters())
        for name, network in full_size.items()
    }
    assert counts == {
        "transformer": 14_312_427_584,
        "umt5": 5_680_910_336,
        "autoencoder": 126_892_531,
    }


def test_the_preset_says_what_it_needs_of_a_gpu(full_size):
    """Computed, as its description says: in bfloat16, the autoencoder in float32."""
    networks = {
        name: network if name == "autoencoder" else torch.nn.Module.to(network, torch.bfloat16)
        for name, network in full_size.items()
    }
    preset = list_presets()["helios"]
    peaks = predict_helios_peaks(networks, preset.frame_size, chunk_latents=9, downsampling=8)
    full, balanced, low = (round(peaks[name] / 1e9) for name in ("full", "balanced", "low"))
    assert f"{full} GB of a GPU at full speed" in preset.description
    assert f"{balanced} GB with the text encoder offloaded" in preset.description
    assert f"{low} GB layer by layer" in preset.description
    assert preset.needed_gpu_bytes(False) == low * 10**9


@torch.inference_mode()
def test_the_peak_memory_of_a_chunk_is_estimated(monkeypatch):
    """Counted on the meta device: 106 092 and 1 272 015 bytes, with one block of forty."""
    # There is no autocast to switch off on the meta device.
    monkeypatch.setattr(torch, "autocast", lambda **_: nullcontext())
    height, width = 24, 40
    with torch.device("meta"):
        transformer = torch.nn.Module.to(HeliosTransformer3DModel(num_layers=1), torch.bfloat16)
        vae = AutoencoderKLWan()

        def latents(number):
            return torch.empty(1, 16, number, height, width, dtype=torch.bfloat16)

        with LiveBytes() as step:
            transformer(
                hidden_states=latents(9),
                timestep=torch.empty(1, dtype=torch.int64),
                encoder_hidden_states=torch.empty(1, 512, 4096, dtype=torch.bfloat16),
                indices_hidden_states=torch.arange(20, 29)[None],
                indices_latents_history_short=torch.arange(2)[None],
                indices_latents_history_mid=torch.arange(2)[None],
                indices_latents_history_long=torch.arange(16)[None],
                latents_history_short=latents(2),
                latents_history_mid=latents(2),
                latents_history_long=latents(16),
            )
        assert 0.9 < step.most / (HELIOS_STEP_BYTES * 9 * height * width) <= 1
        with LiveBytes() as decoding:
            vae.decode(latents(9).float())
        assert 0.9 < decoding.most / (HELIOS_DECODING_BYTES * height * width) <= 1
