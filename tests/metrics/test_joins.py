"""Joins of refined chunks are found wherever in the overlap they are."""

import numpy as np
import pytest

from t2v.evaluation.metrics.measurement import NO_BOUNDARIES
from t2v.evaluation.metrics.seams import join_ratio


ENDS, OVERLAP = [24, 40, 56], 8


def changes_with_joins(*pairs: int) -> np.ndarray:
    changes = np.full(71, 2.0)
    changes[list(pairs)] = 6.0
    return changes


@pytest.mark.parametrize("at", [0, 3, 8])
def test_a_join_counts_the_same_at_every_frame_of_the_overlap(at):
    pairs = [end - OVERLAP - 1 + at for end in ENDS]
    assert join_ratio(changes_with_joins(*pairs), ENDS, OVERLAP).value == 3.0


def test_even_videos_have_no_join_and_changes_elsewhere_are_none():
    assert join_ratio(changes_with_joins(), ENDS, OVERLAP).value == 1.0
    assert join_ratio(changes_with_joins(28, 44), ENDS, OVERLAP).value == pytest.approx(1 / 3)


def test_a_single_overlap_has_nothing_to_compare_with():
    assert join_ratio(changes_with_joins(), [24], OVERLAP).reason == NO_BOUNDARIES
