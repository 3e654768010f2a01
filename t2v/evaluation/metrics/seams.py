"""Seams between chunks: the change between frames at chunk boundaries, and elsewhere."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float, UInt8

from t2v.evaluation.metrics.measurement import (
    NO_BOUNDARIES,
    Measurement,
    absent,
    at_boundaries_over_elsewhere,
    boundary_mask,
    ratio,
)


def seam_and_within_change(
    frames: UInt8[np.ndarray, "f h w 3"], boundaries: list[int]
) -> tuple[float, float]:
    """Mean absolute change per pixel, 0 to 255, at the boundaries and everywhere else.

    Args:
        boundaries: index of the first frame of every chunk but the first.
    """
    change = frame_changes(frames)
    is_boundary = boundary_mask(boundaries, len(frames))
    return float(change[is_boundary].mean()), float(change[~is_boundary].mean())


def frame_changes(frames: UInt8[np.ndarray, "f h w 3"]) -> Float[np.ndarray, " pairs"]:
    """Mean absolute difference between neighbouring frames, 0 to 255."""
    # Two frames at a time: a long video has no room for itself as floating-point numbers.
    return np.array([np.abs(b.astype(float) - a).mean() for a, b in pairwise(frames)], dtype=float)


def seam_ratio(frames: UInt8[np.ndarray, "f h w 3"], boundaries: Sequence[int]) -> Measurement:
    """Change of pixels at chunk boundaries over change elsewhere: 1 means no visible seam.

    From 0, lower is better; None without boundaries, or if nothing changes elsewhere.
    """
    is_boundary = boundary_mask(boundaries, len(frames))
    return at_boundaries_over_elsewhere(frame_changes(frames), is_boundary)


def join_ratio(
    changes: Float[np.ndarray, " pairs"], ends: Sequence[int], overlap: int
) -> Measurement:
    """Largest change in the overlaps of chunks over the largest change between the overlaps.

    For chunks that may join at any frame of their overlap, as blended ones do: change where an
    overlap ends finds only the joins of chunks that are not blended. From 0, lower is better; about
    1 where no join is seen.

    Args:
        changes: of neighbouring frames.
        ends: the first frame after each overlap.
        overlap: frames that two chunks share.
    """
    joins = [changes[end - overlap - 1 : end] for end in ends]
    between = [changes[end : after - overlap - 1] for end, after in pairwise(ends)]
    if not all(map(len, (*joins, *between))) or not between:
        return absent(NO_BOUNDARIES)
    at_joins, elsewhere = (
        float(np.mean([part.max() for part in parts])) for parts in (joins, between)
    )
    return ratio(at_joins, elsewhere)
