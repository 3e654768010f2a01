"""Held-out scenes, and their videos: drawn by a stack, or rendered."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from t2v.events import Chunk, Event
from t2v.pipeline import helios, streaming_t2v
from t2v.pipeline.helios_stack import HeliosStack
from t2v.pipeline.stack import Stack
from t2v.settings.config import GenerationConfig
from t2v.worlds.world import Scene, World


Video = UInt8[np.ndarray, "f h w 3"]
HELD_OUT = 1_000_003  # seeds from here on are never used in training


def held_out_scenes(world: World, count: int) -> tuple[list[Scene], list[Scene]]:
    """Draws `count` scenes of one object, and a quarter as many of two if the world has them."""
    single = [world.sample(np.random.default_rng(HELD_OUT + i), pair=False) for i in range(count)]
    motions = world.pair_motions
    pairs = [
        world.sample(
            np.random.default_rng(3 * HELD_OUT + i), pair=True, motion=motions[i % len(motions)]
        )
        for i in range(max(4, count // 4) if motions else 0)
    ]
    return single, pairs


def stream(stack: Stack | HeliosStack, config: GenerationConfig, **start: Any) -> Iterator[Event]:
    """The events of a video on any stack; `start` as for the `stream` of its pipeline."""
    pipeline = helios if isinstance(stack, HeliosStack) else streaming_t2v
    return pipeline.stream(stack, config, **start)


def generate(stack: Stack | HeliosStack, config: GenerationConfig, **start: Any) -> Video:
    """Draws all frames of a video; `start` as for `stream`."""
    events = stream(stack, config, **start)
    return np.concatenate([event.frames for event in events if isinstance(event, Chunk)])


def render(world: World, scene: Scene, num_frames: int) -> Video:
    """Renders the first frames of a scene."""
    return world.draw([scene], np.arange(num_frames, dtype=float)[None])[0].numpy()
