"""CLIP score: cosine between a prompt and the frames of its video (StreamingT2V, Table 1)."""

import numpy as np
from jaxtyping import Float

from t2v.evaluation.metrics.measurement import NO_FRAMES, Measurement, absent


def clip_score(text: Float[np.ndarray, " d"], images: Float[np.ndarray, "f d"]) -> Measurement:
    """Mean over frames of the cosine between CLIP's embeddings of the prompt and the frame, x 100.

    From -100 to 100, higher is better. Not cut off at 0, as some libraries do. None without frames.
    """
    if not len(images):
        return absent(NO_FRAMES)
    return Measurement(100 * float(cosines(images, text[None]).mean()))


def cosines(left: Float[np.ndarray, "n d"], right: Float[np.ndarray, "m d"]) -> np.ndarray:
    """Cosine of every vector with every other, (n, m); 0 where one of them is zero."""
    parts = (left.astype(float), right.astype(float))
    lengths = [np.linalg.norm(part, axis=1, keepdims=True) for part in parts]
    left, right = (
        part / np.where(length > 0, length, 1) for part, length in zip(parts, lengths, strict=True)
    )
    return left @ right.T
