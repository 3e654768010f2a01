"""MAWE, the motion-aware warp error of StreamingT2V: warp error over amount of motion, in 3 forms.

The paper and the authors' script disagree (paper, appendix "MAWE"; script `mawe.py`), and the paper
does not say which of them made Table 1. So the three forms have names, and none of them may be
compared with the paper's numbers:

* `mawe_code`: the script, mean over pairs of W / (9.5 OFS). The headline.
* `mawe_ratio`: mean W / (9.5 mean OFS), which weighs all pairs by their motion.
* `mawe_text`: mean W / mean squared length of the flow, as the paper's text says. It rewards large
  flow that is wrong: reported, never ranked by.

W is the warp error (warp.py), OFS the mean length of the flow. Pairs of frames that hardly move are
stagnant: they would divide by nothing, and a still video would be perfect or undefined. They are
left out, their share is reported, and a video most of whose pairs are stagnant has no MAWE.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Num, UInt8

from t2v.evaluation.metrics.flow import Flow, FlowBackend
from t2v.evaluation.metrics.measurement import STAGNANT, Measurement, absent, ratio, too_short
from t2v.evaluation.metrics.warp import warp_error


COEFFICIENT = 9.5  # the script's default: brings W and OFS to one scale
STAGNANT_MOTION = 0.05  # pixels per frame, at the size of the warp
MOST_STAGNANT = 0.5  # share of pairs


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sides of the squares, in pixels, to which frames are resized for the flow and the warp.

    The script does both at 720. A flow of 256 costs half as much and agrees within 6 % on moving
    cameras; but it is another number, so tables name both sizes.
    """

    flow: int = 256
    warp: int = 720


PROTOCOL = Sizes()


@dataclass(frozen=True, slots=True)
class PairTerms:
    """What MAWE and smoothness are made of: one number for each two neighbouring frames."""

    warp_error: Float[np.ndarray, " p"]  # W, from 0 to 255 squared
    motion: Float[np.ndarray, " p"]  # OFS: mean length of the flow, in pixels
    squared_motion: Float[np.ndarray, " p"]  # mean squared length
    spread: Float[np.ndarray, " p"]  # standard deviation of the length over pixels

    @property
    def is_stagnant(self) -> np.ndarray:
        return self.motion < STAGNANT_MOTION

    @property
    def num_frames(self) -> int:
        return len(self.motion) + 1


def terms_of_pair(
    left: Num[np.ndarray, "h w 3"], right: Num[np.ndarray, "h w 3"], flow: Flow
) -> tuple[float, float, float, float]:
    """Warp error, mean, mean square and standard deviation of the length of the flow."""
    length = np.hypot(flow[..., 0], flow[..., 1]).astype(np.float64)
    return (
        warp_error(left, right, flow),
        float(length.mean()),
        float(np.square(length).mean()),
        float(length.std()),
    )


def pair_terms(
    frames: UInt8[np.ndarray, "f h w 3"], flow: FlowBackend, sizes: Sizes = PROTOCOL
) -> PairTerms:
    """The terms of all pairs of neighbouring frames. Memory does not grow with the video.

    Args:
        flow: sees frames of `sizes.flow`; its flow is enlarged to `sizes.warp`.
    """
    rows = [
        terms_of_pair(left, right, _resized_flow(flow.flow(small_left, small_right), sizes))
        for (small_left, left), (small_right, right) in _neighbours(frames, sizes)
    ]
    return PairTerms(*np.array(rows, dtype=float).reshape(-1, 4).T)


def _neighbours(frames: np.ndarray, sizes: Sizes) -> Iterator[tuple]:
    before = None
    for frame in frames:
        # Squares, as in the script: the aspect ratio is lost in all videos alike.
        pair = tuple(cv2.resize(frame, (side, side)) for side in (sizes.flow, sizes.warp))
        if before is not None:
            yield before, pair
        before = pair


def _resized_flow(flow: Flow, sizes: Sizes) -> Float[np.ndarray, "H W 2"]:
    if sizes.flow == sizes.warp:
        return flow
    scale = sizes.warp / sizes.flow
    return cv2.resize(flow, (sizes.warp, sizes.warp)) * np.float32(scale)


def stagnant_share(terms: PairTerms) -> Measurement:
    """Share of pairs whose mean flow is below 0.05 pixels at the size of the warp, 0 to 1."""
    if not len(terms.motion):
        return absent(too_short(terms.num_frames))
    return Measurement(float(terms.is_stagnant.mean()))


def mawe_code(terms: PairTerms) -> Measurement:
    """MAWE as in the authors' script. No unit, from 0, lower is better; None if stagnant."""
    if reason := why_not(terms):
        return absent(reason)
    live = ~terms.is_stagnant
    return Measurement(float((terms.warp_error[live] / (COEFFICIENT * terms.motion[live])).mean()))


def mawe_ratio(terms: PairTerms) -> Measurement:
    """MAWE as a ratio of means. No unit, from 0, lower is better; None if stagnant."""
    if reason := why_not(terms):
        return absent(reason)
    live = ~terms.is_stagnant
    return ratio(terms.warp_error[live].mean(), COEFFICIENT * terms.motion[live].mean())


def mawe_text(terms: PairTerms) -> Measurement:
    """MAWE as in the text of the paper. Per squared pixel, from 0; None if stagnant."""
    if reason := why_not(terms):
        return absent(reason)
    live = ~terms.is_stagnant
    return ratio(terms.warp_error[live].mean(), terms.squared_motion[live].mean())


def why_not(terms: PairTerms) -> str:
    """Why a video has no MAWE; empty if it has one."""
    if not len(terms.motion):
        return too_short(terms.num_frames)
    return STAGNANT if terms.is_stagnant.mean() > MOST_STAGNANT else ""
