"""Preview and refined video in turns: who comes next."""

from itertools import pairwise

import pytest

from t2v.events import Chunk, StepDone
from t2v.pipeline.interleave import interleave
from tests.support.fakes import REFINER, PaintedRefiner, PaintingStream, read_numbers, settings


class CountingRefiner(PaintedRefiner):
    """Knows how many frames it was given."""

    num_given = 0

    def __call__(self, pieces):
        return super().__call__(self.counted(pieces))

    def counted(self, pieces):
        for piece in pieces:
            self.num_given += len(piece)
            yield piece


def is_refined(event) -> bool:
    return event.stage == "refinement"


def turns(num_chunks, refiner=None, stream=None):
    """The events of both videos."""
    events = (stream or PaintingStream())(settings(num_chunks=num_chunks).config)
    return interleave(events, refiner or PaintedRefiner(), REFINER)


def chunks_of(events) -> list[Chunk]:
    return [event for event in events if isinstance(event, Chunk)]


@pytest.mark.parametrize("num_chunks", [1, 2, 3, 4, 5, 11, 12])
def test_every_frame_of_the_preview_has_its_refined_frame(num_chunks):
    numbers = {False: [], True: []}
    for chunk in chunks_of(turns(num_chunks)):
        assert chunk.start_frame == len(numbers[is_refined(chunk)])
        numbers[is_refined(chunk)] += read_numbers(chunk.frames)
    assert numbers[True] == numbers[False] == list(range(8 + 8 * num_chunks))


def test_the_refiner_resumes_only_when_its_frames_exist_and_few_frames_wait():
    refiner = CountingRefiner()
    num_made = 0
    for event in turns(40, refiner=refiner):
        if isinstance(event, Chunk) and not is_refined(event):
            num_made += len(event.frames)
        num_waiting = num_made - refiner.num_given
        # A frame that does not exist would be an IndexError inside `interleave`.
        assert 0 <= num_waiting <= REFINER.chunk_frames


def test_the_refined_video_follows_at_a_distance_of_one_of_its_chunks():
    made = {False: 0, True: 0}
    for chunk in chunks_of(turns(40)):
        made[is_refined(chunk)] += len(chunk.frames)
        assert made[False] - made[True] <= REFINER.chunk_frames


def test_a_chunk_is_refined_as_soon_as_its_frames_exist():
    order = [is_refined(event) for event in chunks_of(turns(6))]
    assert order == [False, False, True, False, False, True, False, False, True, True]


def test_no_chunk_is_interrupted():
    for before, event in pairwise(turns(30)):
        if isinstance(event, StepDone) and event.step > 1:
            assert is_refined(before) == is_refined(event)


def test_closing_it_closes_both():
    stream, refiner = PaintingStream(), PaintedRefiner()
    events = turns(40, refiner=refiner, stream=stream)
    while refiner.num_steps_done == 0:
        next(events)
    events.close()
    assert (stream.num_closed, refiner.num_closed) == (1, 1)


def test_a_failing_refiner_closes_the_preview():
    stream = PaintingStream()
    with pytest.raises(RuntimeError, match="innermost"):
        list(
            turns(
                9,
                stream=stream,
                refiner=PaintedRefiner(fails_at=0, error=RuntimeError("innermost")),
            )
        )
    assert stream.num_closed == 1
