"""The suites of `longtake benchmark`: the questions, which arms answer them, and how long."""

from dataclasses import dataclass

from t2v.errors import ConfigError
from t2v.settings.conditionings import CONDITIONINGS


CONTROLS = ("real", "shuffled", "frozen")
LARGE_CONTROLS = ("real-large", "shuffled-large", "frozen-large")  # of the size of refined frames
BASELINES = (
    "svd",
    "svd-xt",
    "i2vgen-xl",
    "sparsectrl",
    "freenoise-animatediff",
    "framepack",
    "skyreels-v2",  # like FramePack newer than the paper
)
# Trained by `longtake train --arm`; the CAM itself first, under another name than the bundled one.
TRAINED_RIVALS = ("cam-twin", *(name for name in CONDITIONINGS if name != "cam"))
SEAMS = (
    "scuts",
    "scuts_boundary",
    "cut_share",
    "seam_ratio",
    "warp_seam_ratio",
    "flow_seam_ratio",
)
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
                *TRAINED_RIVALS,
                "gen-l",
                "freenoise",
                *BASELINES,
                *CONTROLS,
            ),
            num_chunks=29,  # 240 frames
            quick_prompts=5,
            metrics=(*WARPS, *SEAMS, *MOTION, "adherence"),
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
                *TRAINED_RIVALS,
                *CONTROLS,
            ),
            num_chunks=10,
            metrics=(*SEAMS, *WARPS, *MOTION, "drift_colour", "adherence"),
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
            arms=("joint", "causal", "shared_noise", "independent", "upscaled", *LARGE_CONTROLS),
            num_chunks=14,
            num_prompts=8,
            quick_prompts=4,
            metrics=("std_t", "std_pix", "join_ratio", "scuts", *WARPS, "motion"),
        ),
        Suite(
            name="stability",
            question="Do videos stay as good as they grow longer (E4)?",
            arms=("cam", "no-cam", *CONTROLS),
            num_chunks=27,
            metrics=(*WARPS, *MOTION, *SEAMS, "adherence"),
            lengths=(120, 140, 160, 180, 200, 220),
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
