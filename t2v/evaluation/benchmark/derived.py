"""Measures of a video that need more than its frames: its caption, its chunks, its making."""

import numpy as np

from t2v.evaluation.attributes import classify_frames, most_probable_class
from t2v.evaluation.memory import colour_distance
from t2v.evaluation.metrics.catalogue import Metric
from t2v.evaluation.metrics.mawe import STAGNANT_MOTION
from t2v.evaluation.metrics.measurement import STAGNANT, Measurement, absent
from t2v.evaluation.samples import Video
from t2v.training.probe import Probe
from t2v.worlds.world import UNSAID, Scene


DERIVED: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("motion_kept", "motion at the end over motion at the beginning", "ratio", None),
        Metric("adherence", "prompt adherence at the end", "share", "higher", "the world's probe"),
        Metric("object_drift", "drift of the object's colours", "grey levels", "lower",
               "the world's probe"),
        Metric("memory_growth", "peak memory after 10 chunks over before", "ratio", "lower"),
    )
}  # fmt: skip
OF_CAPTION = ("adherence", "object_drift")
NO_SCENE = "the prompt is no caption of a world"
NOT_FINITE = "the model computed values that are no numbers"
OTHER_SIZE = "the probe knows frames of another size"
EARLY_CHUNKS = 10  # the memory of a process has settled by then


def motion_kept(per_chunk: np.ndarray) -> Measurement:
    """Motion in the last tenth of the chunks over that in the first tenth, chunk 0 left out.

    From 0; 1 means that a video moves at its end as it did at its beginning.
    """
    continued = per_chunk[1:]
    count = max(1, len(continued) // 10)
    if not len(continued):
        return absent("one chunk")
    first, last = continued[:count].mean(), continued[-count:].mean()
    return Measurement(float(last / first)) if first >= STAGNANT_MOTION else absent(STAGNANT)


def memory_growth(per_piece: list[int] | None) -> Measurement:
    """Most memory in use after 10 chunks over the most before: 1 is constant memory.

    Args:
        per_piece: bytes of the whole process; None if it was killed before they were kept.
    """
    if per_piece is None:
        return absent("the memory was not kept")
    early, late = per_piece[:EARLY_CHUNKS], per_piece[EARLY_CHUNKS:]
    if not late or not max(early):
        return absent(f"at most {EARLY_CHUNKS} chunks")
    return Measurement(max(late) / max(early))


def adherence(probe: Probe, scene: Scene, video: Video, num_last: int) -> Measurement:
    """Share of what the caption says that the probe sees in the last frames, 0 to 1."""
    world = probe.world
    answers = classify_frames(probe, np.array(video[-num_last:]))
    said = {name: world.caption_value(scene, name) for name in world.measured}
    hits = [
        most_probable_class(world, answers, name) == value
        for name, value in said.items()
        if value != UNSAID
    ]
    return Measurement(float(np.mean(hits))) if hits else absent("the caption says nothing")


def object_drift(probe: Probe, scene: Scene, video: Video, num_last: int) -> Measurement:
    """Mean absolute RGB distance of the object's parts from the first frame, 0 to 255."""
    if not probe.world.keeps_its_colours(scene):
        return absent("its colours change or cannot be told from the background")
    ends = np.concatenate([video[:1], video[-num_last:]])
    distance = colour_distance(probe, ends, num_last)
    return Measurement(distance) if np.isfinite(distance) else absent("the object is not seen")
