"""Preview and refined video in turns: who comes next, on a clock that the test moves."""

from itertools import pairwise

import pytest

from t2v.events import Chunk, StepDone
from t2v.pipeline.turns import take_turns
from tests.fakes import REFINER, PaintedRefiner, PaintingStream, read_numbers, settings


class Clock:
    """Every step takes its time, and nothing else does."""

    def __init__(self, preview: float, refined: float):
        self.now = 0.0
        self.seconds = {False: preview, True: refined}

    def __call__(self) -> float:
        return self.now

    def pass_by(self, event) -> None:
        if isinstance(event, StepDone):
            self.now += self.seconds[is_refined(event)]


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


def turns(num_chunks, preview=1.0, refined=1.0, refiner=None, stream=None):
    """The events of both videos; `preview` and `refined` are seconds a step, 2 and 3 a chunk."""
    clock = Clock(preview, refined)
    stream = stream or PaintingStream()
    events = stream(settings(num_chunks=num_chunks).config)
    for event in take_turns(events, refiner or PaintedRefiner(), REFINER, 8, clock):
        clock.pass_by(event)
        yield event


def chunks_of(events) -> list[Chunk]:
    return [event for event in events if isinstance(event, Chunk)]


@pytest.mark.parametrize("num_chunks", [1, 2, 3, 4, 5, 11, 12])
@pytest.mark.parametrize("refined", [0.01, 1.0, 20.0])
def test_every_frame_of_the_preview_has_its_refined_frame(num_chunks, refined):
    numbers = {False: [], True: []}
    for chunk in chunks_of(turns(num_chunks, refined=refined)):
        assert chunk.start_frame == len(numbers[is_refined(chunk)])
        numbers[is_refined(chunk)] += read_numbers(chunk.frames)
    assert numbers[True] == numbers[False] == list(range(8 + 8 * num_chunks))


@pytest.mark.parametrize("preview", [0.01, 0.5, 5.0])
def test_the_refiner_is_let_go_on_only_when_its_frames_exist_and_few_of_them_wait(preview):
    refiner = CountingRefiner()
    num_made = 0
    for event in turns(40, preview=preview, refiner=refiner):
        if isinstance(event, Chunk) and not is_refined(event):
            num_made += len(event.frames)
        num_waiting = num_made - refiner.num_given
        # A frame that does not exist would be an IndexError inside `take_turns`.
        assert 0 <= num_waiting <= REFINER.chunk_frames


@pytest.mark.parametrize("preview", [0.01, 0.5, 5.0])
def test_the_refined_video_follows_at_a_distance_of_about_one_of_its_chunks(preview):
    made = {False: 0, True: 0}
    for chunk in chunks_of(turns(40, preview=preview)):
        made[is_refined(chunk)] += len(chunk.frames)
        assert made[False] - made[True] <= REFINER.chunk_frames + REFINER.chunk_frames // 2 + 8


def test_a_preview_that_is_slower_than_its_playback_comes_first():
    """Until the frames of another refined chunk are there: then the refiner has to catch up."""
    order = [is_refined(event) for event in chunks_of(turns(7, preview=5.0))]
    assert order == [False, False, False, False, True, False, False, True, False, True, True]


def test_a_refined_chunk_is_made_at_once_when_the_preview_is_ahead():
    order = [is_refined(event) for event in chunks_of(turns(6, preview=0.01, refined=0.01))]
    assert order == [False, False, True, False, False, True, False, False, True, True]


@pytest.mark.parametrize("preview", [0.01, 0.1, 0.5, 5.0])
def test_a_chunk_of_the_preview_is_not_interrupted(preview):
    events = list(turns(30, preview=preview, refined=0.4))
    for before, event in pairwise(events):
        if isinstance(event, StepDone) and not is_refined(event) and event.step > 1:
            assert not is_refined(before)


def test_closing_it_closes_both():
    stream, refiner = PaintingStream(), PaintedRefiner()
    events = turns(40, refiner=refiner, stream=stream)
    while refiner.num_steps_done == 0:
        next(events)
    events.close()
    assert (stream.num_closed, refiner.num_closed) == (1, 1)


def test_a_refiner_that_breaks_closes_the_preview():
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
