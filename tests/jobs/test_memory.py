"""Memory does not grow with the video, neither where it is made nor where it is watched."""

import tracemalloc

import pytest

from tests.fakes import PaintingStream, settings


def peak_of(worker, num_chunks: int, refine: bool) -> int:
    """Bytes of Python and numpy at the worst moment of a run."""
    tracemalloc.reset_peak()
    for _ in worker.watch(worker.submit(settings(num_chunks=num_chunks, refine=refine))):
        pass
    return tracemalloc.get_traced_memory()[1]


@pytest.mark.parametrize("refine", [False, True])
def test_a_video_eight_times_as_long_takes_the_same_memory(start_worker, refine):
    worker = start_worker(PaintingStream())
    tracemalloc.start()
    try:
        peak_of(worker, 10, refine)
        short, long = (peak_of(worker, num_chunks, refine) for num_chunks in (10, 80))
    finally:
        tracemalloc.stop()
    assert long < short + 200_000  # one more frame of 64x64 every chunk would be 860,000
