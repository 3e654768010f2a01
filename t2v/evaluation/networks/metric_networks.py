"""The metrics that a benchmark has weights for: CLIP score, LPIPS, Re-ID."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from t2v.evaluation.metrics.measurement import Measurement
from t2v.evaluation.networks.clip import ClipScore, find_clip
from t2v.evaluation.networks.faces import FaceEmbedder, find_faces
from t2v.evaluation.networks.lpips import find_lpips, load_lpips, random_feature_distance
from t2v.weight_hashes import hash_file


RANDOM = Path("random")


@dataclass(frozen=True, slots=True)
class MetricNetwork:
    """A network that measures a video.

    Args:
        name: of the network.
        weights: the file that its numbers depend on; None if a package brings it.
        measure: takes all frames and their prompt.
    """

    name: str
    weights: Path | None
    measure: Callable[[UInt8[np.ndarray, "f h w 3"], str], Measurement]

    def record(self) -> dict[str, Any]:
        """What its numbers depend on, as plain values."""
        return {"name": self.name, "sha256": hash_file(self.weights) if self.weights else ""}


MetricNetworks = Mapping[str, MetricNetwork]  # by metric


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFiles:
    """Where the weights of metrics are. None: these metrics are not measured.

    Args:
        clip: folder of a CLIP in OpenCLIP's form.
        lpips: torchvision's AlexNet; "random" for random features, whose distance is no LPIPS and
            has another name.
        re_id: whether faces are compared, by networks that come in the extra `metrics-faces`.
    """

    clip: Path | None = None
    lpips: Path | None = None
    re_id: bool = False

    def check(self) -> None:
        """Checks that files and packages are there, before anything is loaded.

        Raises:
            CheckpointError: a file is missing.
            ConfigError: an extra is not installed.
        """
        if self.clip:
            find_clip(self.clip)
        if self.lpips and self.lpips != RANDOM:
            find_lpips(self.lpips)
        if self.re_id:
            find_faces()

    def load(self, device: torch.device | str = "cpu") -> MetricNetworks:
        """Loads the networks that there are files for.

        Raises:
            CheckpointError: a file is missing, damaged or does not fit.
            ConfigError: an extra is not installed.
        """
        networks = {}
        if self.clip:
            clip = ClipScore(self.clip, device)
            networks["clip_score"] = MetricNetwork(clip.name, clip.weights, clip.measure)
        if self.lpips:
            is_random = self.lpips == RANDOM
            distance = random_feature_distance() if is_random else load_lpips(self.lpips)
            distance.to(device)
            networks["random_distance" if is_random else "lpips"] = MetricNetwork(
                distance.name,
                None if is_random else self.lpips,
                lambda frames, _: distance.to_first_frame(frames),
            )
        if self.re_id:
            faces = FaceEmbedder()
            networks["re_id"] = MetricNetwork(
                faces.name, None, lambda frames, _: faces.measure(frames)
            )
        return networks


def measure_by_networks(
    networks: MetricNetworks, frames: UInt8[np.ndarray, "f h w 3"], prompt: str
) -> dict[str, Measurement]:
    """Every metric that there is a network for."""
    return {metric: network.measure(frames, prompt) for metric, network in networks.items()}
