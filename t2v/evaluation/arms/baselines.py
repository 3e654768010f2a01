"""Arms that are other models: presets of `t2v/baselines/` as they are, for a prompt and seed."""

from collections.abc import Iterator

from t2v.evaluation.arms.continuation import frames_of
from t2v.evaluation.arms.task import Task, Video


def draw_baseline(task: Task, preset: str) -> Iterator[Video]:
    """As many chunks of the preset as the video needs, with the preset's own settings."""
    generator = task.baseline(preset)
    config = generator.configure(
        prompt=task.config.prompt,
        seed=task.config.seed,
        num_chunks=generator.preset.chunking.num_chunks(task.num_frames),
    )
    yield from frames_of(generator.stream(config))
