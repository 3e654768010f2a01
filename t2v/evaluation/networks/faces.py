"""Faces for Re-ID: found by MTCNN (Zhang et al., 2016), embedded by dlib's ResNet.

Both come with their weights in the extra `metrics-faces`. The paper names FaceNet, whose weights no
package has, so scores are not comparable with the paper's.
"""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from t2v.evaluation.metrics.measurement import Measurement
from t2v.evaluation.metrics.re_id import re_id
from t2v.evaluation.networks.loading import check_installed, optional_file, optional_module


EXTRA, PURPOSE = "metrics-faces", "Re-ID"
MODELS = "face_recognition_models"
LANDMARKS = "models/shape_predictor_5_face_landmarks.dat"
EMBEDDER = "models/dlib_face_recognition_resnet_model_v1.dat"
SURE = 0.95  # least probability that something is a face
NUM_NUMBERS = 128  # of an embedding


def find_faces() -> tuple[Path, Path]:
    """The files of landmarks and embedder.

    Raises:
        ConfigError: the extra is not installed.
    """
    for module in ("facenet_pytorch", "dlib"):
        check_installed(module, EXTRA, PURPOSE)
    landmarks, embedder = (
        optional_file(MODELS, path, EXTRA, PURPOSE) for path in (LANDMARKS, EMBEDDER)
    )
    return landmarks, embedder


class FaceEmbedder:
    """Embeds all faces of a picture. Embeddings of one person have a cosine above about 0.9."""

    name = "mtcnn+dlib-resnet"

    def __init__(self) -> None:
        """Loads detector and embedder.

        Raises:
            ConfigError: the extra is not installed.
        """
        landmarks, embedder = find_faces()
        facenet = optional_module("facenet_pytorch", EXTRA, PURPOSE)
        dlib = optional_module("dlib", EXTRA, PURPOSE)
        self._detector = facenet.MTCNN(keep_all=True, device="cpu")
        self._rectangle = dlib.rectangle
        self._landmarks = dlib.shape_predictor(str(landmarks))
        self._embedder = dlib.face_recognition_model_v1(str(embedder))

    def measure(self, frames: UInt8[np.ndarray, "f h w 3"]) -> Measurement:
        """Re-ID of a video; see `re_id`."""
        return re_id([self.embed(frame) for frame in frames])

    @torch.inference_mode()
    def embed(self, frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "n 128"]:
        """One embedding for each face in the frame; none in frames too small to hold one."""
        frame = np.ascontiguousarray(frame)
        if min(frame.shape[:2]) < self._detector.min_face_size:
            return np.empty((0, NUM_NUMBERS))
        boxes, chances = self._detector.detect(frame)
        if boxes is None:
            return np.empty((0, NUM_NUMBERS))
        sure = [
            self._rectangle(*(round(float(side)) for side in box))
            for box, chance in zip(boxes, chances, strict=True)
            if chance >= SURE
        ]
        embeddings = [
            self._embedder.compute_face_descriptor(frame, self._landmarks(frame, box))
            for box in sure
        ]
        return np.array(embeddings, dtype=float).reshape(-1, NUM_NUMBERS)
