"""LPIPS with AlexNet (Zhang et al., 2018): how far pictures look apart, after the authors' v0.1.

The network is 5 layers of AlexNet and a weight for each of their channels, in two local files.
Without them there is a distance between features of a random AlexNet, under a name of its own.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from t2v.evaluation.metrics.measurement import Measurement, absent, mean_of, too_short
from t2v.evaluation.networks.loading import check_exists, load_tensors, optional_file
from t2v.weights.safe_load import read_tensors


EXTRA = "metrics"
LPIPS_NAME, RANDOM_NAME = "lpips-alex", "random-feature distance"
TRUNK_SOURCE = (
    "it is torchvision's AlexNet_Weights.IMAGENET1K_V1: `curl -O "
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth`"
)
HEADS_SOURCE = "it is weights/v0.1/alex.pth of the package lpips"
ENDS = (2, 5, 8, 10, 12)  # of AlexNet's features, after each ReLU
CHANNELS = (64, 192, 384, 256, 256)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
SMALLEST = 32  # pixels a side: AlexNet shrinks what it sees 16 times
EVERY = 8  # frames: one of each chunk


class PerceptualDistance(nn.Module):
    """Distance between pictures; `name` says whether it is LPIPS."""

    shift: Tensor
    scale: Tensor

    def __init__(self, name: str):
        super().__init__()
        self.name = name
        self.features = _random_trunk()
        self.heads = nn.ParameterList(nn.Parameter(torch.ones(size)) for size in CHANNELS)
        self.register_buffer("shift", torch.tensor(SHIFT).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(SCALE).view(3, 1, 1), persistent=False)

    @torch.inference_mode()
    def forward(self, left: Float[Tensor, "b 3 h w"], right: Float[Tensor, "b 3 h w"]) -> Tensor:
        """Distances (b,) of pictures in [-1, 1]; from 0."""
        pairs = zip(self._layers(left), self._layers(right), self.heads, strict=True)
        return sum(
            (torch.square(a - b) * head.view(-1, 1, 1)).sum(dim=1).mean(dim=(1, 2))
            for a, b, head in pairs
        )

    def _layers(self, pixels: Tensor) -> list[Tensor]:
        """Features of unit length at every pixel, from 5 depths."""
        x = (pixels - self.shift) / self.scale
        layers = []
        for number, layer in enumerate(self.features, start=1):
            x = layer(x)
            if number in ENDS:
                layers.append(x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10))
        return layers

    def to_first_frame(
        self, frames: UInt8[np.ndarray, "f h w 3"], every: int = EVERY
    ) -> Measurement:
        """Mean distance of every `every`-th later frame, and the last, to the first frame.

        From 0, lower is better, no unit. The paper does not say which pairs it compares. None with
        fewer than two frames, or with frames below 32 pixels a side.
        """
        if reason := too_short(len(frames)):
            return absent(reason)
        if min(frames.shape[1:3]) < SMALLEST:
            return absent(f"frames below {SMALLEST} pixels")
        later = sorted({*range(every, len(frames), every), len(frames) - 1})
        first = self._pixels(frames[:1])
        distances = [float(self(first, self._pixels(frames[i : i + 1]))) for i in later]
        return mean_of(np.array(distances), "no pairs")

    def _pixels(self, frames: np.ndarray) -> Tensor:
        pixels = torch.tensor(np.asarray(frames), device=self.shift.device)
        return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


def load_lpips(trunk_file: Path, heads_file: Path | None = None) -> PerceptualDistance:
    """LPIPS from local files.

    Args:
        trunk_file: torchvision's AlexNet.
        heads_file: the layers' weights; by default those in the package lpips (extra `metrics`).

    Raises:
        CheckpointError: a file is missing or does not fit.
        ConfigError: the heads are neither given nor installed.
    """
    heads_file = find_lpips(trunk_file, heads_file)
    trunk, heads = read_tensors(trunk_file), read_tensors(heads_file)
    tensors = {name: tensor for name, tensor in trunk.items() if name.startswith("features.")}
    for name, tensor in heads.items():  # "lin0.model.1.weight", (1, channels, 1, 1)
        layer = name.removesuffix(".model.1.weight").removeprefix("lin")
        tensors[f"heads.{layer}"] = tensor.flatten()
    network = PerceptualDistance(LPIPS_NAME)
    load_tensors(network, tensors, trunk_file)
    return network


def find_lpips(trunk_file: Path, heads_file: Path | None = None) -> Path:
    """The file of the layers' weights.

    Raises:
        CheckpointError: it is missing, or the trunk is.
        ConfigError: it is neither given nor installed.
    """
    check_exists(trunk_file, "LPIPS", TRUNK_SOURCE)
    heads_file = heads_file or optional_file("lpips", "weights/v0.1/alex.pth", EXTRA, "LPIPS")
    check_exists(heads_file, "LPIPS", HEADS_SOURCE)
    return heads_file


def random_feature_distance(seed: int = 0) -> PerceptualDistance:
    """The distance between features of a random AlexNet: no LPIPS, and never to be called so."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = PerceptualDistance(RANDOM_NAME)
    return network.requires_grad_(False).eval()


def _random_trunk() -> nn.Sequential:
    """AlexNet's layers without its classifier, whose 59 million weights are never made."""
    from torchvision.models import alexnet

    with torch.device("meta"):
        features = alexnet(weights=None).features[: ENDS[-1]]
    features.to_empty(device="cpu")
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            layer.reset_parameters()
    return features
