"""MAWE agrees with tensors of the authors' script, and still videos never come out as perfect."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from t2v.evaluation.metrics.flow import DISFlow
from t2v.evaluation.metrics.mawe import (
    PairTerms,
    Sizes,
    mawe_code,
    mawe_ratio,
    mawe_text,
    pair_terms,
    stagnant_share,
    terms_of_pair,
)
from t2v.evaluation.metrics.warp import splat, warp_error
from tests.support.clips import pan


@pytest.fixture(scope="module")
def authors(goldens):
    """Per pair: frames, flow, and what the authors' script made of them."""
    tensors = load_file(goldens.folder / goldens.facts["mawe"]["file"])
    video = tensors["video"].transpose(0, 2, 3, 1)
    pairs = []
    for i in range(3):
        flow, warped, unknown = (
            np.moveaxis(np.atleast_3d(tensors[f"pair{i}/{name}"][0]), 0, -1)
            if name != "unknown_mask"
            else tensors[f"pair{i}/{name}"][0]
            for name in ("flow", "warped", "unknown_mask")
        )
        pairs.append((video[i], video[i + 1], flow, warped, unknown == 0))
    return tensors, pairs


@pytest.mark.parametrize("pair", range(3))
def test_moved_pixels_are_those_of_the_authors(authors, pair):
    left, _, flow, warped, known = authors[1][pair]
    our_warped, our_known = splat(left, flow)
    assert (our_known == known).all()
    assert (our_warped[known] == warped[known]).all()


def test_mawe_is_that_of_the_authors(authors):
    tensors, pairs = authors
    rows = np.array([terms_of_pair(left, right, flow) for left, right, flow, *_ in pairs])
    terms = PairTerms(*rows.T)
    assert terms.warp_error == pytest.approx(tensors["warp_errors"], rel=1e-6)
    assert terms.motion == pytest.approx(tensors["motions"], rel=1e-6)
    assert mawe_code(terms).value == pytest.approx(518.5606, abs=1e-3)


def terms(warp_error, motion):
    warp_error, motion = np.array(warp_error, float), np.array(motion, float)
    return PairTerms(warp_error, motion, motion**2, motion / 7)


def test_the_three_forms_by_hand():
    both = terms([19.0, 38.0], [1.0, 4.0])
    assert mawe_code(both).value == pytest.approx((2 + 1) / 2)
    assert mawe_ratio(both).value == pytest.approx(28.5 / (9.5 * 2.5))
    assert mawe_text(both).value == pytest.approx(28.5 / 8.5)


@pytest.mark.parametrize("form", [mawe_code, mawe_ratio, mawe_text])
def test_stagnant_pairs_are_left_out(form):
    live = form(terms([19.0, 38.0], [1.0, 4.0])).value
    assert form(terms([19.0, 500.0, 38.0], [1.0, 0.049, 4.0])).value == live


@pytest.mark.parametrize("form", [mawe_code, mawe_ratio, mawe_text])
def test_a_video_that_mostly_stands_still_has_no_mawe(form):
    assert form(terms([1, 1, 1, 1], [3, 3, 0, 0])).value is not None
    still = form(terms([1, 1, 1, 1, 1], [3, 3, 0, 0, 0]))
    assert (still.value, still.reason) == (None, "stagnant")


def test_the_share_of_stagnant_pairs():
    assert stagnant_share(terms([1, 1, 1, 1], [3, 0.04, 0.06, 2])).value == 0.25


def test_where_everything_leaves_the_picture_all_pixels_are_compared_with_black():
    left, right = np.full((2, 5, 7, 3), 10, np.uint8)
    assert warp_error(left, right, np.full((5, 7, 2), 99, np.float32)) == 100


def test_a_warp_error_of_bytes_does_not_wrap_around():
    left, right = np.full((5, 7, 3), 250, np.uint8), np.full((5, 7, 3), 10, np.uint8)
    assert warp_error(left, right, np.zeros((5, 7, 2), np.float32)) == 240**2


def test_motion_is_in_pixels_of_the_warp():
    frames = pan(4, step=(3, 0), size=96)
    sizes = [Sizes(flow=96, warp=96), Sizes(flow=96, warp=192)]
    small, large = (pair_terms(frames, DISFlow(), size).motion.mean() for size in sizes)
    assert small == pytest.approx(3, abs=0.2)
    assert large == pytest.approx(6, abs=0.4)


def test_the_authors_sizes_are_the_default():
    assert (Sizes().flow, Sizes().warp) == (256, 720)
