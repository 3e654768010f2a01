"""How the arms of `helios_catalogue` draw: with settings of the app."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from t2v.evaluation.arms import baselines, continuation, controls
from t2v.evaluation.arms.catalogue import ARMS
from t2v.evaluation.arms.task import Draw, Task, Video
from t2v.pipeline.helios import stream
from t2v.pipeline.helios_stack import HeliosStack
from t2v.settings.bases import BASES


def continue_with(task: Task, **settings: Any) -> Iterator[Video]:
    """The app's pipeline after the first chunk, with other settings: history_length, use_anchor."""
    yield task.first_chunk
    config = replace(task.config, **settings)
    yield from continuation.frames_of(stream(task.stack, config, 1, task.memory))


WITHOUT = BASES["helios"].without
DRAW: dict[str, Draw] = {
    "cam": continue_with,
    "no-apm": partial(continue_with, **WITHOUT["long"]),
    "no-cam": partial(continue_with, **WITHOUT["short"]),
    "restart": continuation.restart,
    "last-frame": partial(continue_with, history_length=1),
    **{f"cam-{length}": partial(continue_with, history_length=length) for length in (1, 2, 4)},
    **{
        name: partial(baselines.draw_baseline, preset=arm.preset)
        for name, arm in ARMS.items()
        if arm.preset
    },
    "shuffled": controls.shuffle,
    "frozen": controls.freeze,
}


def trained_parameters(stack: HeliosStack, memories: tuple[str, ...]) -> int:
    """Parameters of the layers that read a memory; the newest latent and the anchor share one."""
    network = stack.transformer
    readers = {
        "cam": (network.patch_short, network.patch_mid, network.patch_long),
        "apm": (network.patch_short,),
    }
    layers = {layer for name in memories for layer in readers[name]}
    return sum(parameter.numel() for layer in layers for parameter in layer.parameters())
