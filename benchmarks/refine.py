"""Benchmark: what the refiner sharpens, how its chunks join, how long and how much memory it takes.

    python -m benchmarks.refine
    python -m benchmarks.refine --only sharpness joins --sheet docs/refined.png

A table for people, then one line of JSON. On an embedded stack with held-out prompts; its probe
judges the frames. Blendings: B (independent), B+S (shared noise), randomized blending (joint,
causal), all on the same previews. Peak memory is measured in processes of their own.
"""

import argparse
import json
import multiprocessing
import platform
import resource
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch
from tqdm import tqdm

from benchmarks.blendings import JOIN_PROMPTS, held_out, joins, refined
from t2v.evaluation.attributes import attribute_rows
from t2v.evaluation.metrics.intervals import ratio_of_means, with_interval
from t2v.evaluation.metrics.sharpness import outline_gradient
from t2v.evaluation.report import load_probe
from t2v.evaluation.samples import generate, render
from t2v.events import Chunk
from t2v.generator import Generator
from t2v.media.images import contact_sheet, resize
from t2v.pipeline.loading import load_stack
from t2v.pipeline.refinement import refine
from t2v.pipeline.refiner_loading import load_refiner
from t2v.pipeline.stack import Refiner, Stack
from t2v.settings.presets import Preset, find_preset
from t2v.training.refiner import upscale


SHARP_PROMPTS, SHARP_CHUNKS = 32, 2
LATENCY_CHUNKS = 14
SHORT_FRAMES, LONG_FRAMES = 48, 400
SHEET_SCENES = 8


def sharpness(
    stack: Stack, refiner: Refiner, preset: Preset, num_prompts: int, sheet: Path | None
) -> dict[str, dict[str, float | int]]:
    """Outlines of refined frames against bicubic ones, and what the probe sees in them."""
    probe = load_probe(preset)
    world = probe.world
    scenes, previews, sharp, gradients, real = [], [], [], [], []
    for scene, config in tqdm(held_out(preset, num_prompts, SHARP_CHUNKS), desc="sharpness"):
        preview = generate(stack, config)
        scenes.append(scene)
        previews.append(preview)
        sharp.append(refined(refiner, config, preview))
        gradients.append(mean_gradients(sharp[-1], upscale(preview)))
        times = np.arange(float(len(preview)))[None]
        rendered = world.draw([scene], times, sharp[-1].shape[1])[0].numpy()
        real.append(mean_gradients(rendered, upscale(render(world, scene, len(preview)))))
    if sheet:
        write_sheet(sheet, previews, sharp)
    small = [resize(video, preset.frame_size) for video in sharp]
    return {
        "gradient_over_bicubic": with_interval(ratio_of_means, finite(gradients)),
        "real_gradient_over_bicubic": with_interval(ratio_of_means, finite(real)),
        **attribute_rows(probe, scenes, previews, "preview_"),
        **attribute_rows(probe, scenes, small, "refined_"),
    }


def mean_gradients(video: np.ndarray, bicubic: np.ndarray) -> tuple[float, float]:
    """Over the frames in which both have an outline; nan if there are none."""
    pairs = [
        [outline_gradient(frame) for frame in pair] for pair in zip(video, bicubic, strict=True)
    ]
    pairs = finite(pairs)
    return tuple(pairs.mean(axis=0)) if len(pairs) else (np.nan, np.nan)


def finite(pairs: Sequence[Sequence[float]]) -> np.ndarray:
    pairs = np.array(pairs, dtype=float)
    return pairs[np.isfinite(pairs).all(axis=1)]


