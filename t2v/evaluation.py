"""`python -m t2v evaluate`: does the shapes stack draw what is said, join its chunks, remember?

Every number is measured on what comes out of the app's own pipeline, by a probe that was trained on
renders only, with held-out scenes. Real rendered videos go through the same measurements: a measure
that they do not pass is a bad measure.
"""

import time
from dataclasses import replace
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from jaxtyping import Float, UInt8
from tqdm import tqdm

from t2v.attributes import ask, attribute_rows, pair_rows, second_colour
from t2v.checkpoints import load_weights
from t2v.config import CHUNK_FRAMES, NUM_COND_FRAMES, NUM_NEW_FRAMES, GenerationConfig
from t2v.errors import ConfigError
from t2v.events import Chunk
from t2v.media.images import contact_sheet
from t2v.metrics.flow import flow_magnitudes
from t2v.metrics.intervals import mean, ratio_of_means, with_interval
from t2v.metrics.seams import seam_and_within_change
from t2v.metrics.sharpness import object_mask
from t2v.pipeline.stack import Stack, load_stack
from t2v.pipeline.streaming_t2v import stream
from t2v.presets import Preset
from t2v.state import Memory
from t2v.training.clips import sample_window
from t2v.training.drawing import draw
from t2v.training.probe import Probe
from t2v.training.world import Scene, sample_scene


HELD_OUT = 1_000_003  # seeds from here on are never used in training
NUM_CHUNKS = 10
NUM_FRAMES = CHUNK_FRAMES + NUM_NEW_FRAMES * (NUM_CHUNKS - 1)
LONG_CHUNKS = 30
RETURN_CHUNKS = 2  # in one, a part of the object may be all that has come back
ALWAYS_MOVING = ("side to side", "up and down", "circling")
ALWAYS_SEEN = (*ALWAYS_MOVING, "still")
PAIR_MOTIONS = ("side to side", "still")  # both objects never leave
SHEET_PROMPTS, SHEET_FRAMES = 16, 12
BARS = {
    "colour": ">= 0.95", "shape": ">= 0.85", "direction": ">= 0.85", "background": ">= 0.95",
    "seam_cam": "<= 1.5", "seam_excess_cam_over_off": "<= 0.5", "motion_kept": "0.7 .. 1.4",
    "returned_gain": ">= 0.20", "anchor_distance_ratio": "<= 0.75", "seconds_per_chunk": "<= 1.0",
}  # fmt: skip


def evaluate(preset: Preset, num_prompts: int, sheet: Path | None = None) -> dict:
    """The whole table. Each row: value, 95 % interval, number of videos.

    Raises:
        ConfigError: too few prompts for an interval.
    """
    if num_prompts < 4:
        raise ConfigError(f"--prompts must be at least 4, got {num_prompts}")
    stack, probe = load_stack(preset), Probe().eval()
    load_weights(probe, preset.weights_folder / "probe")
    rows = {
        **video_rows(stack, probe, preset, num_prompts, sheet),
        **memory_rows(stack, probe, preset, num_prompts),
    }
    scenes, _ = held_out_scenes(num_prompts)
    prompts = [scene.caption for scene in scenes[:SHEET_PROMPTS]]
    return {"preset": preset.name, "defaults": preset.defaults, "rows": rows, "prompts": prompts}


def video_rows(
    stack: Stack, probe: Probe, preset: Preset, num_prompts: int, sheet: Path | None = None
) -> dict:
    """Videos of 10 chunks: what they show, how chunks join, how long one takes."""
    scenes, pairs = held_out_scenes(num_prompts)
    configs = configs_of(preset, scenes)
    real = [render(scene) for scene in scenes]

    started = time.perf_counter()
    videos = [generate(stack, config) for config in tqdm(configs, desc="CAM on")]
    seconds = (time.perf_counter() - started) / (num_prompts * NUM_CHUNKS)
    without_cam = [
        generate(stack, replace(config, use_cam=False)) for config in tqdm(configs, desc="CAM off")
    ]
    of_pairs = [generate(stack, config) for config in tqdm(configs_of(preset, pairs), desc="pairs")]
    if sheet:
        write_sheet(sheet, videos[:SHEET_PROMPTS])
    return {
        **attribute_rows(probe, scenes, videos, ""),
        **attribute_rows(probe, scenes, real, "real_"),
        **pair_rows(probe, pairs, of_pairs, ""),
        **pair_rows(probe, pairs, [render(scene) for scene in pairs], "real_"),
        **seam_rows(videos, without_cam, real),
        **motion_rows(scenes, videos, real),
        "seconds_per_chunk": {"value": seconds, "count": num_prompts * NUM_CHUNKS},
    }


