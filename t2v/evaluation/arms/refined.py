"""The Streaming Refinement Stage on the video of `cam`: only how chunks are joined differs."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from t2v.evaluation.arms.continuation import frames_of
from t2v.evaluation.arms.controls import chunks_of, shuffle
from t2v.evaluation.arms.task import Draw, Task, Video
from t2v.media.images import resize
from t2v.pipeline.refinement import refine


def refine_preview(task: Task, blending: str) -> Iterator[Video]:
    """Refines the video of `cam`; frames leave as soon as this blending can let them go."""
    config = replace(task.config, blending=blending)
    yield from frames_of(refine(task.refiner(), config, preview_chunks(task)))


def at_refined_size(task: Task, draw: Draw) -> Iterator[Video]:
    """What a control draws, or the preview, at the size of refined frames: enlarged by Lanczos."""
    size = task.refiner().refined_size(task.first_chunk.shape[1:3])
    for frames in draw(replace(task, first_chunk=resize(task.first_chunk, size))):
        yield resize(frames, size)


def shuffle_refined(task: Task) -> Iterator[Video]:
    """The real video in another order of the refiner's chunks; a short one of the stack's."""
    chunking = task.refiner().settings.chunking
    has_several = task.num_frames >= chunking.num_frames(3)
    yield from shuffle(task, chunking if has_several else None)


def preview_chunks(task: Task) -> Iterator[Video]:
    video = task.preview()
    for start, stop in chunks_of(task):
        yield np.array(video[start:stop])