def write_sheet(path: Path, previews: list[np.ndarray], sharp: list[np.ndarray]) -> None:
    """A row a video: preview | bicubic | refined, at its middle and near its end."""
    frames = []
    for preview, video in list(zip(previews, sharp, strict=True))[:SHEET_SCENES]:
        size = video.shape[1:3]
        for moment in (len(video) // 2, len(video) - 4):
            pixels = np.kron(preview[moment], np.ones((4, 4, 1), np.uint8))[None]
            frames += [resize(pixels, size)[0], upscale(preview[moment][None])[0], video[moment]]
    imageio.imwrite(path, contact_sheet(np.stack(frames), columns=6))


def latency(stack: Stack, refiner: Refiner, preset: Preset) -> dict[str, float]:
    """Both videos at once, as the app makes them, from one event to the next.

    `chunk_latency`: from a refined chunk's last input frame until the chunk is out, over the time
    that the refiner alone takes for a chunk. `slowest_step`: what Stop has to wait for.
    """
    config = preset.config(prompt=preset.examples[0], num_chunks=LATENCY_CHUNKS, refine=True)
    settings = refiner.settings
    num_frames = preset.chunking.num_frames(config.num_chunks)
    made, out, steps, num_made, num_out = {}, [], [], 0, 0
    own_time = 0.0
    before = time.perf_counter()
    for event in Generator.from_networks(preset, stack, lambda: refiner).stream(config):
        now = time.perf_counter()
        steps.append(now - before)
        if event.stage == "refinement":
            own_time += now - before
        if isinstance(event, Chunk) and event.stage != "refinement":
            made |= dict.fromkeys(range(num_made, num_made + len(event.frames)), now)
            num_made += len(event.frames)
        elif isinstance(event, Chunk):
            num_out += len(event.frames)
            if num_out < num_frames:  # the last overlap follows its chunk as a piece alone
                last_seen = min(num_out + settings.overlap, num_made) - 1
                out.append(now - made[last_seen])
        before = now
    per_chunk = own_time / settings.num_chunks(num_out)
    return {
        "seconds_per_refined_chunk": per_chunk,
        "seconds_per_refined_frame": own_time / num_out,
        "chunk_latency": float(np.median(out)) / per_chunk,
        "worst_chunk_latency": max(out) / per_chunk,
        "slowest_step": max(steps),
    }


def peak_memory(preset_name: str, num_frames: int) -> float:
    """Peak memory in MB of a separate process that refines this many frames causally."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_memory, (preset_name, num_frames))


def _peak_memory(preset_name: str, num_frames: int) -> float:
    preset = find_preset(preset_name)
    stack = load_stack(preset)
    refiner = load_refiner(preset, stack=stack)
    config = preset.config(prompt=preset.examples[0], num_chunks=4, refine=True)
    frames = generate(stack, config)
    num_new = stack.chunking.new_frames
    pieces = (frames[i : i + num_new] for i in cycle(range(0, len(frames), num_new)))

    for _ in refine(refiner, config, islice(pieces, num_frames // num_new)):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(preset: Preset) -> dict[str, float]:
    short, long = (peak_memory(preset.name, frames) for frames in (SHORT_FRAMES, LONG_FRAMES))
    return {
        f"peak_mb_{SHORT_FRAMES}_frames": short,
        f"peak_mb_{LONG_FRAMES}_frames": long,
        "peak_ratio": long / short,
    }


PARTS = ("sharpness", "joins", "latency", "memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="storybook", help="an embedded stack")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--prompts", type=int, default=SHARP_PROMPTS, help="of `sharpness`")
    parser.add_argument("--join-prompts", type=int, default=JOIN_PROMPTS)
    parser.add_argument("--sheet", type=Path, help="a picture: preview, bicubic, refined")
    options = parser.parse_args()

    preset = find_preset(options.preset)
    stack = load_stack(preset)
    refiner = load_refiner(preset, stack=stack)
    result = {}
    if "sharpness" in options.only:
        result |= sharpness(stack, refiner, preset, options.prompts, options.sheet)
    if "joins" in options.only:
        result |= joins(stack, refiner, preset, options.join_prompts)
    if "latency" in options.only:
        result |= latency(stack, refiner, preset)
    if "memory" in options.only:
        result |= memory(preset)
    result |= {
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    for name, row in result.items():
        print(f"{name:32}{described(row)}")
    print(json.dumps(result))


def described(row: object) -> str:
    if isinstance(row, dict):
        return f"{row['value']:.3f}  ({row['low']:.3f} .. {row['high']:.3f}, n = {row['count']})"
    return f"{row:.3f}" if isinstance(row, float) else str(row)


if __name__ == "__main__":
    main()
