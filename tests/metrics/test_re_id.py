"""Re-ID of faces: the paper's formula by hand, and real faces where the extra is installed.

astronaut.jpg: Eileen Collins, by NASA, in the public domain.
"""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from t2v.errors import ConfigError
from t2v.evaluation.metrics.clip_score import clip_score
from t2v.evaluation.metrics.re_id import re_id
from t2v.evaluation.networks.faces import FaceEmbedder
from tests.support.clips import pan


PICTURE = Path(__file__).parent.parent / "support" / "astronaut.jpg"
NOBODY = np.empty((0, 2))
A, B = np.array([[3.0, 0.0]]), np.array([[0.0, 0.5]])
BETWEEN = np.array([[1.0, 1.0]])


def test_the_score_is_the_sum_over_pairs_by_the_frames_with_faces():
    assert re_id([A, A, A, A]).value == pytest.approx(75)
    assert re_id([A, BETWEEN, B]).value == pytest.approx(100 * 2 * 0.5**0.5 / 3)


def test_the_likest_faces_of_two_frames_count():
    both = np.concatenate([B, A])
    assert re_id([A, both]).value == pytest.approx(50)
    assert re_id([both, both]).value == pytest.approx(50)
    assert re_id([A, B]).value == 0


def test_a_frame_without_faces_breaks_both_of_its_pairs():
    assert re_id([A, A, NOBODY, A, A]).value == pytest.approx(50)


@pytest.mark.parametrize(
    "faces, reason", [([], "no frames"), ([A], "one frame"), ([NOBODY] * 3, "no faces")]
)
def test_without_faces_or_pairs_there_is_no_score(faces, reason):
    assert (re_id(faces).value, re_id(faces).reason) == (None, reason)


def test_a_clip_score_is_not_cut_off_below_zero():
    text = np.array([2.0, 0.0])
    assert clip_score(text, np.array([[1.0, 0.0], [0.0, 9.0]])).value == pytest.approx(50)
    assert clip_score(text, np.array([[-1.0, 0.0]])).value == pytest.approx(-100)
    assert clip_score(text, np.array([[0.0, 0.0]])).value == 0


@pytest.fixture(scope="module")
def embedder():
    if not all(find_spec(name) for name in ("facenet_pytorch", "dlib", "face_recognition_models")):
        pytest.skip("needs the extra metrics-faces")
    return FaceEmbedder()


@pytest.fixture(scope="module")
def face():
    return cv2.cvtColor(cv2.imread(str(PICTURE)), cv2.COLOR_BGR2RGB)


def test_one_person_stays_the_same_under_other_light_and_place(embedder, face):
    moved = np.roll(face, (3, 5), axis=(0, 1))
    frames = np.stack(
        [face, (face * 0.6).astype(np.uint8), moved, cv2.GaussianBlur(face, (0, 0), 1)]
    )
    assert embedder.measure(frames).value > 0.95 * 75


def test_a_blank_frame_between_has_no_face(embedder, face):
    blank = np.zeros_like(face)
    assert len(embedder.embed(face)) == 1
    assert embedder.measure(np.stack([face, blank, face])).value == 0


def test_two_faces_in_one_frame_are_both_embedded(embedder, face):
    both = np.concatenate([face, face[:, ::-1]], axis=1)
    assert embedder.embed(both).shape == (2, 128)


@pytest.mark.parametrize("size", [1, 19, 64])
def test_textures_have_no_faces_at_any_size(embedder, size):
    assert embedder.measure(pan(3, size=64)[:, :size, :size]).reason == "no faces"


def test_without_the_extra_the_message_names_it(monkeypatch):
    monkeypatch.setattr("t2v.evaluation.networks.loading.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"Re-ID needs .*longtake\[metrics-faces\]"):
        FaceEmbedder()
