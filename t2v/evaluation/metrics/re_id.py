"""Re-ID: whether faces stay the same person from frame to frame (StreamingT2V, ablation of APM)."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from t2v.evaluation.metrics.clip_score import cosines
from t2v.evaluation.metrics.measurement import Measurement, absent, too_short


NO_FACES = "no faces"


def re_id(faces: Sequence[Float[np.ndarray, "_ d"]]) -> Measurement:
    """Re-ID score of the embeddings of the faces in every frame, x 100, higher is better.

    For every two neighbouring frames the largest cosine between a face of one and a face of the
    other, 0 if one of them has none; their sum over m, the number of frames with a face. The
    paper's text averages over pairs instead; this is its formula, under which a face that never
    changes has 100 (m - 1) / m. None without faces or with fewer than two frames.
    """
    if len(faces) < 2:
        return absent(too_short(len(faces)))
    num_with_faces = sum(len(found) > 0 for found in faces)
    if not num_with_faces:
        return absent(NO_FACES)
    likeness = [
        float(cosines(left, right).max()) if len(left) and len(right) else 0.0
        for left, right in pairwise(faces)
    ]
    return Measurement(100 * sum(likeness) / num_with_faces)
