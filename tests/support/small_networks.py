"""Tiny random networks of metrics, in files of the libraries' own forms."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from t2v.evaluation.networks.lpips import CHANNELS, random_feature_distance


TINY_CLIP = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
    "text_cfg": {"context_length": 9, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def write_clip(folder: Path) -> Path:
    """A CLIP in OpenCLIP's form."""
    from open_clip import CLIP

    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY_CLIP}))
    save_file(CLIP(**TINY_CLIP).state_dict(), folder / "open_clip_model.safetensors")
    return folder


def write_lpips(folder: Path) -> tuple[Path, Path]:
    """A random trunk, and heads that are not."""
    trunk = random_feature_distance(seed=0).state_dict()
    features = {name: tensor for name, tensor in trunk.items() if name.startswith("features.")}
    heads = {
        f"lin{i}.model.1.weight": torch.linspace(0.1, 1 + i, size).view(1, size, 1, 1)
        for i, size in enumerate(CHANNELS)
    }
    torch.save(features, folder / "alexnet.pth")
    torch.save(heads, folder / "heads.pth")
    return folder / "alexnet.pth", folder / "heads.pth"
