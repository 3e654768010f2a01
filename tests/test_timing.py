"""Which constant rate a video is read at, and which frame is seen when."""

from fractions import Fraction

import pytest

from t2v.media.timing import find_timing, in_time


MS = Fraction(1, 1000)


def timing_of(times, stated=(), last_duration=0, tick=MS):
    return find_timing(times, tick, stated, last_duration)


def shown(times, timing):
    """The numbers of the frames that are seen, one after the other."""
    return list(in_time([(time, number) for number, time in enumerate(times)], timing))


@pytest.mark.parametrize(
    "rate", [Fraction(8), Fraction(30000, 1001), Fraction(24), Fraction(60), Fraction(1, 10)]
)
def test_a_clock_in_milliseconds_keeps_the_rate_that_the_file_states(rate):
    times = [round(number / rate * 1000) for number in range(700)]
    timing = timing_of(times, [rate])
    assert (timing.rate, timing.num_frames, timing.is_even) == (rate, 700, True)
    assert shown(times, timing) == list(range(700))


def test_a_stated_rate_that_drifts_from_the_times_is_not_believed():
    """ffmpeg states 25/3 for a GIF of 12 and 13 hundredths of a second in turn."""
    times = [number * 25 // 2 for number in range(64)]
    timing = timing_of(times, [Fraction(25, 3)], tick=Fraction(1, 100))
    assert (timing.rate, timing.is_even) == (8, True)


def test_a_missing_frame_is_not_spread_over_the_others():
    times = [125 * number for number in range(40) if number != 17]
    timing = timing_of(times, [Fraction(8)], last_duration=125)
    assert (timing.rate, timing.num_frames, timing.is_even) == (8, 40, False)
    assert shown(times, timing) == [*range(17), 16, *range(17, 39)]


def test_uneven_frames_are_shown_until_the_time_of_the_next_one():
    times = [0, 125, 250, 750, 1250]
    timing = timing_of(times, [Fraction(4)], last_duration=500)
    assert (timing.rate, timing.num_frames) == (8, 14)
    assert shown(times, timing) == [0, 1, *[2] * 4, *[3] * 4, *[4] * 4]


def test_of_two_frames_in_one_place_the_later_one_is_shown():
    times = [*range(0, 1000, 100), 1001, 1002, *range(1100, 2000, 100)]
    timing = timing_of(times, last_duration=100)
    assert timing.num_frames == 20
    assert shown(times, timing) == [*range(10), 11, *range(12, 21)]


def test_a_burst_of_frames_does_not_ask_for_more_than_60_a_second():
    times = [*range(100), 5000]
    assert timing_of(times).rate == 60


def test_without_a_clock_every_frame_is_shown_once_at_the_stated_rate():
    timing = timing_of([0] * 5, [None, Fraction(25)])
    assert (timing.rate, timing.num_frames) == (25, 5)
    assert shown([9, 3, 3, 1, 0], timing) == [0, 1, 2, 3, 4]
    assert timing_of([0] * 5) is None


def test_a_video_that_starts_late_starts_with_its_first_frame():
    times = [90_000 + 125 * number for number in range(9)]
    assert shown(times, timing_of(times)) == list(range(9))
