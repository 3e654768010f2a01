"""The suites of `longtake benchmark`: which arms, how long, and what the paper says of them.

The paper's numbers (StreamingT2V, arXiv 2403.14773v2) are of its own model, at 720 x 720 pixels and
with another estimator of optical flow: they may be read for their order, never for their size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from t2v.errors import ConfigError


CONTROLS = ("real", "shuffled", "frozen")
BASELINES = (
    "svd",
    "svd-xt",
    "i2vgen-xl",
    "sparsectrl",
    "freenoise-animatediff",
    "framepack",
    "skyreels-v2",  # like FramePack newer than the paper
)
TWINS = (
    "cam-twin",
    "add-cond",
    "conc-cond",
    "sparse-cond",
    "masked-frames",
    "repeated-frame",
)  # trained by `longtake train --arm`
SEAMS = ("scuts", "scuts_boundary", "seam_ratio", "warp_seam_ratio", "flow_seam_ratio")
WARPS = ("mawe_code", "mawe_ratio", "mawe_text", "warp_error")
MOTION = ("motion", "stagnant_share", "std_t", "std_pix")
DRIFT = ("drift_colour", "drift_saturation", "drift_contrast", "drift_sharpness")
QUICK_CHUNKS = 8  # of every suite, so that `all --quick` makes each video once
QUICK_LENGTHS = (40, 56, 72)
ALL_QUICK_PROMPTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """One question, and the videos that answer it.

    Args:
        arms: the first is the one that all others are compared with.
        num_chunks: length of a video.
        num_prompts: as many as there are, at most these.
        quick_prompts: with --quick.
        metrics: in the order of the table.
        lengths: frames after which each video is measured as well, if it is longer.
        paper: of a metric and an arm, the paper's number for the method that the arm stands for.
        uses_model: whether videos are drawn; synthetic clips need no stack.
    """

    name: str
    question: str
    arms: tuple[str, ...]
    num_chunks: int
    num_prompts: int = 50
    quick_prompts: int = 8
    metrics: tuple[str, ...]
    lengths: tuple[int, ...] = ()
    paper: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    uses_model: bool = True


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            name="table1",
            question="How do long videos compare across methods (Table 1)?",
            arms=(
                "cam",
                "no-cam",
                "restart",
                "replacement",
                "last-anchor",
                *TWINS,
                "gen-l",
                "freenoise",
                *BASELINES,
                *CONTROLS,
            ),
            num_chunks=29,  # 240 frames
            quick_prompts=5,
            metrics=(*WARPS, *SEAMS, *MOTION, "adherence"),
            paper={
                "mawe": {
                    "cam": "52.3 (StreamingT2V)",
                    "freenoise": "1298.4 (FreeNoise)",
                    "last-anchor": "857.2 (SVD), 2846.4 (I2VGen-XL)",
                    "replacement": "718.9 (SEINE, trained with masks)",
                    "sparse-cond": "6069.7 (SparseCtrl)",
                    "masked-frames": "718.9 (SEINE), 1165.7 (OpenSora)",
                    "repeated-frame": "857.2 (SVD), 2846.4 (I2VGen-XL), 176.7 (DynamiCrafter)",
                    "svd": "857.2 (SVD)",
                    "svd-xt": "857.2 (SVD)",
                    "i2vgen-xl": "2846.4 (I2VGen-XL)",
                    "sparsectrl": "6069.7 (SparseCtrl)",
                    "freenoise-animatediff": "1298.4 (FreeNoise)",
                },
                "scuts": {
                    "cam": "0.04 (StreamingT2V)",
                    "freenoise": "0 (FreeNoise)",
                    "last-anchor": "1.10 (SVD), 0.40 (I2VGen-XL)",
                    "replacement": "0.28 (SEINE, trained with masks)",
                    "sparse-cond": "5.48 (SparseCtrl)",
                    "masked-frames": "0.28 (SEINE), 0.16 (OpenSora)",
                    "repeated-frame": "1.10 (SVD), 0.40 (I2VGen-XL), 1.30 (DynamiCrafter)",
                    "svd": "1.10 (SVD)",
                    "svd-xt": "1.10 (SVD)",
                    "i2vgen-xl": "0.40 (I2VGen-XL)",
                    "sparsectrl": "5.48 (SparseCtrl)",
                    "freenoise-animatediff": "0 (FreeNoise)",
                },
            },
        ),
        Suite(
            name="conditioning",
            question="Does the CAM join chunks better than other ways to condition (E1)?",
            arms=(
                "cam",
                "no-apm",
                "no-cam",
                "restart",
                "replacement",
                "last-frame",
                "last-anchor",
                *TWINS,
                *CONTROLS,
            ),
            num_chunks=10,
            metrics=(*SEAMS, *WARPS, *MOTION, "drift_colour", "adherence"),
            paper={
                "scuts": {
                    "no-apm": "0.03 (CAM, no APM)",
                    "cam-twin": "0.03 (CAM, no APM)",
                    "conc-cond": "0.24 (Conc-Cond, no APM)",
                    "add-cond": "0.284 (Add-Cond, no APM)",
                }
            },
        ),
        Suite(
            name="apm",
            question="Does the APM keep the look of the first chunk (E2)?",
            arms=("cam", "no-apm", *CONTROLS),
            num_chunks=30,
            metrics=("object_drift", *DRIFT, *MOTION, *WARPS, *SEAMS, "adherence"),
        ),
        Suite(
            name="blending",
            question="Does randomized blending remove the seams of refined chunks (E3)?",
            arms=("joint", "causal", "shared_noise", "independent", "upscaled"),
            num_chunks=14,
            num_prompts=8,
            quick_prompts=4,
            metrics=("std_t", "std_pix", *SEAMS, *WARPS, "motion"),
            paper={
                "std_pix": {
                    "independent": "8.72 (B)",
                    "shared_noise": "6.01 (B+S)",
                    "joint": "3.32 (B+S+RB)",
                },
                "std_t": {
                    "independent": "8.72 (B)",
                    "shared_noise": "6.01 (B+S)",
                    "joint": "3.32 (B+S+RB)",
                },
            },
        ),
        Suite(
            name="stability",
            question="Do videos stay as good as they grow longer (E4)?",
            arms=("cam", "no-cam", *CONTROLS),
            num_chunks=27,
            metrics=(*WARPS, *MOTION, *SEAMS),
            lengths=(120, 140, 160, 180, 200, 220),
            paper={
                "mawe": {
                    "cam": "43.25, 46.92, 46.79, 45.79, 45.84, 45.84 after 120, 140, ..., 220 "
                    "frames"
                }
            },
        ),
        Suite(
            name="stagnation",
            question="Does motion go on, where conditioning on one frame lets it stop (E5)?",
            arms=(
                "cam",
                "last-frame",
                "last-anchor",
                "replacement",
                "repeated-frame",
                *CONTROLS,
            ),
            num_chunks=30,
            metrics=("motion_kept", *MOTION, *WARPS, *SEAMS),
        ),
        Suite(
            name="context",
            question="How many conditioning frames does the CAM need (E6)?",
            arms=("cam", "cam-4", "cam-2", "cam-1", "last-frame", *CONTROLS),
            num_chunks=10,
            metrics=("flow_seam_ratio", *SEAMS[:-1], *MOTION, *WARPS),
        ),
        Suite(
            name="long",
            question="Does a video of 1200 frames drift away (E7)?",
            arms=("cam", "no-apm", *CONTROLS),
            num_chunks=149,
            num_prompts=5,
            quick_prompts=4,
            metrics=("object_drift", *DRIFT, *MOTION, *WARPS, *SEAMS, "adherence", "memory_growth"),
        ),
        Suite(
            name="sanity",
            question="Do the metrics rank videos whose rank is known (E8)?",
            arms=(),
            num_chunks=0,
            metrics=(),
            uses_model=False,
        ),
    )
}
ALL = "all"


def find_suites(name: str) -> tuple[Suite, ...]:
    """The suite of that name; "all" are all of them.

    Raises:
        ConfigError: there is none.
    """
    if name == ALL:
        return tuple(SUITES.values())
    if name not in SUITES:
        raise ConfigError(f"SUITE must be one of {', '.join((*SUITES, ALL))}; got {name!r}")
    return (SUITES[name],)


def paper_figure(suite: Suite, metric: str, arm: str) -> str:
    """The paper's number; of MAWE, whose form it leaves open, for all three forms."""
    name = "mawe" if metric.startswith("mawe") else metric
    return suite.paper.get(name, {}).get(arm, "")
