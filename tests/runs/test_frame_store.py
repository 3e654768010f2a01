"""Main memory does not grow with the video, neither in the worker nor in a reader."""

import tracemalloc

import pytest

from tests.support.fakes import PaintingStream, settings


def peak_of(worker, num_chunks: int, refine: bool) -> int:
    """Peak bytes of Python and numpy during a run."""
    tracemalloc.reset_peak()
    for _ in worker.watch(worker.submit(settings(num_chunks=num_chunks, refine=refine))):
        pass
    return tracemalloc.get_traced_memory()[1]


@pytest.mark.parametrize("refine", [False, True])
def test_a_video_eight_times_as_long_needs_the_same_main_memory(start_worker, refine):
    worker = start_worker(PaintingStream())
    tracemalloc.start()
    try:
        peak_of(worker, 10, refine)
        # The smaller of two: other threads add to a peak by chance, and what grows is in both.
        short, long = (
            min(peak_of(worker, num_chunks, refine) for _ in range(2)) for num_chunks in (10, 80)
        )
    finally:
        tracemalloc.stop()
    # One more frame of 64x64 every chunk would be 860,000. Python and coverage take up to 210,000.
    assert long < short + 430_000
