"""Experiment E8: do metrics rank videos whose rank is known? On rendered videos, without a model.

Each rendered video is spoilt in one way that a metric is there to find. A metric that does not
rank the spoilt video below the real one, on nearly all scenes, cannot be trusted with videos of a
model.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from t2v.evaluation.benchmark.folder import BenchmarkFolder, write_text, write_values
from t2v.evaluation.benchmark.table import row
from t2v.evaluation.metrics.catalogue import CATALOGUE
from t2v.evaluation.metrics.controls import frozen_last_frame, shuffled_chunks
from t2v.evaluation.metrics.flow import FlowBackend
from t2v.evaluation.metrics.mawe import Sizes
from t2v.evaluation.metrics.video import measure_video
from t2v.evaluation.samples import HELD_OUT, Video, render
from t2v.settings.chunking import PAPER_CHUNKING
from t2v.worlds.world import World


NUM_SCENES, NUM_CHUNKS = 6, 6
ENOUGH = 0.8  # of the scenes
NOISE, GAIN = 6.0, 0.2  # grey levels; share of the brightness
BOUNDARIES = PAPER_CHUNKING.boundaries(PAPER_CHUNKING.num_frames(NUM_CHUNKS))
# What a spoilt video must be worse at than the real one. Of all these, lower is better.
ORDERS: Mapping[str, tuple[str, ...]] = {
    "noisy": ("mawe_code", "mawe_ratio", "warp_error"),
    "flickering": ("mawe_code", "mawe_ratio", "warp_error"),
    "shuffled": ("seam_ratio", "warp_seam_ratio", "flow_seam_ratio", "std_t"),
    "other scenes": ("seam_ratio", "warp_seam_ratio", "scuts_boundary"),
    "frozen": ("stagnant_share",),
    "fading to grey": ("drift_colour",),
}


def spoil(world: World, real: Video, seed: int) -> dict[str, Video]:
    """A real video, spoilt in each of the ways."""
    rng = np.random.default_rng(seed)
    sign = np.where(np.arange(len(real)) % 2, 1, -1)[:, None, None, None]
    fade = np.linspace(0, 1, len(real))[:, None, None, None]
    others = [
        render(world, world.sample(np.random.default_rng(seed + 1 + i), pair=False), len(real))
        for i in range(NUM_CHUNKS)
    ]
    edges = [0, *BOUNDARIES, len(real)]
    pieces = [other[edges[i] : edges[i + 1]] for i, other in enumerate(others)]
    return {
        "noisy": as_frames(real + rng.normal(0, NOISE, real.shape)),
        "flickering": as_frames(real * (1 + GAIN * sign)),
        "shuffled": shuffled_chunks(real, BOUNDARIES, rng),
        "other scenes": np.concatenate(pieces),
        "frozen": frozen_last_frame(real, PAPER_CHUNKING.chunk_frames),
        "fading to grey": as_frames(real * (1 - fade) + 128 * fade),
    }


def as_frames(values: np.ndarray) -> Video:
    return np.clip(values, 0, 255).round().astype(np.uint8)


def run_sanity(
    folder: BenchmarkFolder,
    world: World,
    flow: FlowBackend,
    sizes: Sizes,
    protocol: Mapping[str, Any],
    tell: Callable[[str], None],
) -> None:
    """Writes sanity/report.json and sanity/table.md, unless they are there already."""
    out = folder.suite("sanity")
    table = out / "table.md"
    if table.is_file():
        tell(f"sanity: {table}")
        return
    ranks: dict[tuple[str, str], list[bool]] = {}
    for number in range(NUM_SCENES):
        seed = 5 * HELD_OUT + 100 * number
        motions = world.always_moving
        scene = world.sample(
            np.random.default_rng(seed), pair=False, motion=motions[number % len(motions)]
        )
        real = render(world, scene, PAPER_CHUNKING.num_frames(NUM_CHUNKS))
        truth = measure_video(real, boundaries=BOUNDARIES, flow=flow, sizes=sizes)
        for name, video in spoil(world, real, seed).items():
            spoilt = measure_video(video, boundaries=BOUNDARIES, flow=flow, sizes=sizes)
            for metric in ORDERS[name]:
                worse = is_worse(truth[metric].value, spoilt[metric].value)
                ranks.setdefault((name, metric), []).append(worse)
        tell(f"sanity: scene {number + 1} of {NUM_SCENES}")
    rows = [
        {"spoilt": name, "metric": metric, "share": float(np.mean(worse)), "scenes": len(worse)}
        for (name, metric), worse in ranks.items()
    ]
    write_values(
        out / "report.json", {"protocol": dict(protocol), "world": world.name, "rows": rows}
    )
    write_text(table, format_sanity(rows))
    tell(f"sanity: {table}")


def is_worse(real: float | None, spoilt: float | None) -> bool:
    """Whether a metric of which lower is better ranks the spoilt video lower.

    A spoilt video without a value, as a stagnant one has, is not ranked above the real one.
    """
    return spoilt is None or (real is not None and spoilt > real)


def format_sanity(rows: list[dict[str, Any]]) -> str:
    lines = [
        "# sanity",
        "",
        "Rendered videos, spoilt in a way that the metric is there to find: share of scenes in "
        f"which it ranks the spoilt video as worse. Enough is {ENOUGH:.0%}.",
        "",
        row("video", "metric", "ranked as worse", "scenes", "enough"),
        row(*["---"] * 5),
    ]
    for one in rows:
        enough = "yes" if one["share"] >= ENOUGH else "**no**"
        label = f"{CATALOGUE[one['metric']].label} (`{one['metric']}`)"
        lines.append(row(one["spoilt"], label, f"{one['share']:.0%}", one["scenes"], enough))
    return "\n".join(lines) + "\n"
