"""The interface of a world, for training and evaluation.

A scene describes one video by formulas: any frame can be rendered at any size, and the ground truth
is exact. The caption states a part of it; only a memory can keep the rest.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor


UNSAID = "unsaid"  # value of an attribute that the caption leaves out
NONE = "none"
# What every world asks of the memories and of the speed (`bars`).
MEMORY_BARS = {
    "seam_cam": "<= 1.5",
    "seam_excess_cam_over_off": "<= 0.5",
    "motion_kept": "0.7 .. 1.4",
    "returned_gain": ">= 0.20",
    "anchor_distance_ratio": "<= 0.75",
    "seconds_per_chunk": "<= 1.0",
}
NUM_TRAINING_FRAMES = 200  # of a video: single frames are drawn from the first ones
DIRECTIONS = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}


@runtime_checkable
class Scene(Protocol):
    """One video of one object, or of two: then `companion` is the lower one."""

    @property
    def caption(self) -> str: ...

    @property
    def motion(self) -> str: ...

    @property
    def companion(self) -> "Scene | None": ...

    def centre(self, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 2"]:
        """Centre of the object (x, y), in picture sides, also while it is hidden."""
        ...

    def hidden(self, times: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Whether the object is completely outside the picture."""
        ...

    def plainly_visible(self, times: Float[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
        """Whether at least about half of the object is in the picture."""
        ...


S = TypeVar("S", bound=Scene)


class World(ABC, Generic[S]):
    """Captions, scenes and renderer of one world. `find_world` finds it by its name."""

    name: ClassVar[str]
    examples: ClassVar[tuple[str, ...]]  # prompts on the page
    sheet_captions: ClassVar[tuple[str, ...]]  # 12, of the easier part of the world

    # Of the networks that are trained on it.
    latent_channels: ClassVar[int]
    object_weight: ClassVar[float]  # of the object's box in the autoencoder's loss, above 1
    skip_temporal_layers_at_one_frame: ClassVar[bool]  # models/single_frames.py

    # Attributes and their values: in captions, and as classes of the probe.
    attributes: ClassVar[Mapping[str, tuple[str, ...]]]
    probe_classes: ClassVar[Mapping[str, tuple[str, ...]]]
    scene_classes: ClassVar[tuple[str, ...]]  # probe classes that are visible without the object

    # What the evaluation measures.
    measured: ClassVar[tuple[str, ...]]  # probe classes that captions state
    of_both: ClassVar[tuple[str, ...]]  # of those, the classes of each of two objects
    remembered: ClassVar[str]  # the probe class that only the anchor frame shows
    exit_directions: ClassVar[Mapping[str, tuple[int, int]]]  # motions that leave the picture: x, y
    always_moving: ClassVar[tuple[str, ...]]  # motions that never stop and never leave the picture
    pair_motions: ClassVar[
        tuple[str, ...]
    ]  # of two objects that stay in the picture; empty: no pairs
    bars: ClassVar[Mapping[str, str]]  # target of each row of the table

    @abstractmethod
    def vocabulary(self) -> list[str]:
        """Every word a caption can contain, sorted."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, *, pair: bool | None = None, **fixed: str) -> S:
        """Draws a scene.

        Args:
            pair: whether there are two objects; None draws that at random.
            fixed: attributes that are not drawn at random.
        """

    @abstractmethod
    def sample_plain(self, rng: np.random.Generator) -> S:
        """Draws a scene of the easier part of the world, which training starts with."""

    @abstractmethod
    def sample_to_remember(self, rng: np.random.Generator) -> S:
        """Draws a scene whose caption leaves out the class `remembered`."""

    @abstractmethod
    def draw(
        self, scenes: list[S], times: Float[np.ndarray, "n f"], size: int = 64
    ) -> UInt8[Tensor, "n f {size} {size} 3"]:
        """Draws frames `times[i]` of `scenes[i]`, anti-aliased."""

    @abstractmethod
    def boxes(self, scenes: list[S], times: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n f 4"]:
        """Boxes of the objects: left, top, right, bottom in picture sides; may be outside of it."""

    @abstractmethod
    def caption_value(self, scene: S, name: str) -> str:
        """The value of an attribute in the caption; UNSAID if it is left out."""

    @abstractmethod
    def truth(self, scene: S, name: str) -> str:
        """The correct class of the probe, in the caption or not."""

    @abstractmethod
    def scroll(self, scene: S) -> str | None:
        """Direction of the background, or "none"; None if it cannot be seen."""

    @abstractmethod
    def keeps_its_colours(self, scene: S) -> bool:
        """Whether the object has the same measurable colours in every frame of a long video."""

    @abstractmethod
    def object_colours(
        self, frame: UInt8[np.ndarray, "h w 3"], centre: Float[np.ndarray, " 2"]
    ) -> Float[np.ndarray, "parts 3"]:
        """Mean RGB of the object's parts; nan if there is no object."""


def visible_times(
    scene: Scene, rng: np.random.Generator, count: int
) -> Float[np.ndarray, " {count}"]:
    """Draws times of training frames at which the object is plainly visible."""
    times = np.arange(NUM_TRAINING_FRAMES, dtype=float)
    return rng.choice(times[scene.plainly_visible(times)], count)
