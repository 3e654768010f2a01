"""Videos whose rank is known before any metric is asked: real ones, and two wrong ones."""

from collections.abc import Iterator

import numpy as np

from t2v.evaluation.arms.task import Task, Video
from t2v.evaluation.metrics.controls import shuffled_chunks
from t2v.settings.chunking import Chunking


def freeze(task: Task) -> Iterator[Video]:
    """The last frame of the first chunk again and again: no seams, and no motion."""
    yield task.first_chunk
    still = np.repeat(task.first_chunk[-1:], task.stack.chunking.new_frames, axis=0)
    for _ in range(1, task.config.num_chunks):
        yield still


def render_real(task: Task) -> Iterator[Video]:
    """The scene itself, as its world renders it."""
    if task.scene is None or task.world is None:
        raise ValueError("there is no scene to render")
    for start, stop in chunks_of(task):
        times = np.arange(start, stop, dtype=float)[None]
        yield task.world.draw([task.scene], times, size=task.first_chunk.shape[1])[0].numpy()


def shuffle(task: Task, chunking: Chunking | None = None) -> Iterator[Video]:
    """The chunks of the real video, or else of the video of `cam`, in another order.

    Args:
        chunking: of these chunks; by default the stack's.
    """
    is_real = task.scene is not None
    video = np.concatenate(list(render_real(task))) if is_real else np.array(task.preview())
    boundaries = (chunking or task.stack.chunking).boundaries(len(video))
    yield shuffled_chunks(video, boundaries, np.random.default_rng(task.config.seed))


def chunks_of(task: Task) -> Iterator[tuple[int, int]]:
    """The first frame of every chunk, and the one after its last."""
    chunking = task.stack.chunking
    for index in range(task.config.num_chunks):
        yield chunking.num_frames(index), chunking.num_frames(index + 1)
