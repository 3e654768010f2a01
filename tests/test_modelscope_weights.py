"""The authors' files become a folder that `load_stack` reads, and the stack makes a video."""

import weakref

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from t2v.errors import CheckpointError
from t2v.events import Chunk
from t2v.models.checkpoints import write_weights
from t2v.models.encoders import OpenClipImageEncoder, OpenClipTextEncoder, clip_pixels
from t2v.models.networks import build_networks
from t2v.models.video_unet import VideoUNet
from t2v.pipeline.loading import load_stack
from t2v.pipeline.refinement import refine
from t2v.pipeline.refiner_loading import load_refiner
from t2v.pipeline.streaming_t2v import stream
from t2v.settings.acceleration import Acceleration
from t2v.settings.presets import list_presets
from t2v.weights import convert_refiner as refiner_weights
from t2v.weights.convert import (
    convert_streaming_t2v,
    write_configs,
)
from t2v.weights.install import install
from t2v.weights.key_names import UNUSED, checkpoint_names, modelscope_names
from tests.support.small_modelscope import (
    SMALL_CONFIGS,
    SMALL_REFINER,
    authors_state_dict,
    install_small,
    new_networks,
    new_refiner_unet,
    new_zeroscope_unet,
    refiner_state_dict,
    small_preset,
    write_home,
)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    return new_networks(tmp_path_factory.mktemp("configs"))


@pytest.fixture(scope="module")
def home(networks, tmp_path_factory):
    """Both repositories, on the disk."""
    folder = tmp_path_factory.mktemp("home")
    write_home(folder, networks)
    return folder


@pytest.fixture(scope="module")
def preset(home, tmp_path_factory):
    """The small preset, installed by what `t2v download` calls."""
    preset = small_preset(tmp_path_factory.mktemp("weights") / "modelscope")
    with pytest.MonkeyPatch.context() as patch:
        install_small(patch)
        install(preset, weights_dir=home, offline=True, say=lambda line: None)
    return preset


@pytest.fixture(scope="module")
def stack(preset):
    return load_stack(preset, device="cpu")


@pytest.fixture(scope="module")
def zeroscope(home, preset):
    """The same preset with the other refiner, added to what is installed."""
    zeroscope = small_preset(preset.weights_folder, "modelscope-zeroscope")
    assert zeroscope.unavailable is None and zeroscope.refiner_unavailable is not None
    with pytest.MonkeyPatch.context() as patch:
        install_small(patch)
        install(zeroscope, weights_dir=home, offline=True, say=lambda line: None)
    return zeroscope


@pytest.fixture(scope="module")
def full_size(tmp_path_factory):
    """The networks of the paper, on the meta device."""
    folder = tmp_path_factory.mktemp("full")
    write_configs(folder)
    return build_networks(folder)


@pytest.fixture
def full_size_weights(goldens):
    keys = goldens.read_json(goldens.facts["keys_full"]["file"])
    return {key: torch.empty(shape, device="meta") for key, shape in keys.items()}


def test_every_key_of_the_real_checkpoint_has_one_place(full_size, full_size_weights):
    places = [
        (theirs, list(tensors[ours].shape))
        for part, network in full_size.items()
        if part != "first_unet"
        for tensors in [network.state_dict()]  # takes a while
        for ours, theirs in checkpoint_names(part, network).items()
    ]
    assert len(places) == len(full_size_weights) - len(UNUSED)
    shapes = {key: list(tensor.shape) for key, tensor in full_size_weights.items()}
    assert dict(places) == {key: shape for key, shape in shapes.items() if key not in UNUSED}


def test_the_first_unet_has_the_keys_of_a_stock_one(full_size, full_size_weights):
    ours = {key: tensor.shape for key, tensor in full_size["first_unet"].state_dict().items()}
    stock = {
        key.removeprefix("base_model."): tensor.shape
        for key, tensor in full_size_weights.items()
        if key.startswith("base_model.")
        and "cross_attention_merger" not in key
        and not any(part in key for part in (".attn2.alpha", ".attn2.conv"))
    }
    assert len(ours) == 1480
    assert ours == stock


def test_mismatches_with_the_real_checkpoint_are_reported(full_size, full_size_weights, tmp_path):
    del full_size_weights["vae.decoder.conv_in.bias"]
    full_size_weights["ema.surprise"] = torch.empty(1)
    full_size_weights["text_encoder.text_model.final_layer_norm.bias"] = torch.empty(3)
    networks = {part: network for part, network in full_size.items() if part != "first_unet"}
    with pytest.raises(CheckpointError) as error:
        convert_streaming_t2v(full_size_weights, networks, tmp_path, torch.float16)
    message = str(error.value)
    assert "1 keys missing (vae.decoder.conv_in.bias)" in message
    assert "1 keys unexpected (ema.surprise)" in message
    assert "text_encoder.text_model.final_layer_norm.bias [3] instead of [1024]" in message
    assert list(tmp_path.iterdir()) == []


