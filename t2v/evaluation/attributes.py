"""Prompt fidelity: compares the probe's classes of videos with their captions."""

import numpy as np
import torch
from jaxtyping import Float

from t2v.evaluation.metrics.intervals import mean, with_interval
from t2v.evaluation.metrics.scroll import scroll_direction
from t2v.evaluation.samples import Video
from t2v.models.autoencoder import to_pixels
from t2v.settings.chunking import PAPER_CHUNKING, Chunking
from t2v.training.probe import LOWER, UPPER, Probe, alone
from t2v.worlds.world import DIRECTIONS, UNSAID, Scene, World


SLOWEST = 0.001  # picture sides per frame, a tenth of the slowest real object


@torch.inference_mode()
def classify_frames(probe: Probe, frames: Video) -> dict[str, np.ndarray]:
    """Runs the probe: probabilities per frame and class; `visible` (f,) bool; `centre` (f, 2)."""
    answers = probe(to_pixels(torch.from_numpy(frames)))
    result = {name: answers[name].softmax(dim=1).numpy() for name in probe.world.probe_classes}
    visible = answers["visible"][:, 0].numpy() > 0
    return {**result, "visible": visible, "centre": answers["centre"].numpy()}


def most_probable_class(world: World, answers: dict[str, np.ndarray], name: str) -> str:
    """The most probable class over all frames; of objects, over the frames that show one.

    "unseen" if no frame shows one.
    """
    everywhere = name in world.scene_classes
    chances = answers[name] if everywhere else answers[name][answers["visible"]]
    return world.probe_classes[name][chances.sum(axis=0).argmax()] if len(chances) else "unseen"


def attribute_rows(
    probe: Probe,
    scenes: list[Scene],
    videos: list[Video],
    prefix: str,
    chunking: Chunking = PAPER_CHUNKING,
) -> dict:
    """Shares of videos whose first chunk has the attributes that their captions state.

    Scrolling is measured only where it can be seen.
    """
    world = probe.world
    hits: dict[str, list[bool]] = {name: [] for name in (*world.measured, "direction", "scroll")}
    for scene, video in zip(scenes, videos, strict=True):
        first = video[: chunking.chunk_frames]
        answers = classify_frames(probe, first)
        for name in world.measured:
            if (said := world.caption_value(scene, name)) != UNSAID:
                hits[name].append(most_probable_class(world, answers, name) == said)
        if scene.motion in world.exit_directions:
            went = direction(answers["centre"], answers["visible"])
            hits["direction"].append(went == direction_name(world.exit_directions[scene.motion]))
        if (true_direction := world.scroll(scene)) is not None:
            hits["scroll"].append(scroll_direction(first) == true_direction)
    return {
        prefix + name: with_interval(mean, np.array(values, dtype=float))
        for name, values in hits.items()
        if values
    }


def pair_rows(
    probe: Probe,
    scenes: list[Scene],
    videos: list[Video],
    prefix: str,
    chunking: Chunking = PAPER_CHUNKING,
) -> dict:
    """Shares of videos in which both objects match the caption, in the first and last frames.

    The probe classifies each object with the other half of the picture painted grey.
    """
    world = probe.world
    count = chunking.chunk_frames
    parts = {"pair": slice(count), "pair_last": slice(-count, None)}
    rows = {}
    for part, frames in parts.items():
        for name in world.of_both:
            hits = [
                all(
                    most_probable_class(
                        world, classify_frames(probe, alone(video[frames], half)), name
                    )
                    == world.truth(one, name)
                    for half, one in ((UPPER, scene), (LOWER, scene.companion))
                )
                for scene, video in zip(scenes, videos, strict=True)
            ]
            rows[f"{prefix}{part}_{name}"] = with_interval(mean, np.array(hits, dtype=float))
    return rows


def direction(centre: Float[np.ndarray, "f 2"], seen: np.ndarray) -> str:
    """Direction of the object: the sign of the steeper line through its places.

    "none" if it is visible in fewer than 4 frames or does not move.
    """
    times = np.flatnonzero(seen)
    if len(times) < 4:
        return "none"
    slopes = np.polyfit(times, centre[seen], 1)[0]
    axis = int(abs(slopes[1]) > abs(slopes[0]))
    if abs(slopes[axis]) < SLOWEST:
        return "none"
    sign = int(np.sign(slopes[axis]))
    return direction_name((0, sign) if axis else (sign, 0))


def direction_name(way: tuple[int, int]) -> str:
    return next(name for name, step in DIRECTIONS.items() if step == way)


def remembered(probe: Probe, frames: Video) -> str:
    """The class that the caption leaves out, over frames that show the object; or "unseen"."""
    return most_probable_class(probe.world, classify_frames(probe, frames), probe.world.remembered)
