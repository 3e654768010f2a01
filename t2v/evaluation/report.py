"""`longtake evaluate`: measures prompt fidelity, seams, motion and memory of an embedded stack.

Every measure is taken on the output of the app's pipeline, with held-out scenes, by a probe that
was trained on renders only. Real rendered videos are measured too, as controls: a measure that they
fail is a bad measure.
"""

import time
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
from tqdm import tqdm

from t2v.evaluation import check_num_prompts
from t2v.evaluation.attributes import attribute_rows, pair_rows
from t2v.evaluation.memory import memory_rows
from t2v.evaluation.metrics.flow import flow_magnitudes
from t2v.evaluation.metrics.intervals import ratio_of_means, with_interval
from t2v.evaluation.metrics.seams import seam_and_within_change
from t2v.evaluation.samples import Video, generate, held_out_scenes, render
from t2v.media.images import contact_sheet
from t2v.models.checkpoints import load_weights
from t2v.pipeline.loading import load_stack
from t2v.pipeline.stack import Stack
from t2v.settings.chunking import PAPER_CHUNKING, Chunking
from t2v.settings.presets import Preset
from t2v.training.probe import Probe
from t2v.worlds import find_world, world_of
from t2v.worlds.world import Scene, World


NUM_CHUNKS = 10
SHEET_PROMPTS, SHEET_FRAMES = 16, 12


def evaluate(preset: Preset, num_prompts: int, sheet: Path | None = None) -> dict:
    """Measures the whole table. Each row: value, 95 % interval, number of videos.

    Raises:
        ConfigError: there are too few prompts for an interval.
    """
    check_num_prompts(num_prompts)
    stack, probe = load_stack(preset), load_probe(preset)
    rows = {
        **video_rows(stack, probe, preset, num_prompts, sheet),
        **memory_rows(stack, probe, preset, num_prompts),
    }
    scenes, _ = held_out_scenes(probe.world, num_prompts)
    prompts = [scene.caption for scene in scenes[:SHEET_PROMPTS]]
    return {
        "preset": preset.name,
        "world": probe.world.name,
        "defaults": preset.defaults,
        "rows": rows,
        "prompts": prompts,
    }


def load_probe(preset: Preset) -> Probe:
    """Loads the probe of a preset's weights.

    Raises:
        ConfigError: the weights were not trained on one of our worlds.
        CheckpointError: the probe's weights are missing or do not fit.
    """
    probe = Probe(world_of(preset.weights_folder)).eval()
    load_weights(probe, preset.weights_folder / "probe")
    return probe


def video_rows(
    stack: Stack, probe: Probe, preset: Preset, num_prompts: int, sheet: Path | None = None
) -> dict:
    """Measures videos of 10 chunks: attributes, seams, motion and speed."""
    world = probe.world
    scenes, pairs = held_out_scenes(world, num_prompts)
    num_frames = preset.chunking.num_frames(NUM_CHUNKS)
    real = [render(world, scene, num_frames) for scene in scenes]

    def draw(scenes: list[Scene], label: str, **settings: bool) -> list[Video]:
        configs = [
            preset.config(prompt=scene.caption, seed=i, num_chunks=NUM_CHUNKS, **settings)
            for i, scene in enumerate(scenes)
        ]
        return [generate(stack, config) for config in tqdm(configs, desc=label)]

    started = time.perf_counter()
    videos = draw(scenes, "CAM on")
    seconds = (time.perf_counter() - started) / (num_prompts * NUM_CHUNKS)
    without_cam = draw(scenes, "CAM off", use_cam=False)
    rows: dict[str, Any] = {}
    if pairs:
        real_pairs = [render(world, scene, num_frames) for scene in pairs]
        rows |= pair_rows(probe, pairs, draw(pairs, "pairs"), "", preset.chunking)
        rows |= pair_rows(probe, pairs, real_pairs, "real_", preset.chunking)
    if sheet:
        write_sheet(sheet, videos[:SHEET_PROMPTS])
    return {
        **attribute_rows(probe, scenes, videos, "", preset.chunking),
        **attribute_rows(probe, scenes, real, "real_", preset.chunking),
        **rows,
        **seam_rows(videos, without_cam, real, preset.chunking),
        **motion_rows(world, scenes, videos, real, preset.chunking),
        "seconds_per_chunk": {"value": seconds, "count": num_prompts * NUM_CHUNKS},
    }


def seam_rows(
    videos: list[Video],
    without_cam: list[Video],
    real: list[Video],
    chunking: Chunking = PAPER_CHUNKING,
) -> dict:
    """Change between chunks over change within chunks; 1 means no visible seam."""
    boundaries = chunking.boundaries(len(videos[0]))
    pairs = {
        name: np.array([seam_and_within_change(video, boundaries) for video in arm])
        for name, arm in (("cam", videos), ("cam_off", without_cam), ("real", real))
    }
    rows = {f"seam_{name}": with_interval(ratio_of_means, pair) for name, pair in pairs.items()}

    def excess_ratio(both: np.ndarray) -> float:
        return (ratio_of_means(both[:, :2]) - 1) / (ratio_of_means(both[:, 2:]) - 1)

    both = np.concatenate([pairs["cam"], pairs["cam_off"]], axis=1)
    rows["seam_excess_cam_over_off"] = with_interval(excess_ratio, both)
    return rows


def motion_rows(
    world: World,
    scenes: list[Scene],
    videos: list[Video],
    real: list[Video],
    chunking: Chunking = PAPER_CHUNKING,
) -> dict:
    """Flow in the last chunk over flow in the second, for objects that never stop or leave."""

    def flows(video: Video) -> tuple[float, float]:
        magnitudes = flow_magnitudes(video)
        second = magnitudes[chunking.num_frames(1) : chunking.num_frames(2) - 1]
        return magnitudes[1 - chunking.new_frames :].mean(), second.mean()

    moving = [i for i, scene in enumerate(scenes) if scene.motion in world.always_moving]
    if not moving:
        return {}
    return {
        name: with_interval(ratio_of_means, np.array([flows(arm[i]) for i in moving]))
        for name, arm in (("motion_kept", videos), ("real_motion_kept", real))
    }


def write_sheet(path: Path, videos: list[Video]) -> None:
    """Writes one row per video, with frames at equal distances."""
    times = np.linspace(0, len(videos[0]) - 1, SHEET_FRAMES).round().astype(int)
    frames = np.concatenate([video[times] for video in videos])
    imageio.imwrite(path, contact_sheet(frames, columns=SHEET_FRAMES))


def format_table(report: dict) -> str:
    """Formats the rows as text, with their targets."""
    bars = find_world(report.get("world", "shapes")).bars
    lines = [f"{'measure':28}{'value':>8}  {'95 % interval':>16}{'videos':>8}   bar"]
    for name, row in report["rows"].items():
        interval = f"{row['low']:.3f} .. {row['high']:.3f}" if "low" in row else ""
        bar = bars.get(name, "")
        lines.append(f"{name:28}{row['value']:8.3f}  {interval:>16}{row['count']:8d}   {bar}")
    return "\n".join(lines)