def test_every_tensor_gets_to_its_place(networks, stack):
    loaded = {
        "unet": stack.unet,
        "extractor": stack.extractor,
        "anchor_tokens": stack.anchor_tokens,
        "first_unet": stack.first_unet,
        "text_encoder": stack.text_encoder.model,
        "image_encoder": stack.image_encoder.model,
        "autoencoder": stack.autoencoder.vae,
    }
    assert loaded.keys() == networks.keys()
    for part, network in networks.items():
        written, read = network.state_dict(), loaded[part].state_dict()
        assert written.keys() == read.keys()
        for key in written:
            assert torch.equal(read[key], written[key].half().float()), f"{part} {key}"


def test_weights_are_stored_in_half_precision_and_nothing_else_is_kept(preset):
    files = list(preset.weights_folder.glob("*/*.safetensors"))
    stored_apart = {"extractor", "anchor_tokens", "refiner"}
    assert {file.parent.name for file in files} == SMALL_CONFIGS.keys() - {"stack"} | stored_apart
    for file in files:
        assert {tensor.dtype for tensor in load_file(file).values()} == {torch.float16}
    assert not preset.weights_folder.with_name("modelscope.partial").exists()


def test_the_stack_is_made_of_the_classes_of_the_paper(stack):
    assert isinstance(stack.text_encoder, OpenClipTextEncoder)
    assert isinstance(stack.image_encoder, OpenClipImageEncoder)
    assert stack.initial_unet is stack.first_unet
    assert stack.latent_shape() == (4, 4, 6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_two_chunks_are_drawn(preset, dtype):
    stack = load_stack(preset, device="cpu", dtype=dtype)
    assert stack.unet.dtype == stack.autoencoder.vae.dtype == dtype
    config = preset.config(prompt="red, and red.", num_chunks=2, num_inference_steps=2)
    chunks = [event for event in stream(stack, config) if isinstance(event, Chunk)]
    assert [chunk.frames.shape for chunk in chunks] == [(16, 16, 24, 3), (8, 16, 24, 3)]
    assert all(np.ptp(chunk.frames) > 0 for chunk in chunks)


@pytest.mark.skipif(torch.cuda.is_available(), reason="xFormers loads where there is a GPU")
def test_the_autoencoder_keeps_its_own_attention(preset, stack):
    """It has groups and a residual in its layers, which the runner of the UNets does not know."""
    config = preset.config(prompt="red", num_chunks=2, num_inference_steps=1)
    fast = load_stack(preset, device="cpu", acceleration=Acceleration(attention="xformers"))
    frames, expected = (
        [event.frames for event in stream(each, config) if isinstance(event, Chunk)]
        for each in (fast, stack)
    )
    assert all(map(np.array_equal, frames, expected))


@pytest.mark.parametrize("size", [(64, 128), (128, 64)])
def test_frames_need_not_be_square(preset, size):
    stack = load_stack(preset.at_size(size), device="cpu")
    config = preset.config(prompt="red", num_chunks=2, num_inference_steps=1)
    chunks = [event for event in stream(stack, config) if isinstance(event, Chunk)]
    assert [chunk.frames.shape for chunk in chunks] == [(16, *size, 3), (8, *size, 3)]


def test_the_refiner_has_the_weights_that_were_written(preset, stack):
    refiner = load_refiner(preset, stack=stack)
    written, read = new_refiner_unet().state_dict(), refiner.unet.state_dict()
    assert written.keys() == read.keys()
    for key in written:
        assert torch.equal(read[key], written[key].half().float()), key
    assert refiner.text_encoder is stack.text_encoder
    assert refiner.autoencoder is stack.autoencoder


def test_the_refiner_alone_loads_the_encoders_of_the_stack(preset, stack):
    refiner = load_refiner(preset, device="cpu")
    assert isinstance(refiner.text_encoder, OpenClipTextEncoder)
    assert torch.equal(refiner.text_encoder.encode(["red"]), stack.text_encoder.encode(["red"]))


def test_the_other_refiner_has_the_weights_that_were_written(zeroscope, preset, stack):
    assert zeroscope.refiner_unavailable is None
    assert preset.refiner_unavailable is None
    assert zeroscope.refiner_folder != preset.refiner_folder
    refiner = load_refiner(zeroscope, stack=stack)
    written, read = new_zeroscope_unet().state_dict(), refiner.unet.state_dict()
    assert written.keys() == read.keys()
    for key in written:
        assert torch.equal(read[key], written[key].half().float()), key


def test_the_other_refiner_is_diffusers_own_network(zeroscope, stack):
    unet, rng = load_refiner(zeroscope, stack=stack).unet, torch.Generator().manual_seed(0)
    stock = new_zeroscope_unet()
    stock.load_state_dict(unet.state_dict())
    latents = torch.randn(1, 4, 6, 10, 14, generator=rng)
    text = torch.randn(1, 7, 12, generator=rng)
    with torch.inference_mode():
        torch.testing.assert_close(unet(latents, 599, text), stock(latents, 599, text).sample)


@pytest.mark.parametrize("name", ["preset", "zeroscope"])
def test_two_chunks_are_refined(name, stack, request):
    preset = request.getfixturevalue(name)
    config = preset.config(prompt="red", num_chunks=2, num_inference_steps=1)
    frames = (event.frames for event in stream(stack, config) if isinstance(event, Chunk))
    events = refine(load_refiner(preset, stack=stack), config, frames)
    refined = [event.frames for event in events if isinstance(event, Chunk)]
    assert sum(map(len, refined)) == 24
    assert {piece.shape[1:] for piece in refined} == {(39, 59, 3)}  # 48 x 48 pixels, as 2 to 3


def test_the_refiner_maps_at_full_size():
    """1480 tensors, 1 411 233 860 numbers: as many as ModelScope's Vid2VidSDUNet has."""
    with torch.device("meta"):
        unet = VideoUNet.from_config(refiner_weights.CONFIG)
    names = modelscope_names(unet)
    assert len(set(names.values())) == len(names) == 1480
    assert sum(tensor.numel() for tensor in unet.state_dict().values()) == 1_411_233_860


def test_mismatches_with_the_refiner_are_reported(tmp_path):
    weights = refiner_state_dict(new_refiner_unet())
    del weights["out.2.bias"]
    torch.save(weights, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"refiner: 1 keys missing \(out\.2\.bias\)"):
        refiner_weights.convert_refiner(
            {"refiner": tmp_path / "weights.pth"}, tmp_path / "refiner", config=SMALL_REFINER
        )


def test_loading_gives_no_warning(preset, monkeypatch):
    """diffusers would tell of arguments in a config that a network does not have."""
    monkeypatch.setattr(
        "diffusers.configuration_utils.logger.warning", lambda text, *_: pytest.fail(text)
    )
    shapes = list_presets()["shapes"]
    for folder in (preset.weights_folder, shapes.weights_folder):
        build_networks(folder)


def test_the_first_chunk_is_drawn_by_the_public_unet(stack, preset, monkeypatch):
    monkeypatch.setattr(stack.unet, "forward", lambda *_: pytest.fail("the streaming UNet ran"))
    config = preset.config(prompt="red", num_chunks=1, num_inference_steps=1)
    assert sum(isinstance(event, Chunk) for event in stream(stack, config)) == 1


def test_padding_tokens_are_not_masked(stack):
    ids = stack.text_encoder.tokenize(["red", "red, red, red, red, red"])
    letters = stack.text_encoder.tokenizer.get_vocab()
    begin, end = letters["<|startoftext|>"], letters["<|endoftext|>"]
    assert ids[0].tolist() == [begin, letters["red</w>"], end] + [letters["a"]] * 4
    assert ids.shape == (2, 7)
    other = ids.clone()
    other[0, -1] = letters["z"]
    difference = stack.text_encoder(other)[0] - stack.text_encoder(ids)[0]
    assert difference[:-1].abs().max() == 0  # no word sees what comes after it
    assert difference[-1].abs().max() > 0


def test_images_are_prepared_as_the_authors_do(goldens):
    described = goldens.facts["clip_preprocess"]
    assert "(F.interpolate(x,(224,224),mode='bicubic',align_corners=True)+1)/2-mean)/std" in (
        described
    )
    x = torch.rand(2, 3, 256, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)
    resized = torch.nn.functional.interpolate(x, (224, 224), mode="bicubic", align_corners=True)
    assert torch.equal(clip_pixels(x, (224, 224)), ((resized + 1) / 2 - mean) / std)


def test_a_much_larger_image_is_blurred_before_it_shrinks():
    stripes = torch.ones(1, 3, 448, 600)
    stripes[..., ::2] = -1
    assert (
        clip_pixels(stripes, (224, 224)).std() < clip_pixels(stripes[..., :240], (224, 224)).std()
    )


def test_embeddings_of_images_keep_their_length(stack):
    lengths = stack.image_encoder(torch.rand(3, 3, 16, 24)).norm(dim=-1)
    assert lengths.std() > 0


def test_a_conversion_holds_one_file_at_a_time(tmp_path):
    """Converting 13 GB must not take 13 GB: tensors are let go as files are written."""
    alive, counts = weakref.WeakSet(), []

    def read_slowly():
        for number in range(20):
            tensor = torch.full((50,), float(number))
            alive.add(tensor)
            counts.append(len(alive))
            yield str(number), tensor
            del tensor

    write_weights(read_slowly(), tmp_path, max_file_bytes=600)
    assert len(list(tmp_path.iterdir())) == 7  # three tensors each, two in the last
    assert max(counts) <= 4


def test_values_that_half_precision_cannot_hold_are_refused(networks, tmp_path):
    weights = authors_state_dict(networks)
    weights["resampler.context_embedding.0.bias"][0] = 1e6
    parts = {part: network for part, network in networks.items() if part != "first_unet"}
    with pytest.raises(CheckpointError, match=r"mlp\.0\.bias has values .* use bfloat16"):
        convert_streaming_t2v(weights, parts, tmp_path / "half", torch.float16)
    convert_streaming_t2v(weights, parts, tmp_path / "bfloat16", torch.bfloat16)
