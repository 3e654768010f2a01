"""Measurements of any number of chunks are kept as few spans."""

from itertools import pairwise

import pytest

from t2v.runs.events import ChunkMeasured, Rewound
from t2v.runs.measurements import Measurements


def chunk(index: int, **values) -> ChunkMeasured:
    defaults = {
        "num_frames": 8,
        "motion": float(index),
        "stagnant_share": 0.0,
        "seam_ratio": 1.0 + index % 5,
        "drift": 3.0,
        "sharpness": 0.5,
        "is_cut": index % 4 == 3,
    }
    return ChunkMeasured(index=index, start_frame=8 * index, **defaults | values)


def folded(num_chunks: int, max_spans: int = 6) -> Measurements:
    measurements = Measurements(max_spans)
    for index in range(num_chunks):
        measurements.add(chunk(index))
    return measurements


@pytest.mark.parametrize(
    ("num_chunks", "width"), [(1, 1), (6, 1), (7, 2), (12, 2), (13, 4), (97, 32), (2000, 512)]
)
def test_a_longer_video_has_wider_spans_and_never_more(num_chunks, width):
    measurements = folded(num_chunks)
    assert measurements.chunks_per_span == width
    assert len(measurements.spans) == -(-num_chunks // width) <= 6
    bounds = [(span.first, span.last) for span in measurements.spans.values()]
    assert bounds[0][0] == 0 and bounds[-1][1] == num_chunks - 1
    assert all(a[1] + 1 == b[0] for a, b in pairwise(bounds))


def test_a_span_has_means_its_worst_seam_and_counts():
    span = folded(13).spans[1]  # chunks 4 to 7
    assert (span.first, span.last) == (4, 7)
    assert span.motion.value == 5.5
    assert (span.seam_ratio.value, span.worst_seam) == ((5 + 1 + 2 + 3) / 4, 5.0)
    assert (span.num_cuts, span.num_stagnant) == (1, 0)


def test_chunks_without_a_value_do_not_count_in_its_mean():
    measurements = Measurements(1)
    for event in (
        chunk(0, motion=None, seam_ratio=None, is_cut=None),
        chunk(1, motion=7.0, stagnant_share=0.5),
        chunk(2, motion=None, seam_ratio=None, sharpness=None, stagnant_share=0.51),
    ):
        measurements.add(event)
    total = measurements.total()
    assert (total.motion.value, total.seam_ratio.value, total.worst_seam) == (7.0, 2.0, 2.0)
    assert (total.num_cuts, total.num_stagnant, total.last) == (0, 1, 2)
    empty = Measurements(1)
    empty.add(chunk(0, motion=None, seam_ratio=None))
    assert empty.total().motion.value is None


def test_a_rewind_forgets_everything_because_the_log_repeats_it():
    measurements = folded(20)
    measurements.add(Rewound(revision=1, num_frames=24, num_refined_frames=0))
    assert measurements.total() is None and measurements.newest is None
    measurements.add(chunk(0))
    assert measurements.chunks_per_span == 1 and measurements.newest.last == 0
