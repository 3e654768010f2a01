"""What an arm is given: everything that two arms of one prompt and seed have in common."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from jaxtyping import UInt8
from numpy import ndarray

from t2v.events import LatentMemory
from t2v.generator import Generator
from t2v.pipeline.stack import Refiner, Stack
from t2v.settings.config import GenerationConfig
from t2v.worlds.world import Scene, World


Video = UInt8[ndarray, "_ _ _ 3"]
Draw = Callable[["Task"], Iterator[Video]]


@dataclass(frozen=True, slots=True)
class Task:
    """One prompt and one seed.

    Args:
        stack: the Stack of the preset; for arms of Helios, its HeliosStack.
        config: its `num_chunks` are those of the stack's own geometry, and say how long the video
            of every arm is at least; what is longer is cut by whoever asked for it.
        first_chunk: frames that the arm continues, where it continues any.
        scene: what the prompt describes, on a stack that was trained on a world.
        preview: gives the video of `cam`, for arms that change a video.
        refiner: loads the refiner, for arms that need it.
        baseline: loads the preset of another model, for arms that are one.
        memory: what the first chunk leaves beside its frames, on Helios.
        conditioned: loads the stack with another, trained way to condition chunks, by its name.
    """

    stack: Any
    config: GenerationConfig
    first_chunk: UInt8[ndarray, "f h w 3"]
    preview: Callable[[], Video]
    refiner: Callable[[], Refiner]
    baseline: Callable[[str], Generator]
    conditioned: Callable[[str], Stack]
    scene: Scene | None = None
    world: World | None = None
    memory: LatentMemory | None = None

    @property
    def num_frames(self) -> int:
        """Frames of the video."""
        return self.stack.chunking.num_frames(self.config.num_chunks)
