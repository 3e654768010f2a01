"""How refined chunks join, with all blendings on the same previews.

Part of `benchmarks.refine`.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from t2v.evaluation.metrics.flow import flow_magnitudes
from t2v.evaluation.metrics.intervals import mean, ratio_of_means, with_interval
from t2v.evaluation.metrics.seams import seam_and_within_change
from t2v.evaluation.samples import HELD_OUT, generate
from t2v.events import Chunk
from t2v.pipeline.refinement import refine
from t2v.pipeline.stack import Refiner, Stack
from t2v.settings.config import BLENDINGS, GenerationConfig
from t2v.settings.presets import Preset
from t2v.training.refiner import upscale
from t2v.worlds import world_of
from t2v.worlds.world import Scene


JOIN_PROMPTS, JOIN_SEEDS, JOIN_CHUNKS = 8, 3, 14  # 120 frames
# Change at the seams and elsewhere, the same of the added details, and the variation of the flow.
Join = tuple[tuple[float, float], tuple[float, float], float]


def held_out(preset: Preset, count: int, num_chunks: int) -> list[tuple[Scene, GenerationConfig]]:
    world = world_of(preset.weights_folder)
    scenes = [world.sample(np.random.default_rng(HELD_OUT + i), pair=False) for i in range(count)]
    return [
        (scene, preset.config(prompt=scene.caption, seed=i, num_chunks=num_chunks, refine=True))
        for i, scene in enumerate(scenes)
    ]


def refined(refiner: Refiner, config: GenerationConfig, preview: np.ndarray) -> np.ndarray:
    events = refine(refiner, config, [preview])
    return np.concatenate([event.frames for event in events if isinstance(event, Chunk)])


def joins(
    stack: Stack, refiner: Refiner, preset: Preset, num_prompts: int
) -> dict[str, dict[str, float | int]]:
    """Seams and variation of motion of all blendings on the same previews.

    Rows that begin with `preview_` are of what came in.
    """
    measured = {name: [] for name in ("preview", *BLENDINGS)}
    configs = [
        replace(config, seed=1000 * seed + config.seed)
        for _, config in held_out(preset, num_prompts, JOIN_CHUNKS)
        for seed in range(JOIN_SEEDS)
    ]
    for config in tqdm(configs, desc="joins"):
        preview = generate(stack, config)
        bicubic = upscale(preview)
        measured["preview"].append(join_measures(refiner, bicubic, bicubic))
        for name in BLENDINGS:
            video = refined(refiner, replace(config, blending=name), preview)
            measured[name].append(join_measures(refiner, video, bicubic))
    rows = {}
    for name, values in measured.items():
        seams, details, variation = (np.array(part) for part in zip(*values, strict=True))
        rows[f"{name}_seam"] = with_interval(ratio_of_means, seams)
        rows[f"{name}_flow_std"] = with_interval(mean, variation)
        if name != "preview":
            rows[f"{name}_detail_seam"] = with_interval(ratio_of_means, details)
    for name, part in (("detail_seam", 1), ("flow_std", 2)):
        pairs = [(causal[part], joint[part]) for causal, joint in both(measured)]
        pairs = np.array(pairs).reshape(len(pairs), 2, -1)  # (video, blending, numbers)
        rows[f"causal_over_joint_{name}"] = with_interval(ratio_of_scores, pairs)
    return rows


def join_measures(refiner: Refiner, video: np.ndarray, bicubic: np.ndarray) -> Join:
    """(seam, elsewhere), the same of what the refiner added, and the variation of the flow.

    The first: change of pixels where an overlap ends, which is where chunks that know nothing of
    each other meet. A preview has seams there as well, so the second looks at the added details
    alone, and for the largest change anywhere from the overlap's beginning to its end.
    """
    settings = refiner.settings
    chunking = settings.chunking
    ends = list(range(chunking.chunk_frames, len(video), chunking.new_frames))
    change = np.abs(np.diff(video.astype(np.int16) - bicubic, axis=0)).mean(axis=(1, 2, 3))
    overlaps = [slice(end - settings.overlap - 1, end) for end in ends]
    outside = np.ones(len(change), dtype=bool)
    for overlap in overlaps:
        outside[overlap] = False
    details = (np.mean([change[overlap].max() for overlap in overlaps]), change[outside].mean())
    return seam_and_within_change(video, ends), details, flow_magnitudes(video).std()


def both(measured: dict[str, list[Join]]) -> Iterator[tuple[Join, Join]]:
    return zip(measured["causal"], measured["joint"], strict=True)


def ratio_of_scores(values: np.ndarray) -> float:
    """Of causal over joint; a score is a sum, or a ratio of two sums, over videos."""
    sums = values.sum(axis=0)
    scores = sums[:, 0] / sums[:, 1] if sums.shape[1] == 2 else sums[:, 0]
    return float(scores[0] / scores[1])
