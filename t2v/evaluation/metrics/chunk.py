"""Numbers about the newest chunk, cheap enough to be taken while a video is being made."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from t2v.evaluation.metrics.cuts import find_seam_cuts
from t2v.evaluation.metrics.drift import drift_of_looks, look
from t2v.evaluation.metrics.flow import flow_magnitudes
from t2v.evaluation.metrics.mawe import STAGNANT_MOTION
from t2v.evaluation.metrics.measurement import (
    NO_BOUNDARIES,
    NO_FRAMES,
    Measurement,
    absent,
    at_boundaries_over_elsewhere,
    mean_of,
    too_short,
)
from t2v.evaluation.metrics.seams import frame_changes


FRAMES_BEFORE = 8  # more would not change much, but cost time
REACH = 3  # frames on both sides of a boundary without which a cut cannot be seen


@dataclass(frozen=True, slots=True)
class ChunkMeasurements:
    """What a page can show of a chunk as soon as it is there."""

    motion: Measurement  # mean length of the flow (DIS), in pixels of the frames
    stagnant_share: Measurement  # of the pairs of frames, those with a mean flow below 0.05 pixels
    seam_ratio: Measurement  # change at the chunk's beginning over change around it; 1: no seam
    drift_colour: Measurement  # from the anchor: mean difference of mean colours, 0 to 255
    drift_sharpness: Measurement  # from the anchor: logarithm of the ratio; negative is blurrier
    is_cut: bool | None  # brightness cuts at the boundary; None if too few frames are around it


def measure_chunk(
    previous_frames: UInt8[np.ndarray, "p h w 3"],
    new_frames: UInt8[np.ndarray, "f h w 3"],
    anchor: UInt8[np.ndarray, "h w 3"],
    *,
    shrunk: float = 1.0,
) -> ChunkMeasurements:
    """Measures the newest chunk against the frames before it and the anchor.

    Args:
        previous_frames: the last frames before, 8 are enough; none before the first chunk.
        anchor: the frame that the APM keeps to.
        shrunk: how many times larger the frames were before; motion is in pixels of that size.
    """
    frames = np.concatenate([previous_frames[-FRAMES_BEFORE:], new_frames])
    start = len(frames) - len(new_frames)
    moving = shrunk * flow_magnitudes(frames[max(start - 1, 0) :])
    is_boundary = np.arange(1, len(frames)) == start
    has_boundary = bool(start and len(new_frames))
    looks = np.array([look(frame) for frame in new_frames]).reshape(-1, 6)
    drifts = drift_of_looks(looks, look(anchor)) if len(looks) else {}
    seam = at_boundaries_over_elsewhere(frame_changes(frames), is_boundary)
    return ChunkMeasurements(
        motion=mean_of(moving, too_short(len(new_frames))),
        stagnant_share=mean_of(moving < STAGNANT_MOTION, too_short(len(new_frames))),
        seam_ratio=seam if has_boundary else absent(NO_BOUNDARIES),
        drift_colour=_found(drifts, "drift_colour"),
        drift_sharpness=_found(drifts, "drift_sharpness"),
        is_cut=start in find_seam_cuts(frames) if min(start, len(new_frames)) >= REACH else None,
    )


def _found(drifts: dict[str, float], name: str) -> Measurement:
    return Measurement(drifts[name]) if drifts else absent(NO_FRAMES)
