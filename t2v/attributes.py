"""What the probe says of videos: do they show what their captions say?"""

import numpy as np
import torch
from jaxtyping import Float, UInt8

from t2v.config import CHUNK_FRAMES
from t2v.metrics.intervals import mean, with_interval
from t2v.metrics.scroll import scroll_direction
from t2v.models.autoencoder import to_pixels
from t2v.training.captions import DIRECTIONS, PANS
from t2v.training.probe import CLASSES, LOWER, OF_THE_WALL, UPPER, Probe, alone
from t2v.training.world import CROSSING, Scene


SLOWEST = 0.001  # picture sides per frame, a tenth of the slowest real object


@torch.inference_mode()
def ask(probe: Probe, frames: UInt8[np.ndarray, "f h w 3"]) -> dict[str, np.ndarray]:
    """Probabilities per frame and class; `visible` (f,) booleans; `centre` (f, 2)."""
    answers = probe(to_pixels(torch.from_numpy(frames)))
    result = {name: answers[name].softmax(dim=1).numpy() for name in CLASSES}
    visible = answers["visible"][:, 0].numpy() > 0
    return {**result, "visible": visible, "centre": answers["centre"].numpy()}


def named(answers: dict[str, np.ndarray], name: str) -> str:
    """What most of the frames say; of objects, those in which one is seen ("unseen": none is)."""
    chances = answers[name] if name in OF_THE_WALL else answers[name][answers["visible"]]
    return CLASSES[name][chances.sum(axis=0).argmax()] if len(chances) else "unseen"


def attribute_rows(probe: Probe, scenes: list[Scene], videos: list, prefix: str) -> dict:
    """Attributes as said, over the first 16 frames; scrolling only of what has a pattern."""
    said = ("colour", "shape", "background", "pattern")
    hits = {name: [] for name in (*said, "direction", "scroll")}
    for scene, video in zip(scenes, videos, strict=True):
        first = video[:CHUNK_FRAMES]
        answers = ask(probe, first)
        for name in said:
            hits[name].append(named(answers, name) == getattr(scene, name))
        if scene.motion in CROSSING:
            went = direction(answers["centre"], answers["visible"])
            hits["direction"].append(went == way_name(CROSSING[scene.motion]))
        if scene.pattern != "plain":
            goes = way_name(PANS[scene.motion]) if scene.motion in PANS else scene.scroll
            hits["scroll"].append(scroll_direction(first) == goes)
    return {
        prefix + name: with_interval(mean, np.array(values, dtype=float))
        for name, values in hits.items()
        if values
    }


def pair_rows(probe: Probe, scenes: list[Scene], videos: list, prefix: str) -> dict:
    """Colours and shapes of two objects, both as said, over the first and over the last 16 frames.

    Each object is looked at with the half of the picture in which the other is painted grey.
    """
    parts = {"pair": slice(CHUNK_FRAMES), "pair_last": slice(-CHUNK_FRAMES, None)}
    rows = {}
    for part, frames in parts.items():
        for name in ("colour", "shape"):
            hits = [
                all(
                    named(ask(probe, alone(video[frames], half)), name) == getattr(one, name)
                    for half, one in ((UPPER, scene), (LOWER, scene.companion))
                )
                for scene, video in zip(scenes, videos, strict=True)
            ]
            rows[f"{prefix}{part}_{name}"] = with_interval(mean, np.array(hits, dtype=float))
    return rows


def direction(centre: Float[np.ndarray, "f 2"], seen: np.ndarray) -> str:
    """Where the object goes: the sign of the steeper line through its places.

    "none" if it is hardly seen or does not move at all.
    """
    times = np.flatnonzero(seen)
    if len(times) < 4:
        return "none"
    slopes = np.polyfit(times, centre[seen], 1)[0]
    axis = int(abs(slopes[1]) > abs(slopes[0]))
    if abs(slopes[axis]) < SLOWEST:
        return "none"
    step = [0, 0]
    step[axis] = int(np.sign(slopes[axis]))
    return way_name(tuple(step))


def way_name(way: tuple[int, int]) -> str:
    return next(name for name, step in DIRECTIONS.items() if step == way)


def second_colour(probe: Probe, frames: UInt8[np.ndarray, "f h w 3"]) -> str:
    """Of the frames in which the object is seen; "unseen" if there are none."""
    return named(ask(probe, frames), "second_colour")
