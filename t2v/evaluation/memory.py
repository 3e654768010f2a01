"""Measures of the APM: returns after 8 hidden frames, and drift over 30 chunks."""

from dataclasses import replace

import numpy as np
from tqdm import tqdm

from t2v.evaluation.attributes import classify_frames, remembered
from t2v.evaluation.metrics.intervals import mean, ratio_of_means, with_interval
from t2v.evaluation.samples import HELD_OUT, Video, generate, held_out_scenes, render
from t2v.events import Memory
from t2v.pipeline.stack import Stack
from t2v.settings.chunking import PAPER_CHUNKING
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset
from t2v.training.clips import sample_window
from t2v.training.probe import Probe
from t2v.worlds.world import Scene


LONG_CHUNKS = 30
RETURN_CHUNKS = 2  # after one chunk, often only a part of the object has come back


def memory_rows(stack: Stack, probe: Probe, preset: Preset, num_prompts: int) -> dict:
    """Measures the long-term memory: after 8 hidden frames, and after 30 chunks."""
    scenes, _ = held_out_scenes(probe.world, num_prompts)
    configs = [preset.config(prompt=scene.caption, seed=i) for i, scene in enumerate(scenes)]
    return {
        **return_rows(stack, probe, preset, num_prompts),
        **drift_rows(stack, probe, scenes, configs),
    }


def return_rows(stack: Stack, probe: Probe, preset: Preset, count: int) -> dict:
    """Accuracy of the class that no caption states, for an object that comes back.

    The 8 conditioning frames, which do not show it, and the anchor frame are rendered: so this
    measures memory, not drift.
    """
    world, name = probe.world, probe.world.remembered
    chunking = preset.chunking
    hits: dict[str, list[bool]] = {"apm": [], "apm_off": [], "wrong_anchor": [], "real": []}
    windows = [
        sample_window(
            np.random.default_rng(2 * HELD_OUT + i), world.sample_to_remember, is_return=True
        )
        for i in range(count)
    ]
    for i, (scene, start) in enumerate(tqdm(windows, desc="returns")):
        other = windows[(i + 1) % count][0]
        end = start + chunking.overlap + RETURN_CHUNKS * chunking.new_frames
        times = np.concatenate([[0], np.arange(start, end)]).astype(float)
        frames = world.draw([scene], times[None])[0].numpy()
        wrong_anchor = render(world, other, 1)[0]
        cond_frames, truth = np.split(frames[1:], [chunking.overlap])
        config = preset.config(prompt=scene.caption, seed=i, num_chunks=1 + RETURN_CHUNKS)
        arms = {
            "apm": (frames[0], config, scene),
            "apm_off": (frames[0], replace(config, apm_strength=0.0), scene),
            "wrong_anchor": (wrong_anchor, config, other),
        }
        for arm, (anchor, settings, owner) in arms.items():
            memory = Memory(cond_frames, anchor)
            drawn = generate(stack, settings, first_chunk=1, memory=memory)
            hits[arm].append(remembered(probe, drawn) == world.truth(owner, name))
        hits["real"].append(remembered(probe, truth) == world.truth(scene, name))
    values = {name: np.array(hit, dtype=float) for name, hit in hits.items()}
    rows = {f"returned_{name}": with_interval(mean, value) for name, value in values.items()}
    rows["returned_gain"] = with_interval(mean, values["apm"] - values["apm_off"])
    return rows


def drift_rows(
    stack: Stack, probe: Probe, scenes: list[Scene], configs: list[GenerationConfig]
) -> dict:
    """Distance between the object's colours in chunk 30 and in the first frame, APM on over off.

    Measured on a quarter of the prompts (it takes long), and only for objects that stay in the
    picture and keep their colours.
    """
    chosen = [i for i, scene in enumerate(scenes) if probe.world.keeps_its_colours(scene)]
    chosen = chosen[: max(4, len(scenes) // 4)]
    distances = []
    for config in tqdm([configs[i] for i in chosen], desc="30 chunks"):
        for strength in (config.apm_strength, 0.0):
            settings = replace(config, num_chunks=LONG_CHUNKS, apm_strength=strength)
            video = generate(stack, settings)
            distances.append(colour_distance(probe, video, stack.chunking.chunk_frames))
    pairs = np.array(distances).reshape(-1, 2)  # APM on and off, of each prompt
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    if len(pairs) < 2:
        return {}
    return {
        "anchor_distance_apm": with_interval(mean, pairs[:, 0]),
        "anchor_distance_apm_off": with_interval(mean, pairs[:, 1]),
        "anchor_distance_ratio": with_interval(ratio_of_means, pairs),
    }


def colour_distance(
    probe: Probe, video: Video, num_last_frames: int = PAPER_CHUNKING.chunk_frames
) -> float:
    """Mean absolute RGB distance of the object's parts between the first and the last frames.

    From 0 to 255; nan if the object is not visible in the last frames.
    """
    colours = probe.world.object_colours
    last = video[-num_last_frames:]
    answers = classify_frames(probe, last)
    seen = answers["visible"]
    if not seen.any():
        return float("nan")
    places = zip(last[seen], answers["centre"][seen], strict=True)
    now = np.mean([colours(frame, centre) for frame, centre in places], axis=0)
    [first_centre] = classify_frames(probe, video[:1])["centre"]
    return float(np.abs(now - colours(video[0], first_centre)).mean())
