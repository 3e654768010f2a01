"""What each number is called, measured in, and better as: for tables, plots and the docs."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """A column of a table. `better` is None where neither direction is."""

    name: str
    label: str
    unit: str
    better: Literal["lower", "higher"] | None
    weights: str = ""  # what it needs besides frames; empty: nothing


FLOW_WEIGHTS = "none with DIS"

CATALOGUE: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("mawe_code", "MAWE", "", "lower", FLOW_WEIGHTS),
        Metric("mawe_ratio", "MAWE, ratio of means", "", "lower", FLOW_WEIGHTS),
        Metric("mawe_text", "MAWE, paper's text", "1/px²", None, FLOW_WEIGHTS),
        Metric("warp_error", "warp error", "grey levels²", "lower", FLOW_WEIGHTS),
        Metric("motion", "motion", "px/frame", None, FLOW_WEIGHTS),
        Metric("stagnant_share", "stagnant pairs", "share", "lower", FLOW_WEIGHTS),
        Metric("std_t", "variation of motion over time", "px/frame", "lower", FLOW_WEIGHTS),
        Metric("std_pix", "spread of motion over pixels", "px/frame", None, FLOW_WEIGHTS),
        Metric("scuts", "SCuts", "cuts", "lower"),
        Metric("scuts_boundary", "SCuts at boundaries", "cuts", "lower"),
        Metric("seam_ratio", "seam", "ratio", "lower"),
        Metric("join_ratio", "join of refined chunks", "ratio", "lower"),
        Metric("cut_share", "share of seams with a cut", "share", "lower"),
        Metric("warp_seam_ratio", "warp error at seams", "ratio", "lower", FLOW_WEIGHTS),
        Metric("flow_seam_ratio", "motion at seams", "ratio", "lower", FLOW_WEIGHTS),
        Metric("drift_colour", "drift of colour", "grey levels", "lower"),
        Metric("drift_saturation", "drift of saturation", "grey levels", None),
        Metric("drift_contrast", "drift of contrast", "grey levels", None),
        Metric("drift_sharpness", "drift of sharpness", "log ratio", None),
        Metric("clip_score", "CLIP", "cosine x 100", "higher", "a CLIP model"),
        Metric("lpips", "LPIPS to the first frame", "distance", "lower", "an LPIPS trunk"),
        Metric("random_distance", "random-feature distance to the first frame", "distance", None),
        Metric("re_id", "Re-ID", "cosine x 100", "higher", "detector and embedder of faces"),
    )
}
