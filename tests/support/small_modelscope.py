"""The files that `t2v download modelscope` gets, in their real formats, small and random."""

import json
from dataclasses import replace
from functools import partial

import torch
from diffusers import UNet3DConditionModel
from safetensors.torch import save_file

from t2v.models.networks import build_networks
from t2v.models.video_unet import VideoUNet
from t2v.settings.presets import list_presets
from t2v.weights import install as installation
from t2v.weights.convert import (
    CONFIGS,
    convert_modelscope,
    write_configs,
)
from t2v.weights.convert_refiner import convert_refiner, convert_stock_refiner
from t2v.weights.key_names import UNUSED, checkpoint_names, modelscope_names
from tests.support.small_stack import randomize


SMALL_UNET = {
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock3D", "DownBlock3D"],
    "up_block_types": ["UpBlock3D", "CrossAttnUpBlock3D"],
    "block_out_channels": [16, 32],
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "cross_attention_dim": 12,
    "attention_head_dim": 4,
}
SMALL_CONFIGS = {
    "stack": CONFIGS["stack"]
    | {
        "cond_channels": [4, 6, 8],
        "anchor_tokens": {"embed_dim": 9, "hidden_dim": 11, "token_dim": 12, "num_tokens": 4},
    },
    "unet": SMALL_UNET | {"num_text_tokens": 7, "num_image_tokens": 4, "injector_head_dim": 8},
    "first_unet": SMALL_UNET,
    "text_encoder": CONFIGS["text_encoder"]
    | {
        "vocab_size": 70,
        "hidden_size": 12,
        "intermediate_size": 20,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "max_position_embeddings": 7,
    },
    "image_encoder": {
        "image_size": 12,
        "patch_size": 6,
        "width": 10,
        "layers": 2,
        "heads": 2,
        "mlp_ratio": 2.0,
        "output_dim": 9,
    },
    "autoencoder": {
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": ["DownEncoderBlock2D"] * 3,
        "up_block_types": ["UpDecoderBlock2D"] * 3,
        "block_out_channels": [4, 4, 8],
        "layers_per_block": 1,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "scaling_factor": 0.18215,
    },
}
SMALL_REFINER = SMALL_UNET | {"downsample_padding": [2, 1], "crop_upsampled_rows": True}
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REFINER_FILE = "non_ema_0035000.pth"
LETTERS = "abcdefghijklmnopqrstuvwxyz.,"
SPECIAL = ("<|startoftext|>", "<|endoftext|>")


def small_preset(folder, name="modelscope"):
    """A shipped preset at another size, with its weights in `folder`."""
    preset = list_presets()[name]
    sources = tuple(replace(source, installed_gigabytes=0.001) for source in preset.sources)
    settings = replace(preset.refiner, frame_size=(48, 48), num_inference_steps=2)
    return replace(
        preset, weights=str(folder), frame_size=(16, 24), sources=sources, refiner=settings
    )


def install_small(monkeypatch):
    """From now on `install` converts weights of the small sizes."""
    monkeypatch.setattr(
        installation, "convert_modelscope", partial(convert_modelscope, configs=SMALL_CONFIGS)
    )
    monkeypatch.setattr(
        installation, "convert_refiner", partial(convert_refiner, config=SMALL_REFINER)
    )
    monkeypatch.setattr(
        installation, "convert_stock_refiner", partial(convert_stock_refiner, config=SMALL_UNET)
    )


def new_networks(folder):
    """Random networks of the small sizes, by part."""
    write_configs(folder, SMALL_CONFIGS)
    networks = build_networks(folder)
    for seed, network in enumerate(networks.values()):
        randomize(network.to_empty(device="cpu"), seed)
    return networks


def authors_state_dict(networks):
    """What a `streaming_t2v.ckpt` of these networks has, with what else it has."""
    weights = {
        theirs: tensors[ours].clone()
        for part in networks.keys() - {"first_unet"}
        for tensors in [networks[part].state_dict()]  # takes a while
        for ours, theirs in checkpoint_names(part, networks[part]).items()
    }
    return weights | {name: torch.zeros(3) for name in UNUSED}


def write_home(folder, networks):
    """All repositories, as they are on huggingface.co: OWNER/REPOSITORY/NAME."""
    authors = folder / "PAIR" / "StreamingT2V"
    authors.mkdir(parents=True)
    checkpoint = {
        "epoch": 3,
        "global_step": 1000,
        "pytorch-lightning_version": "2.0.9",
        "state_dict": authors_state_dict(networks),
        "optimizer_states": [{"state": {0: {"exp_avg": torch.zeros(5)}}, "param_groups": []}],
    }
    torch.save(checkpoint, authors / "streaming_t2v.ckpt")

    modelscope = folder / "ali-vilab" / "text-to-video-ms-1.7b"
    (modelscope / "unet").mkdir(parents=True)
    half = {key: tensor.half() for key, tensor in networks["first_unet"].state_dict().items()}
    save_file(half, modelscope / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    write_tokenizer(modelscope / "tokenizer")

    refiner = folder / "ali-vilab" / "MS-Vid2Vid-XL"
    refiner.mkdir()
    torch.save({"state_dict": refiner_state_dict(new_refiner_unet())}, refiner / REFINER_FILE)

    zeroscope = folder / "cerspense" / "zeroscope_v2_XL" / "unet"
    zeroscope.mkdir(parents=True)
    half = {key: tensor.half() for key, tensor in new_zeroscope_unet().state_dict().items()}
    torch.save(half, zeroscope / "diffusion_pytorch_model.bin")


def new_zeroscope_unet():
    """A stock UNet of diffusers: what zeroscope is a checkpoint of."""
    return randomize(UNet3DConditionModel(**SMALL_UNET), seed=10)


def new_refiner_unet():
    return randomize(VideoUNet.from_config(SMALL_REFINER), seed=9)


def refiner_state_dict(unet):
    """What ModelScope's file of these weights has: linear layers over time as convolutions."""
    names = modelscope_names(unet)
    return {
        names[ours]: tensor.unsqueeze(-1) if is_over_time(ours, tensor) else tensor
        for ours, tensor in unet.state_dict().items()
    }


def is_over_time(key, tensor):
    is_projection = key.endswith(("proj_in.weight", "proj_out.weight"))
    return is_projection and ("temp_attentions" in key or "transformer_in" in key)


def write_tokenizer(folder):
    """CLIP's byte-pair encoding with letters for its alphabet and one merge."""
    folder.mkdir()
    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "re", "red</w>", *SPECIAL]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\nr e\nre d</w>\n")
    begin, end = SPECIAL
    special = {"bos_token": begin, "eos_token": end, "unk_token": end, "pad_token": "a"}
    (folder / "special_tokens_map.json").write_text(json.dumps(special))
    config = special | {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 7,
        "do_lower_case": True,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
