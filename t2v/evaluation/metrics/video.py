"""All measures of one video that need no network but the estimator of optical flow."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from t2v.evaluation.metrics.cuts import (
    cut_share,
    detector_version,
    find_seam_cuts,
    scuts,
    scuts_boundary,
)
from t2v.evaluation.metrics.drift import DRIFTS, drift, drift_of_looks, look
from t2v.evaluation.metrics.flow import FlowBackend
from t2v.evaluation.metrics.frames import as_frames
from t2v.evaluation.metrics.mawe import (
    PROTOCOL,
    PairTerms,
    Sizes,
    mawe_code,
    mawe_ratio,
    mawe_text,
    pair_terms,
    stagnant_share,
)
from t2v.evaluation.metrics.measurement import (
    Measurement,
    absent,
    at_boundaries_over_elsewhere,
    boundary_mask,
    too_short,
)
from t2v.evaluation.metrics.seams import frame_changes
from t2v.evaluation.metrics.smoothness import std_pix, std_t


PER_PAIR = ("warp_error", "motion", "change")
MEASURED = (
    "mawe_code",
    "mawe_ratio",
    "mawe_text",
    "warp_error",
    "motion",
    "stagnant_share",
    "std_t",
    "std_pix",
    "scuts",
    "scuts_boundary",
    "cut_share",
    "seam_ratio",
    "warp_seam_ratio",
    "flow_seam_ratio",
    *DRIFTS,
)


@dataclass(frozen=True, slots=True)
class Series:
    """What plots show: a number for each pair of neighbouring frames, and means over chunks.

    A pair belongs to the chunk of its right frame, so a chunk's numbers include its seam.
    """

    per_pair: dict[str, Float[np.ndarray, " p"]]  # PER_PAIR
    per_chunk: dict[str, Float[np.ndarray, " n"]]  # PER_PAIR, and DRIFTS from the first frame
    cuts: tuple[int, ...]  # first frames after a cut in brightness


def measure_video(
    frames: np.ndarray,
    *,
    boundaries: Sequence[int],
    flow: FlowBackend,
    sizes: Sizes = PROTOCOL,
) -> dict[str, Measurement]:
    """Measures one video; catalogue.py says what the numbers are.

    Args:
        frames: uint8, (f, h, w, 3); grey ones may be (f, h, w).
        boundaries: index of the first frame of every chunk but the first.

    Raises:
        ConfigError: a boundary is not between two frames.
        MediaError: these are no 8-bit pictures of one size. Grey ones are.
    """
    frames = as_frames(frames)
    return measure_pairs(frames, pair_terms(frames, flow, sizes), boundaries)


def measure_with_series(
    frames: UInt8[np.ndarray, "f h w 3"],
    *,
    boundaries: Sequence[int],
    flow: FlowBackend,
    sizes: Sizes = PROTOCOL,
) -> tuple[dict[str, Measurement], Series]:
    """`measure_video`, and the series behind it, at the cost of one."""
    terms = pair_terms(frames, flow, sizes)
    return measure_pairs(frames, terms, boundaries), video_series(frames, terms, boundaries)


def measure_pairs(
    frames: UInt8[np.ndarray, "f h w 3"], terms: PairTerms, boundaries: Sequence[int]
) -> dict[str, Measurement]:
    """`measure_video` with the terms of its pairs, which are what costs time."""
    if short := too_short(len(frames)):
        return dict.fromkeys(MEASURED, absent(short))
    is_boundary = boundary_mask(boundaries, len(frames))
    cuts = scuts_boundary(frames, boundaries)
    return {
        "mawe_code": mawe_code(terms),
        "mawe_ratio": mawe_ratio(terms),
        "mawe_text": mawe_text(terms),
        "warp_error": Measurement(float(terms.warp_error.mean())),
        "motion": Measurement(float(terms.motion.mean())),
        "stagnant_share": stagnant_share(terms),
        "std_t": std_t(terms),
        "std_pix": std_pix(terms),
        "scuts": scuts(frames),
        "scuts_boundary": cuts,
        "cut_share": cut_share(cuts, boundaries),
        "seam_ratio": at_boundaries_over_elsewhere(frame_changes(frames), is_boundary),
        "warp_seam_ratio": at_boundaries_over_elsewhere(terms.warp_error, is_boundary),
        "flow_seam_ratio": at_boundaries_over_elsewhere(terms.motion, is_boundary),
        **drift(frames),
    }


def video_series(
    frames: UInt8[np.ndarray, "f h w 3"], terms: PairTerms, boundaries: Sequence[int]
) -> Series:
    """Numbers over time. Empty for a video without pairs."""
    if too_short(len(frames)):
        none = np.empty(0)
        return Series(dict.fromkeys(PER_PAIR, none), dict.fromkeys((*PER_PAIR, *DRIFTS), none), ())
    boundary_mask(boundaries, len(frames))
    numbers = (terms.warp_error, terms.motion, frame_changes(frames))
    per_pair = dict(zip(PER_PAIR, numbers, strict=True))
    starts = [0, *sorted(boundaries)]
    ends = [*starts[1:], len(frames)]
    chunks = list(zip(starts, ends, strict=True))
    looks = np.stack([look(frame) for frame in frames])
    drifts = [drift_of_looks(looks[start:end], looks[0]) for start, end in chunks]
    per_chunk = {
        name: np.array([_mean(values[max(start - 1, 0) : end - 1]) for start, end in chunks])
        for name, values in per_pair.items()
    }
    per_chunk |= {name: np.array([values[name] for values in drifts]) for name in DRIFTS}
    return Series(per_pair, per_chunk, tuple(find_seam_cuts(frames)))


def _mean(values: np.ndarray) -> float:
    """Of a chunk's pairs: a first chunk of one frame has none, and nothing moves in it."""
    return float(values.mean()) if len(values) else 0.0


def protocol(flow: FlowBackend, sizes: Sizes = PROTOCOL) -> dict[str, Any]:
    """What numbers depend on besides the video: never mix two of these in one table."""
    return {
        "flow": flow.name,
        "sizes": asdict(sizes),
        "opencv": cv2.__version__,
        "scenedetect": detector_version(),
    }
