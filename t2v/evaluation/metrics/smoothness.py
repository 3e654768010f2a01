"""Temporal smoothness: variation of the flow (StreamingT2V, ablation of blending).

The paper's "standard deviation of the optical flow magnitudes" can be read in two ways. Over time
is the headline: it alone tells the paper's three blendings apart.
"""

from t2v.evaluation.metrics.mawe import PairTerms
from t2v.evaluation.metrics.measurement import Measurement, absent, mean_of, too_short


def std_t(terms: PairTerms) -> Measurement:
    """Standard deviation over time of the mean length of the flow.

    In pixels at the size of the warp, from 0, lower is smoother; 0 for a frozen video as well.
    """
    if not len(terms.motion):
        return absent(too_short(terms.num_frames))
    return Measurement(float(terms.motion.std()))


def std_pix(terms: PairTerms) -> Measurement:
    """Standard deviation of the length of the flow over the pixels of a pair, mean over pairs.

    In pixels at the size of the warp, from 0; None with one frame.
    """
    return mean_of(terms.spread, too_short(terms.num_frames))