def memory_rows(stack: Stack, probe: Probe, preset: Preset, num_prompts: int) -> dict:
    """What the APM is worth: after 8 frames out of sight, and after 30 chunks."""
    scenes, _ = held_out_scenes(num_prompts)
    return {
        **return_rows(stack, probe, preset, num_prompts),
        **drift_rows(stack, probe, scenes, configs_of(preset, scenes)),
    }


def configs_of(preset: Preset, scenes: list[Scene]) -> list[GenerationConfig]:
    return [
        preset.config(prompt=scene.caption, seed=i, num_chunks=NUM_CHUNKS)
        for i, scene in enumerate(scenes)
    ]


def held_out_scenes(count: int) -> tuple[list[Scene], list[Scene]]:
    """`count` scenes of one object and a quarter as many of two."""
    single = [sample_scene(np.random.default_rng(HELD_OUT + i), pair=False) for i in range(count)]
    pairs = [
        sample_scene(
            np.random.default_rng(3 * HELD_OUT + i),
            pair=True,
            motion=PAIR_MOTIONS[i % len(PAIR_MOTIONS)],
        )
        for i in range(max(4, count // 4))
    ]
    return single, pairs


def generate(stack: Stack, config: GenerationConfig, **start) -> UInt8[np.ndarray, "f h w 3"]:
    """All frames; `start` as for `stream`."""
    events = stream(stack, config, **start)
    return np.concatenate([event.frames for event in events if isinstance(event, Chunk)])


def render(scene: Scene, num_frames: int = NUM_FRAMES) -> UInt8[np.ndarray, "f h w 3"]:
    return draw([scene], np.arange(num_frames, dtype=float)[None])[0].numpy()


def seam_rows(videos: list, without_cam: list, real: list) -> dict:
    """Change where chunks meet over change within chunks; 1 is no seam at all."""
    boundaries = [CHUNK_FRAMES + NUM_NEW_FRAMES * i for i in range(NUM_CHUNKS - 1)]
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


def motion_rows(scenes: list[Scene], videos: list, real: list) -> dict:
    """Flow in the last chunk over flow in the second, where objects never stop or leave."""

    def flows(video: np.ndarray) -> tuple[float, float]:
        magnitudes = flow_magnitudes(video)
        second = magnitudes[CHUNK_FRAMES : CHUNK_FRAMES + NUM_NEW_FRAMES - 1]
        return magnitudes[1 - NUM_NEW_FRAMES :].mean(), second.mean()

    moving = [i for i, scene in enumerate(scenes) if scene.motion in ALWAYS_MOVING]
    if not moving:
        return {}
    return {
        name: with_interval(ratio_of_means, np.array([flows(arm[i]) for i in moving]))
        for name, arm in (("motion_kept", videos), ("real_motion_kept", real))
    }


def return_rows(stack: Stack, probe: Probe, preset: Preset, count: int) -> dict:
    """The unnamed second colour of an object that comes back after 8 frames out of sight.

    The last 8 frames and the anchor are real: what is measured is memory, not drift.
    """
    hits = {"apm": [], "apm_off": [], "wrong_anchor": [], "real": []}
    windows = [
        sample_window(np.random.default_rng(2 * HELD_OUT + i), is_return=True) for i in range(count)
    ]
    for i, (scene, start) in enumerate(tqdm(windows, desc="returns")):
        other = windows[(i + 1) % count][0]
        end = start + NUM_COND_FRAMES + RETURN_CHUNKS * NUM_NEW_FRAMES
        times = np.concatenate([[0], np.arange(start, end)]).astype(float)
        frames = draw([scene], times[None])[0].numpy()
        wrong_anchor = render(other, 1)[0]
        cond_frames, truth = frames[1 : 1 + NUM_COND_FRAMES], frames[1 + NUM_COND_FRAMES :]
        config = preset.config(prompt=scene.caption, seed=i, num_chunks=1 + RETURN_CHUNKS)
        arms = {
            "apm": (frames[0], config, scene),
            "apm_off": (frames[0], replace(config, apm_strength=0.0), scene),
            "wrong_anchor": (wrong_anchor, config, other),
        }
        for name, (anchor, settings, owner) in arms.items():
            memory = Memory(cond_frames, anchor)
            drawn = generate(stack, settings, first_chunk=1, memory=memory)
            hits[name].append(second_colour(probe, drawn) == (owner.second_colour or "none"))
        hits["real"].append(second_colour(probe, truth) == (scene.second_colour or "none"))
    values = {name: np.array(hit, dtype=float) for name, hit in hits.items()}
    rows = {f"returned_{name}": with_interval(mean, value) for name, value in values.items()}
    rows["returned_gain"] = with_interval(mean, values["apm"] - values["apm_off"])
    return rows


def drift_rows(stack: Stack, probe: Probe, scenes: list[Scene], configs: list) -> dict:
    """Distance of the object's colours in chunk 30 from the first frame's, APM on over off.

    Of a quarter of the prompts (it takes long), and only of objects that never leave the picture,
    before plain walls, and cover less than half of a row.
    """
    chosen = [
        i
        for i, scene in enumerate(scenes)
        if scene.motion in ALWAYS_SEEN and scene.pattern == "plain" and scene.size != "large"
    ]
    chosen = chosen[: max(4, len(scenes) // 4)]
    pairs = []
    for config in tqdm([configs[i] for i in chosen], desc="30 chunks"):
        pair = []
        for strength in (config.apm_strength, 0.0):
            settings = replace(config, num_chunks=LONG_CHUNKS, apm_strength=strength)
            pair.append(colour_distance(probe, generate(stack, settings)))
        pairs.append(pair)
    pairs = np.array(pairs, dtype=float).reshape(-1, 2)  # also where nothing was chosen
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if len(pairs) < 2:
        return {}
    return {
        "anchor_distance_apm": with_interval(mean, pairs[:, 0]),
        "anchor_distance_apm_off": with_interval(mean, pairs[:, 1]),
        "anchor_distance_ratio": with_interval(ratio_of_means, pairs),
    }


def colour_distance(probe: Probe, video: UInt8[np.ndarray, "f h w 3"]) -> float:
    """Mean absolute RGB distance, 0 to 255, between the object's upper and lower colours then and
    now; nan where the object is not seen in the last 16 frames."""
    last = video[-CHUNK_FRAMES:]
    seen = ask(probe, last)["visible"]
    if not seen.any():
        return float("nan")
    now = np.mean([object_colours(frame) for frame in last[seen]], axis=0)
    return float(np.abs(now - object_colours(video[0])).mean())


def object_colours(frame: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "2 3"]:
    """Mean RGB of the upper and of the lower half of the object; nan if there is none."""
    values, mask = frame.astype(float), object_mask(frame)
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return np.full((2, 3), np.nan)
    upper, lower = mask.copy(), mask.copy()
    middle = int(rows.mean()) + 1
    upper[middle:], lower[:middle] = False, False
    return np.stack([values[half].mean(axis=0) if half.any() else values[mask].mean(axis=0)
                     for half in (upper, lower)])  # fmt: skip


def write_sheet(path: Path, videos: list) -> None:
    """One row a video, frames evenly over its whole length."""
    times = np.linspace(0, len(videos[0]) - 1, SHEET_FRAMES).round().astype(int)
    frames = np.concatenate([video[times] for video in videos])
    imageio.imwrite(path, contact_sheet(frames, columns=SHEET_FRAMES))


def format_table(report: dict) -> str:
    """The rows as text, with the bars that they are to reach."""
    lines = [f"{'measure':28}{'value':>8}  {'95 % interval':>16}{'videos':>8}   bar"]
    for name, row in report["rows"].items():
        interval = f"{row['low']:.3f} .. {row['high']:.3f}" if "low" in row else ""
        bar = BARS.get(name, "")
        lines.append(f"{name:28}{row['value']:8.3f}  {interval:>16}{row['count']:8d}   {bar}")
    return "\n".join(lines)
