"""What the metrics say about clips whose faults are known: what they see, and what they miss."""

import numpy as np
import pytest

from t2v.evaluation.metrics.catalogue import CATALOGUE
from t2v.evaluation.metrics.controls import frozen_last_frame, ranked_above_real, shuffled_chunks
from t2v.evaluation.metrics.flow import DISFlow
from t2v.evaluation.metrics.mawe import Sizes
from t2v.evaluation.metrics.video import measure_video
from tests.support import clips


COUNT, BOUNDARIES, SIZE = 24, (8, 16), 96


def drifting(frames):
    """Contrast and red grow over time."""
    share = np.linspace(0, 1, len(frames))[:, None, None, None]
    return np.clip((frames - 128.0) * (1 + 0.8 * share) + 128 + share * (40, 0, 0), 0, 255).astype(
        np.uint8
    )


@pytest.fixture(scope="module")
def measured():
    """The values of each clip by name of the metric; None where there is none."""
    moving = clips.pan(COUNT)
    videos = {
        "slow": clips.pan(COUNT, (1, 0)),
        "moving": moving,
        "noisy": clips.noisy(moving, 6),
        "noisy still": clips.noisy(clips.pan(COUNT, (0, 0)), 4),
        "flickering": clips.flickering(moving),
        "unrelated": clips.unrelated(COUNT),
        "jumping": clips.jumping(COUNT),
        "jittering": clips.jittering(COUNT),
        "drifting": drifting(moving),
        "crossfade": clips.crossfade(COUNT, 10, 16),
        "cut": clips.with_cuts(COUNT, 16),
        "stagnating": clips.frozen_after(moving, 14),
        "frozen": frozen_last_frame(moving, 8),
        "shuffled": shuffled_chunks(clips.pan(40), (8, 16, 24, 32), np.random.default_rng(0))[:24],
    }
    sizes = Sizes(flow=SIZE, warp=2 * SIZE)
    measure = {
        name: measure_video(video, boundaries=BOUNDARIES, flow=DISFlow(), sizes=sizes)
        for name, video in videos.items()
    }
    return {clip: {k: m.value for k, m in values.items()} for clip, values in measure.items()}


def ranking(measured, metric, *names):
    """The names, best (lowest) first."""
    return sorted(names, key=lambda name: measured[name][metric])


@pytest.mark.parametrize("metric", ["mawe_code", "mawe_ratio"])
def test_mawe_ranks_noise_flicker_and_chaos(measured, metric):
    worse_and_worse = ["moving", "noisy", "flickering", "unrelated"]
    assert ranking(measured, metric, *reversed(worse_and_worse)) == worse_and_worse
    assert measured["noisy still"][metric] > measured["noisy"][metric]
    assert measured["crossfade"][metric] > 5 * measured["moving"][metric]


def test_mawe_does_not_see_jumps_and_jitter_and_the_variation_of_motion_does(measured):
    calm = measured["slow"]
    for name in ("jumping", "jittering"):
        assert measured[name]["mawe_code"] < 2 * calm["mawe_code"]
        assert measured[name]["std_t"] > 10 * calm["std_t"]


def test_jumps_are_seen_at_the_seams(measured):
    for metric in ("seam_ratio", "flow_seam_ratio"):
        assert measured["jumping"][metric] > 1.5
        assert measured["moving"][metric] == pytest.approx(1, abs=0.1)


def test_standing_still_costs_more_in_a_mean_of_ratios(measured):
    values = measured["stagnating"]
    assert values["mawe_code"] is None or values["mawe_code"] > 3 * values["mawe_ratio"]


def test_a_cut_costs_more_in_a_ratio_of_means(measured):
    assert measured["cut"]["mawe_ratio"] > 2 * measured["cut"]["mawe_code"]


def test_the_papers_text_forgives_chaos_because_its_flow_is_large(measured):
    chaos, noise = (measured[name]["mawe_text"] for name in ("unrelated", "noisy"))
    assert chaos / noise < 0.3 * measured["unrelated"]["mawe_code"] / measured["noisy"]["mawe_code"]


def test_only_cuts_are_counted_as_cuts(measured):
    counts = {name: values["scuts"] for name, values in measured.items()}
    assert counts["cut"] == 1
    for name in ("moving", "flickering", "jittering", "drifting", "crossfade", "unrelated"):
        assert counts[name] == 0


def test_drift_is_seen_in_colour_contrast_and_sharpness(measured):
    drifted, moved = measured["drifting"], measured["moving"]
    assert drifted["drift_colour"] > 10 > moved["drift_colour"]
    assert drifted["drift_contrast"] > 8 > 2 * abs(moved["drift_contrast"])
    assert drifted["drift_sharpness"] > 0.6 > 2 * abs(moved["drift_sharpness"])


def test_a_frozen_video_has_no_mawe_and_is_marked_where_it_wins(measured):
    frozen, real = measured["frozen"], measured["moving"]
    assert frozen["mawe_code"] is None
    assert frozen["stagnant_share"] == pytest.approx(16 / 23)
    assert ranked_above_real(CATALOGUE["mawe_code"], real["mawe_code"], {"frozen": None}) == []
    assert ranked_above_real(CATALOGUE["seam_ratio"], 1.0, {"frozen": 0.1, "shuffled": 3.0}) == [
        "frozen"
    ]


def test_shuffled_chunks_show_at_the_seams(measured):
    shuffled, real = measured["shuffled"], measured["moving"]
    for metric in ("seam_ratio", "warp_seam_ratio"):
        assert shuffled[metric] > 2 * real[metric]
