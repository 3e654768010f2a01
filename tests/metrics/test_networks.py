"""Networks for metrics: read from local files, and like the libraries' own; nothing is fetched."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from t2v.errors import CheckpointError, ConfigError
from t2v.evaluation.metrics.flow import DISFlow, FlowBackend
from t2v.evaluation.metrics.mawe import Sizes
from t2v.evaluation.metrics.video import measure_video
from t2v.evaluation.networks.clip import ClipScore
from t2v.evaluation.networks.loading import load_tensors, optional_module
from t2v.evaluation.networks.lpips import load_lpips, random_feature_distance
from t2v.evaluation.networks.raft import RAFTFlow
from tests.support.clips import noisy, pan
from tests.support.small_networks import TINY_CLIP, write_clip, write_lpips


@pytest.fixture(scope="module")
def raft_file(tmp_path_factory):
    from torchvision.models.optical_flow import raft_large

    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("raft") / "raft.safetensors"
    save_file(raft_large(weights=None).state_dict(), file)
    return file


@pytest.mark.slow
def test_a_video_measured_with_raft_has_the_motion_that_torchvision_sees(raft_file):
    from safetensors.torch import load_file
    from torchvision.models.optical_flow import raft_large

    frames = pan(2, size=128)
    network = raft_large(weights=None)
    network.load_state_dict(load_file(raft_file))
    with torch.no_grad():
        left, right = (torch.tensor(x).permute(2, 0, 1)[None] / 127.5 - 1 for x in frames)
        [theirs] = network.eval()(left, right, num_flow_updates=2)[-1]
    flow = RAFTFlow(raft_file, num_updates=2)
    values = measure_video(frames, boundaries=[1], flow=flow, sizes=Sizes(flow=128, warp=128))
    assert values["motion"].value == pytest.approx(theirs.norm(dim=0).mean().item(), rel=1e-3)


@pytest.mark.parametrize("size", [(120, 128), (128, 129)])
def test_raft_names_the_sizes_that_it_takes(raft_file, size):
    frame = np.zeros((*size, 3), np.uint8)
    with pytest.raises(ConfigError, match=f"128 pixels or more.*got {size[1]}x{size[0]}"):
        RAFTFlow(raft_file).flow(frame, frame)


def test_both_backends_keep_the_protocol(raft_file):
    assert RAFTFlow(raft_file).name == "raft-large"
    assert RAFTFlow(raft_file, num_updates=5).name == "raft-large with 5 updates"
    assert isinstance(DISFlow(), FlowBackend) and isinstance(RAFTFlow(raft_file), FlowBackend)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("tiny-clip"))


def test_clip_score_is_the_mean_cosine_of_openclips_embeddings(clip_folder):
    import open_clip

    frames = pan(5, size=32)
    name = f"local-dir:{clip_folder}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    tokens = open_clip.get_tokenizer(name)(["a red star"])
    from PIL import Image

    with torch.no_grad():
        images = model.encode_image(torch.stack([preprocess(Image.fromarray(f)) for f in frames]))
        cosines = torch.cosine_similarity(images, model.encode_text(tokens))
    score = ClipScore(clip_folder).measure(frames, "a red star")
    assert score.value == pytest.approx(100 * cosines.mean().item(), abs=0.01)


def test_clip_takes_the_middle_square_of_any_picture(clip_folder):
    clip = ClipScore(clip_folder)
    frames = pan(2, size=32)
    wide = np.pad(frames, ((0, 0), (0, 0), (20, 20), (0, 0)))
    np.testing.assert_allclose(
        clip.image_embeddings(wide), clip.image_embeddings(frames), rtol=1e-4
    )
    assert clip.image_embeddings(wide.repeat(3, axis=1)).shape == (2, 12)
    assert clip.measure(frames[:0], "a red star").reason == "no frames"


def test_a_clip_without_files_is_refused_before_anything_is_built(tmp_path, clip_folder):
    with pytest.raises(CheckpointError, match=r"needs .*open_clip_config.json.*hf download"):
        ClipScore(tmp_path)
    config = clip_folder / "open_clip_config.json"
    (tmp_path / "open_clip_config.json").write_text(config.read_text())
    with pytest.raises(CheckpointError, match=r"needs .*open_clip_model.safetensors"):
        ClipScore(tmp_path)


@pytest.mark.parametrize(
    "config, complaint",
    [
        ("{", "no description of a CLIP"),
        ("[]", "no description of a CLIP"),
        ('{"model_cfg": {"text_cfg": {"hf_model_name": "x"}, "vision_cfg": {}}}', "hf_model_name"),
    ],
)
def test_a_clip_that_needs_more_than_its_files_is_refused(tmp_path, clip_folder, config, complaint):
    weights = clip_folder / "open_clip_model.safetensors"
    (tmp_path / weights.name).write_bytes(weights.read_bytes())
    (tmp_path / "open_clip_config.json").write_text(config)
    with pytest.raises(CheckpointError, match=complaint):
        ClipScore(tmp_path)


def test_weights_of_another_clip_are_refused(tmp_path, clip_folder):
    config = json.dumps({"model_cfg": TINY_CLIP | {"embed_dim": 13}})
    weights = clip_folder / "open_clip_model.safetensors"
    (tmp_path / weights.name).write_bytes(weights.read_bytes())
    (tmp_path / "open_clip_config.json").write_text(config)
    with pytest.raises(CheckpointError, match="of the wrong shape"):
        ClipScore(tmp_path)


@pytest.fixture(scope="module")
def lpips_files(tmp_path_factory):
    return write_lpips(tmp_path_factory.mktemp("lpips"))


def test_lpips_has_the_authors_distances(lpips_files):
    y, x = np.mgrid[:64, :80]
    left, right = (np.stack([np.sin(x / a), np.cos(y / a), np.sin((x + y) / a)]) for a in (3, 7))
    pixels = [torch.tensor(part, dtype=torch.float32)[None] for part in (left, right)]
    # What lpips 0.1.4 computes with these files.
    assert load_lpips(*lpips_files)(*pixels).item() == pytest.approx(2.148496, rel=1e-4)


def test_distance_to_the_first_frame_grows_with_noise_and_is_none_where_nothing_changes(
    lpips_files,
):
    lpips = load_lpips(*lpips_files)
    still = np.repeat(pan(1, size=40), 4, axis=0)
    values = [
        lpips.to_first_frame(np.concatenate([still[:1], noisy(still, sigma)])).value
        for sigma in (0, 5, 50)
    ]
    assert values[0] == 0 < values[1] < values[2]


def test_every_eighth_frame_and_the_last_are_compared(lpips_files, monkeypatch):
    lpips = load_lpips(*lpips_files)
    frames = pan(20, size=40)
    pairs = [lpips.to_first_frame(frames[[0, i]]).value for i in (8, 16, 19)]
    assert lpips.to_first_frame(frames).value == pytest.approx(np.mean(pairs))


def test_a_random_trunk_is_named_so_and_reproducible():
    frames = pan(3, size=40)
    state = torch.get_rng_state()
    distances = [random_feature_distance(seed) for seed in (0, 0, 1)]
    assert torch.equal(torch.get_rng_state(), state)
    assert {distance.name for distance in distances} == {"random-feature distance"}
    a, b, c = (distance.to_first_frame(frames).value for distance in distances)
    assert a == b != c


def test_lpips_of_few_or_tiny_frames_is_absent_for_a_reason():
    distance = random_feature_distance()
    assert distance.to_first_frame(pan(1, size=40)).reason == "one frame"
    assert distance.to_first_frame(pan(3, size=31)).reason == "frames below 32 pixels"


@pytest.mark.parametrize("load", [RAFTFlow, load_lpips])
def test_missing_weights_are_named_with_their_source(tmp_path, load):
    with pytest.raises(
        CheckpointError, match=r"absent.pth, which is not there; it is torchvision's"
    ):
        load(tmp_path / "absent.pth")


def test_weights_of_another_network_are_refused(tmp_path, lpips_files, raft_file):
    with pytest.raises(CheckpointError, match="does not fit RAFT"):
        RAFTFlow(lpips_files[0])
    with pytest.raises(CheckpointError, match="does not fit PerceptualDistance"):
        load_lpips(raft_file, lpips_files[1])


def test_a_missing_extra_is_named():
    with pytest.raises(ConfigError, match=r"Faces needs .*no_such_module.*longtake\[extra\]"):
        optional_module("no_such_module", "extra", "Faces")


def test_weights_of_a_metric_that_are_no_numbers_are_refused(tmp_path):
    network = torch.nn.Linear(3, 2)
    before = network.weight.detach().clone()
    damaged = {"weight": torch.full((2, 3), torch.nan), "bias": torch.zeros(2)}
    with pytest.raises(CheckpointError, match=r"net\.pth is damaged: .*\(weight\)$"):
        load_tensors(network, damaged, tmp_path / "net.pth")
    assert torch.equal(network.weight, before)
