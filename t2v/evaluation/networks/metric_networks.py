"""The metrics that a benchmark has weights for: CLIP score, LPIPS, Re-ID."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from t2v.evaluation.metrics.measurement import Measurement
from t2v.evaluation.networks.clip import ClipScore, find_clip
from t2v.evaluation.networks.faces import FaceEmbedder, find_faces
from t2v.evaluation.networks.lpips import (
    LPIPS_NAME,
    RANDOM_NAME,
    PerceptualDistance,
    find_lpips,
    load_lpips,
    random_feature_distance,
)
from t2v.weight_hashes import hash_file


RANDOM = Path("random")
Device = torch.device | str
Measure = Callable[[UInt8[np.ndarray, "f h w 3"], str], Measurement]  # of frames and their prompt


@dataclass(frozen=True, slots=True)
class MetricNetwork:
    """A network that measures videos.

    Args:
        name: of the network.
        weights: the file that its numbers depend on; None if a package brings it.
        load: gives what measures a video. Nothing is loaded before.
    """

    name: str
    weights: Path | None
    load: Callable[[Device], Measure]

    def record(self) -> dict[str, Any]:
        """What its numbers depend on, as plain values."""
        return {"name": self.name, "sha256": hash_file(self.weights) if self.weights else ""}


def find_networks(
    *, clip: Path | None = None, lpips: Path | None = None, re_id: bool = False
) -> dict[str, MetricNetwork]:
    """The networks that there are files for, by their metrics.

    Args:
        clip: folder of a CLIP in OpenCLIP's form.
        lpips: torchvision's AlexNet; "random" for random features, whose distance is no LPIPS and
            has another name.
        re_id: whether faces are compared, by networks that come in the extra `metrics-faces`.

    Raises:
        CheckpointError: a file is missing.
        ConfigError: an extra is not installed.
    """
    networks = {}
    if clip:
        networks["clip_score"] = MetricNetwork(
            clip.name, find_clip(clip), lambda device: ClipScore(clip, device).measure
        )
    if lpips == RANDOM:
        networks["random_distance"] = MetricNetwork(
            RANDOM_NAME, None, partial(_distance_by, random_feature_distance)
        )
    elif lpips:
        find_lpips(lpips)
        networks["lpips"] = MetricNetwork(
            LPIPS_NAME, lpips, partial(_distance_by, partial(load_lpips, lpips))
        )
    if re_id:
        find_faces()
        networks["re_id"] = MetricNetwork(FaceEmbedder.name, None, _faces)
    return networks


def _distance_by(load: Callable[[], PerceptualDistance], device: Device) -> Measure:
    distance = load().to(device)
    return lambda frames, _: distance.to_first_frame(frames)


def _faces(_device: Device) -> Measure:
    faces = FaceEmbedder()
    return lambda frames, _: faces.measure(frames)


def measure_by_networks(
    measures: Mapping[str, Measure], frames: UInt8[np.ndarray, "f h w 3"], prompt: str
) -> dict[str, Measurement]:
    """Every metric that there is a network for."""
    return {metric: measure(frames, prompt) for metric, measure in measures.items()}
