"""Time: which constant rate a video is read at, and its frames at that rate."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TypeVar


# Of a video whose frames come at uneven times: more would mostly repeat them.
MAX_UNEVEN_RATE = Fraction(60)
MAX_STATED_RATE = 1000
NEAR = Fraction(2, 5)  # of a place
MAX_DRIFT = Fraction(1, 4)  # of a place
MAX_DENOMINATOR = 1001  # as in 30000/1001
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Timing:
    """When the frames of a video are shown.

    Args:
        rate: frames a second, constant.
        num_frames: of the whole video at this rate.
        last_places: how many of them are its last frame.
        is_even: every frame has one place; else some are shown longer.
        has_times: frames come at times; else one after the other.
        tick: of the file's clock, in seconds.
    """

    rate: Fraction
    num_frames: int
    last_places: int
    is_even: bool
    has_times: bool
    tick: Fraction


def find_timing(
    times: Sequence[int],
    tick: Fraction,
    stated: Iterable[Fraction | None],
    last_duration: int,
) -> Timing | None:
    """The constant rate that keeps the times of all frames.

    Rates that the file states are believed if they fit: a file that counts in milliseconds cannot
    say 30000/1001 by its times. Frames at uneven times are shown at the rate of the fastest tenth.

    Args:
        times: of every frame, ascending, in ticks; all equal if there is no clock.
        tick: seconds.
        stated: rates that the file states.
        last_duration: of the last frame, in ticks; 0 if that is not known.

    Returns:
        None if neither the times nor the file say a rate.
    """
    rates = [rate for rate in stated if rate and 0 < rate <= MAX_STATED_RATE]
    steps = sorted(later - time for time, later in pairwise(times))
    steps = [step for step in steps if step > 0]
    if not steps:
        return Timing(rates[0], len(times), 1, True, False, tick) if rates else None
    span = (times[-1] - times[0]) * tick
    for rate in (*rates, _simplest(len(times) - 1, span, tick)):
        if _is_even(times, tick * rate):
            return Timing(rate, len(times), 1, True, True, tick)
    fast = min(MAX_UNEVEN_RATE, _simplest(1, steps[len(steps) // 10] * tick, tick))
    rate = next((rate for rate in rates if abs(rate - fast) * 50 < fast), fast)
    last_places = max(1, round(last_duration * tick * rate))
    return Timing(rate, round(span * rate) + last_places, last_places, False, True, tick)


def _simplest(num_frames: int, seconds: Fraction, tick: Fraction) -> Fraction:
    """The rate with the smallest denominator of those that the times may mean.

    They are rounded to ticks, so that their difference is uncertain by one.
    """
    low, high = num_frames / (seconds + tick), num_frames / max(seconds - tick, tick / 2)
    for denominator in range(1, MAX_DENOMINATOR + 1):
        rate = Fraction(round(num_frames / seconds * denominator), denominator)
        if rate and low <= rate <= high:
            return rate
    return num_frames / seconds


def _is_even(times: Sequence[int], places_per_tick: Fraction) -> bool:
    """Whether every frame is near its own place, and the clock does not drift to the end.

    Near is less than half a place: where a frame is missing, one beside the gap is farther away.
    """
    first, last = times[0], len(times) - 1
    drift = abs((times[-1] - first) * places_per_tick - last)
    return drift <= MAX_DRIFT and all(
        abs((time - first) * places_per_tick - number) < NEAR for number, time in enumerate(times)
    )


def in_time(frames: Iterable[tuple[int, Item]], timing: Timing) -> Iterator[Item]:
    """Frames at a constant rate: each is shown until the next one's time.

    Where two fall on the same place, the later one is shown.

    Args:
        frames: with their times in ticks.
    """
    if not timing.has_times:
        yield from (frame for _, frame in frames)
        return
    shown: Item | None = None
    place = start = 0
    for time, frame in frames:
        if shown is None:
            start = time
        else:
            next_place = round((time - start) * timing.tick * timing.rate)
            for _ in range(next_place - place):
                yield shown
            place = max(place, next_place)
        shown = frame
    if shown is not None:
        for _ in range(timing.last_places):
            yield shown
